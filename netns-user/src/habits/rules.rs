//! Rules as iptables, conntrack and docker have them.

use std::net::Ipv4Addr;

use super::words::line;

/// The actions on rules, under other names.
fn action(word: &str) -> &str {
    match word {
        "create" | "-A" | "--append" | "-I" | "--insert" => "add",
        "delete" | "rm" | "remove" | "-D" | "--delete" => "del",
        "ls" | "show" | "-L" | "--list" => "list",
        other => other,
    }
}

/// The options of ours that have a value.
const WITH_VALUE: &[&str] = &[
    "--address",
    "--from",
    "--lab",
    "--router",
    "--uplink",
    "--except",
    "--to",
    "--mss-clamp",
    "--mapping",
    "--filtering",
];

/// The kinds of rules, which differ in the options of iptables that they have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Masquerade,
    Forward,
}

/// The words of a line in which a rule stands.
#[derive(Debug, Default)]
struct Rule {
    /// The words that are no options.
    names: Vec<String>,
    /// Options of ours, with their values.
    options: Vec<String>,
    protocol: Option<String>,
    port: Option<String>,
    target: Option<String>,
}

impl Rule {
    /// Reads the words behind the action. Options of iptables become ours.
    ///
    /// # Errors
    /// When an option has no value, or no equivalent in this kind of rule.
    fn read(words: Vec<String>, kind: Kind) -> Result<Self, String> {
        let mut rule = Self::default();
        let mut words = words.into_iter();
        while let Some(word) = words.next() {
            let mut value = || words.next().ok_or_else(|| format!("`{word}` has no value"));
            let is_forward = kind == Kind::Forward;
            match word.as_str() {
                "-p" | "--protocol" | "--publish" if is_forward => {
                    let value = value()?;
                    match value.contains(':') {
                        true => rule.names.push(value),
                        false => rule.protocol = Some(value),
                    }
                }
                "--dport" | "--destination-port" if is_forward => {
                    rule.port = Some(value()?.replace(':', "-"));
                }
                "--to-destination" if is_forward => rule.target = Some(value()?),
                "-s" | "--source" if is_forward => {
                    rule.options.extend(["--from".into(), value()?]);
                }
                "-d" | "--destination" if is_forward => {
                    rule.options.extend(["--address".into(), value()?]);
                }
                "-s" | "--source" => rule.names.push(value()?),
                "-o" | "--out-interface" if !is_forward => {
                    rule.options.extend(["--uplink".into(), value()?]);
                }
                "!" if !is_forward => {
                    let option = value()?;
                    if !matches!(option.as_str(), "-d" | "--destination") {
                        return Err(format!("`! {option}` has no equivalent in a masquerade"));
                    }
                    let network = words.next().ok_or("`! -d` has no value")?;
                    rule.options.extend(["--except".into(), network]);
                }
                "--port" if is_forward => rule.port = Some(value()?),
                "--target" if is_forward => rule.target = Some(value()?),
                "--to-source" if !is_forward => rule.options.extend(["--to".into(), value()?]),
                // Said by the command already.
                "-t" | "--table" => is_said(&word, &value()?, &["nat"])?,
                "-j" | "--jump" if is_forward => is_said(&word, &value()?, &["DNAT"])?,
                "-j" | "--jump" => is_said(&word, &value()?, &["MASQUERADE", "SNAT"])?,
                "PREROUTING" if is_forward => {}
                "POSTROUTING" if !is_forward => {}
                option if WITH_VALUE.contains(&option) => {
                    let value = value()?;
                    rule.options.extend([word.clone(), value]);
                }
                ours if ours.starts_with("--") || ours == "-h" => rule.options.push(word),
                foreign if foreign.starts_with('-') || foreign == "!" => {
                    return Err(format!(
                        "a rule of this kind has no `{foreign}` here: `netns forward add --help` \
                         and `netns masquerade add --help` show the options"
                    ));
                }
                _ => rule.names.push(word),
            }
        }
        Ok(rule)
    }
}

/// Accepts the value of an option that the command has said already.
fn is_said(option: &str, value: &str, known: &[&str]) -> Result<(), String> {
    match known.contains(&value) {
        true => Ok(()),
        false => Err(format!(
            "`{option} {value}` has no equivalent here: `{option}` can be {}, which the command \
             says already",
            known.join(" or ")
        )),
    }
}

