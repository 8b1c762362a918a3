//! Command lines as other tools have them (ip, iptables, conntrack, docker, containerlab),
//! translated into ours before clap reads them.
//!
//! Pure: words in, words out. A line that is ours already passes unchanged. A habit that has no
//! equivalent is an error that says what to type; docs/habits.md lists all of them.

mod answers;
mod bridges;
mod ip;
mod rules;
#[cfg(test)]
mod tests;
mod words;

use std::ffi::OsString;

use words::Words;

/// Options of `ip` that only change its output, or that are the only way here.
const IGNORED_OPTIONS: &[&str] = &[
    "-4", "-br", "-brief", "-c", "-color", "-d", "-details", "-s", "-stats", "-o", "-oneline",
    "-p", "-pretty", "-N", "-numeric",
];

/// The commands that the option `-n` of `ip` can stand before.
const IN_A_NAMESPACE: &[&str] = &["addr", "link", "route", "bridge", "cable", "show", "ps"];

/// Translates the words of a command line, without the program's name.
///
/// # Errors
/// Where a habit has no equivalent: the text says what to type instead.
pub fn translate(words: Vec<OsString>) -> Result<Vec<OsString>, String> {
    let mut words = Words::new(words);
    let lead = Lead::take(&mut words)?;
    if words.peek().is_some_and(rules::is_of_iptables) {
        return answers::without_program(words);
    }
    let Some(typed) = words.take() else {
        // `ip netns` lists the namespaces.
        let list = lead.is_ip_netns.then(|| OsString::from("list"));
        return Ok(lead.before(list.into_iter().collect()));
    };
    let name = command(&typed).unwrap_or_else(|| typed.clone());
    let namespace = lead.namespace.as_deref();
    let is_of_ip = IN_A_NAMESPACE.contains(&name.as_str());
    if namespace.is_some() && !is_of_ip {
        return Err(answers::answer(&name).unwrap_or_else(|| {
            format!(
                "-n chooses a namespace for {}: `netns {name}` does not take it",
                IN_A_NAMESPACE.join(", ")
            )
        }));
    }
    if let Some(ignored) = lead.ignored.as_ref().filter(|_| !is_of_ip && !lead.is_ip_netns) {
        return Err(answers::answer(&name)
            .unwrap_or_else(|| format!("`netns {name}` has no option `{ignored}`")));
    }
    if lead.all && name != "exec" {
        return Err(format!(
            "-all runs a command in every namespace (`netns exec --all CMD`): `netns {name}` does \
             not take it"
        ));
    }
    let translated = match name.as_str() {
        "exec" => exec(words, lead.all)?,
        "show" | "ps" => {
            let mut line = vec![OsString::from(&name)];
            line.extend(namespace.map(OsString::from));
            // `docker ps -a`: all are shown anyway.
            let is_said = |word: &OsString| name == "ps" && (word == "-a" || word == "--all");
            line.extend(words.rest().into_iter().filter(|word| !is_said(word)));
            line
        }
        _ => words.translated(&name, |words| match name.as_str() {
            "addr" => ip::address(words, namespace),
            "link" => ip::link(words, namespace),
            "route" => ip::route(words, namespace),
            "bridge" => bridges::bridge(words, namespace),
            "cable" => Ok(bridges::cable(words, namespace)),
            "forward" => rules::forward(words),
            "masquerade" => rules::masquerade(words),
            "nat" => rules::nat(lab_option(words)?),
            "flows" => rules::flows(words),
            "plan" if words.iter().any(|word| word.contains("detailed-exitcode")) => {
                Err("type `netns plan --exit-code`: exit code 3 says that `up` would change \
                     something"
                    .into())
            }
            "up" => up(&typed, words),
            "plan" | "check" | "doctor" => Ok(topology_option(&name, words)),
            "down" | "graph" => {
                // Nothing of a lab is kept, so nothing more is to be cleaned up.
                let is_said =
                    |word: &String| matches!(word.as_str(), "-v" | "--volumes" | "--cleanup");
                let words = words.into_iter().filter(|word| name != "down" || !is_said(word));
                Ok(topology_option(&name, lab_option(words.collect())?))
            }
            "add" if words.iter().any(|word| is_place(word)) => {
                Err("`netns add` makes a namespace of its own: add one to the file of a lab, and \
                     run `netns up FILE`"
                    .into())
            }
            "status" | "log" | "watch" => Ok(words::line([&name], lab_option(words)?)),
            _ => answers::other(&name, words),
        })?,
    };
    Ok(lead.before(translated))
}

/// The options that `ip` has before its object.
#[derive(Debug, Default)]
struct Lead {
    /// Words of ours, to be kept in front.
    kept: Vec<OsString>,
    namespace: Option<String>,
    all: bool,
    /// The last of [`IGNORED_OPTIONS`].
    ignored: Option<String>,
    /// Whether the object is `netns`, which other commands of ours have in common with `ip`.
    is_ip_netns: bool,
}