/// `netns masquerade ACTION …`
///
/// # Errors
/// When an option has no value or no equivalent.
pub(super) fn masquerade(mut words: Vec<String>) -> Result<Vec<String>, String> {
    if words.is_empty() {
        return Ok(line(["masquerade"], words));
    }
    let first = words.remove(0);
    match action(&first) {
        action @ ("add" | "del") => {
            let Rule { mut names, options, .. } = Rule::read(words, Kind::Masquerade)?;
            names.extend(options);
            Ok(line(["masquerade", action], names))
        }
        action => Ok(line(["masquerade", action], words)),
    }
}

/// `netns forward ACTION …`
///
/// # Errors
/// When an option has no value or no equivalent, or a target is missing.
pub(super) fn forward(mut words: Vec<String>) -> Result<Vec<String>, String> {
    if words.is_empty() {
        return Ok(line(["forward"], words));
    }
    let first = words.remove(0);
    let action = match action(&first) {
        action @ ("add" | "del") => action,
        action => return Ok(line(["forward", action], words)),
    };
    let adds = action == "add";
    let Rule { names, mut options, mut protocol, mut port, mut target } =
        Rule::read(words, Kind::Forward)?;
    let is_ours = names.first().is_some_and(|name| is_protocol(name))
        && names.get(1).is_some_and(|port| !port.contains(':'))
        && names.len() == if adds { 3 } else { 2 };
    let mut others = Vec::new();
    let mut published = None;
    for name in names {
        match Published::read(&name) {
            Some(read) if !is_ours && published.is_none() && read.is_of_docker() => {
                published = Some(read);
            }
            _ if protocol.is_none() && is_protocol(&name) => protocol = Some(name),
            _ => others.push(name),
        }
    }
    let is_ports = |word: &str| Published::read(word).is_some_and(|it| !it.is_of_docker());
    if published.is_none() && protocol.is_none() && others.first().is_some_and(|it| is_ports(it)) {
        // A target needs a port too.
        if let Some(target) = others.get_mut(1).filter(|target| adds && !target.contains(':')) {
            target.push_str(":PORT");
        }
        let typed = others.join(" ");
        return Err(format!("the protocol is missing: type `netns forward {action} tcp {typed}`"));
    }
    let is_published = published.is_some();
    if let Some(Published { address, outside, inside, protocol: named }) = published {
        protocol = protocol.or(named).or_else(|| Some("tcp".into()));
        port = Some(outside.clone());
        // Docker's name for every address.
        if let Some(address) = address.filter(|address| address != "0.0.0.0") {
            options.extend(["--address".into(), address]);
        }
        if adds {
            let inside = first_port(&outside, inside.as_deref().unwrap_or(&outside))?;
            let Some(name) = others.pop() else {
                return Err(format!(
                    "the target is missing: type `netns forward add {outside}:{inside} NAMESPACE`"
                ));
            };
            target = Some(format!("{name}:{inside}"));
        }
    }
    if !adds {
        // `iptables -D` and docker's form repeat the whole rule.
        target = None;
        if is_published {
            others.clear();
        }
        let address = others.first().and_then(|it| it.split_once(':'));
        if let Some((address, outside)) = address.filter(|(ip, _)| ip.parse::<Ipv4Addr>().is_ok()) {
            options.extend(["--address".to_owned(), address.to_owned()]);
            others[0] = outside.to_owned();
        }
        if options.iter().any(|option| option == "--from") {
            return Err("a forward is deleted by its protocol, port and --address: leave the \
                        source out"
                .into());
        }
    }
    let mut rest: Vec<String> = Vec::new();
    rest.extend(protocol);
    rest.extend(port);
    rest.extend(others);
    rest.extend(target);
    rest.extend(options);
    Ok(line(["forward", action], rest))
}

/// `docker run -p [ADDRESS:]PORT:PORT[/PROTOCOL]`.
#[derive(Debug, PartialEq, Eq)]
struct Published {
    address: Option<String>,
    outside: String,
    inside: Option<String>,
    protocol: Option<String>,
}

impl Published {
    /// Whether it is more than a port, which our own lines have too.
    fn is_of_docker(&self) -> bool {
        self.inside.is_some() || self.protocol.is_some()
    }

    fn read(word: &str) -> Option<Self> {
        let (ports, protocol) = match word.split_once('/') {
            Some((ports, protocol)) if is_protocol(protocol) => (ports, Some(protocol.to_owned())),
            Some(_) => return None,
            None => (word, None),
        };
        let is_ports = |text: &str| {
            !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'-')
        };
        let parts: Vec<&str> = ports.split(':').collect();
        let (address, outside, inside) = match parts.as_slice() {
            [outside] => (None, outside, None),
            [outside, inside] => (None, outside, Some(inside)),
            [address, outside, inside] => (Some((*address).to_owned()), outside, Some(inside)),
            _ => return None,
        };
        let inside = inside.map(|inside| (*inside).to_owned());
        (is_ports(outside) && inside.as_deref().is_none_or(is_ports)).then(|| Self {
            address,
            outside: (*outside).to_owned(),
            inside,
            protocol,
        })
    }
}

fn is_protocol(word: &str) -> bool {
    word.split(',').all(|one| {
        ["tcp", "udp", "sctp", "udplite"].iter().any(|name| name.eq_ignore_ascii_case(one))
    })
}

/// The first port of the target. As many ports are inside as outside.
fn first_port<'a>(outside: &str, inside: &'a str) -> Result<&'a str, String> {
    let count = |ports: &str| {
        let (first, last) = ports.split_once('-').unwrap_or((ports, ports));
        Some(last.parse::<u32>().ok()?.abs_diff(first.parse().ok()?))
    };
    let (first, _) = inside.split_once('-').unwrap_or((inside, inside));
    if count(outside) != count(inside) {
        return Err(format!(
            "{outside} and {inside} are not equally many ports: a forward leads each port to one \
             of its own"
        ));
    }
    Ok(first)
}

/// `netns nat -L` of somebody who knows `iptables -t nat -nvL`.
///
/// # Errors
/// For options that change rules: the text says what to type.
pub(super) fn nat(words: Vec<String>) -> Result<Vec<String>, String> {
    let mut rest = Vec::new();
    let mut words = words.into_iter();
    let lists = words.as_slice().iter().any(|word| is_list(word));
    while let Some(word) = words.next() {
        match word.as_str() {
            "-t" | "--table" => {
                let table = words.next().unwrap_or_default();
                is_said(&word, &table, &["nat"])?;
            }
            "--list" | "--numeric" | "--verbose" | "--line-numbers" => {}
            "PREROUTING" | "POSTROUTING" | "OUTPUT" if lists => {}
            "-F" | "--flush" => {
                return Err("rules are deleted one by one: type `netns masquerade del SOURCE` or \
                            `netns forward del PROTOCOL PORT`; `netns flows flush` forgets the \
                            connections"
                    .into());
            }
            "-A" | "-I" | "-D" | "--append" | "--insert" | "--delete" => {
                return Err("`netns nat` only shows rules: type `netns masquerade add SOURCE` or \
                            `netns forward add PROTOCOL PORT TARGET`, and `del` to delete"
                    .into());
            }
            "-S" | "--list-rules" => {
                let answer = "type `netns nat` for the rules, or `netns up FILE --dry-run` for \
                              the equivalent iptables commands";
                return Err(answer.into());
            }
            short if is_flags(short, "Lnvx") => {}
            _ => rest.push(word),
        }
    }
    Ok(line(["nat"], rest))
}

/// Whether a word is an option with which a line of `iptables` begins.
pub(super) fn is_of_iptables(word: &str) -> bool {
    matches!(word, "-t" | "--table" | "-A" | "-D" | "-I" | "-F" | "-S" | "--append" | "--delete")
        || is_list(word)
}

/// Whether a word is `-L`, alone or in a group such as `-nvL`.
pub(super) fn is_list(word: &str) -> bool {
    word == "--list" || is_flags(word, "Lnvx") && word.contains('L')
}

/// `conntrack -L`, `-F` and the rest.
///
/// # Errors
/// For options without an equivalent: the text says what to type.
pub(super) fn flows(words: Vec<String>) -> Result<Vec<String>, String> {
    let mut rest = Vec::new();
    for (at, word) in words.into_iter().enumerate() {
        match word.as_str() {
            "-L" | "--dump" => {}
            "list" | "ls" | "show" if at == 0 => {}
            "-F" | "--flush" => rest.insert(0, "flush".to_owned()),
            "-E" | "--event" => {
                let answer = "type `netns watch` for connections as they change, or `netns log` \
                              for each packet";
                return Err(answer.into());
            }
            "-C" | "--count" | "-S" | "--stats" => {
                return Err(
                    "type `netns nat`: it shows the connections of each rule and namespace, \
                            and the dropped packets"
                        .into(),
                );
            }
            "-D" | "--delete" => {
                return Err(
                    "one connection cannot be deleted: type `netns flows flush` for all, or \
                            delete their rule"
                        .into(),
                );
            }
            _ => rest.push(word),
        }
    }
    Ok(line(["flows"], rest))
}

/// Whether a word is a group of these one-letter options, such as `-nvL`.
fn is_flags(word: &str, letters: &str) -> bool {
    word.strip_prefix('-')
        .is_some_and(|flags| !flags.is_empty() && flags.chars().all(|flag| letters.contains(flag)))
}