impl Lead {
    fn take(words: &mut Words) -> Result<Self, String> {
        let mut lead = Self::default();
        while let Some(word) = words.peek() {
            match word {
                // The name of the other program, typed behind ours.
                "ip" | "docker" | "containerlab" if words.has_more() => {}
                "-j" | "-json" => lead.kept.push("--json".into()),
                "-a" | "-all" => lead.all = true,
                "-6" => return Err(answers::NO_IPV6.into()),
                "-n" | "-netns" => {
                    words.take();
                    let name = words.peek().filter(|name| !name.starts_with('-'));
                    let missing = "-n needs the name of a namespace: `netns -n red addr`";
                    lead.namespace = Some(name.ok_or(missing)?.to_owned());
                }
                // `ip netns add red` and the like.
                "netns" => lead.is_ip_netns = true,
                "--json" => lead.kept.push("--json".into()),
                ignored if IGNORED_OPTIONS.contains(&ignored) => {
                    lead.ignored = Some(ignored.to_owned());
                }
                _ => break,
            }
            words.take();
        }
        Ok(lead)
    }

    fn before(self, line: Vec<OsString>) -> Vec<OsString> {
        let mut all = self.kept;
        all.extend(line);
        all
    }
}

/// The name of a command that other tools, or other people, call otherwise.
fn command(word: &str) -> Option<String> {
    let name = match word {
        "a" | "address" => "addr",
        "l" => "link",
        "r" | "ro" => "route",
        "br" | "brctl" => "bridge",
        "ls" => "list",
        "rm" | "delete" => "del",
        "create" => "add",
        "apply" | "deploy" => "up",
        "destroy" => "down",
        "validate" => "check",
        "conntrack" => "flows",
        _ => return None,
    };
    Some(name.to_owned())
}

/// Options of docker that say which network gets a container.
fn is_place(word: &str) -> bool {
    matches!(word, "--bridge" | "--network" | "--net" | "--ip" | "--lab")
}

/// `netns up FILE`, and `deploy` of containerlab.
///
/// # Errors
/// For `deploy` and `apply` without a file, and options without an equivalent: the text says what
/// to type.
fn up(typed: &str, words: Vec<String>) -> Result<Vec<String>, String> {
    // A lab lives without a process anyway.
    let is_said = |word: &String| matches!(word.as_str(), "-d" | "--detach");
    let words: Vec<String> = words.into_iter().filter(|word| !is_said(word)).collect();
    if words.iter().any(|word| matches!(word.as_str(), "--reconfigure" | "-c")) {
        return Err("type `netns down LAB`, then `netns up FILE`; `netns up FILE` alone applies \
                    what has changed in the file"
            .into());
    }
    let line = topology_option("up", words);
    let asks_help = |word: &String| matches!(word.as_str(), "-h" | "--help");
    // Elsewhere these two build the file of their folder, which may be in another language.
    if typed != "up"
        && line.iter().all(|word| word == "up" || word.starts_with('-') && word != "-")
        && !line.iter().any(asks_help)
    {
        return Err(format!(
            "`{typed}` needs a topology file: type `netns up FILE`; `netns up` without a file \
             builds the lab of the lecture"
        ));
    }
    Ok(line)
}

/// `docker exec -it NAME CMD` and `ip -all netns exec CMD`. The words of the command itself stay as
/// they are.
///
/// # Errors
/// For options of docker without an equivalent: the text says what to type.
fn exec(mut words: Words, mut all: bool) -> Result<Vec<OsString>, String> {
    let mut line: Vec<OsString> = vec!["exec".into()];
    while let Some(word) = words.peek().filter(|word| word.starts_with('-') && *word != "--") {
        match word {
            "-i" | "-t" | "-it" | "-ti" | "--interactive" | "--tty" => {}
            "-a" | "-all" | "--all" => all = true,
            "-d" | "--detach" => {
                let answer = "the shell runs a command in the background: type `netns exec NAME -- \
                              CMD &`";
                return Err(answer.into());
            }
            "-u" | "--user" | "-w" | "--workdir" | "-e" | "--env" => {
                return Err(format!(
                    "`netns exec` has no option `{word}`: put runuser, `env --chdir=DIR` or `env \
                     VARIABLE=VALUE` before the command"
                ));
            }
            other => line.push(other.into()),
        }
        words.take();
    }
    if all {
        line.push("--all".into());
    }
    line.extend(words.rest());
    Ok(line)
}

/// `-t FILE`, `--topo FILE` of containerlab, and `-f FILE` of docker compose.
fn topology_option(name: &str, words: Vec<String>) -> Vec<String> {
    let is_option = |word: &str| {
        matches!(word, "-t" | "--topo" | "--file") || (word == "-f" && name != "graph")
    };
    let mut line = vec![name.to_owned()];
    let mut words = words.into_iter().peekable();
    while let Some(word) = words.next() {
        // Without a file behind it, the option is none of these, and clap refuses it.
        let names_file = is_option(&word) && words.peek().is_some_and(|it| !it.starts_with("--"));
        line.extend((!names_file).then_some(word));
    }
    line
}

/// `--lab LAB` where a lab is an argument.
///
/// # Errors
/// When no lab follows: without it, the command would be about another one.
fn lab_option(words: Vec<String>) -> Result<Vec<String>, String> {
    let mut line = Vec::new();
    let mut words = words.into_iter().peekable();
    while let Some(word) = words.next() {
        if let Some(lab) = word.strip_prefix("--lab=") {
            line.push(lab.to_owned());
        } else if word != "--lab" {
            line.push(word);
        } else if words.peek().is_none_or(|lab| lab.is_empty() || lab.starts_with('-')) {
            return Err("`--lab` has no value: write the name of a lab behind it".into());
        }
    }
    Ok(line)
}
