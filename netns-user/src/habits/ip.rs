//! `ip address`, `ip link` and `ip route`.

use super::{
    answers::by_exec,
    words::{Keywords, in_namespace, line},
};

/// The actions of `ip`, by which it goes by shorter names too.
fn action(word: &str) -> &str {
    match word {
        "a" | "add" | "create" => "add",
        "d" | "del" | "delete" | "rm" => "del",
        "s" | "sh" | "show" | "l" | "ls" | "lst" | "list" => "list",
        "set" => "set",
        other => other,
    }
}

/// `ip [-n NAME] address ACTION …`
///
/// # Errors
/// The words to type, where there is no such action or keyword here.
pub(super) fn address(words: Vec<String>, namespace: Option<&str>) -> Result<Vec<String>, String> {
    let Some((first, words)) = split(words) else { return Ok(list("addr", namespace, None)) };
    let action = action(&first);
    let known = Keywords::read(words.clone(), &["dev", "to", "type", "master"])?;
    match action {
        "add" | "del" => {
            refuse(&known.others, &["brd", "broadcast", "scope", "label", "peer"], || {
                by_exec(namespace, "ip addr", &first, &words)
            })?;
            let Some(interface) = known.value("dev") else {
                return Ok(line(["addr", action], second_in(namespace, words)));
            };
            let interface = in_namespace(namespace, interface);
            let mut others = known.others.clone();
            others.insert(others.len().min(1), interface);
            Ok(line(["addr", action], others))
        }
        "list" => {
            refuse_filters(&known, namespace, "ip addr", &words)?;
            Ok(shown("addr", namespace, &known))
        }
        "flush" | "replace" | "change" | "save" | "restore" => {
            Err(by_exec(namespace, "ip addr", &first, &words))
        }
        _ => Ok(line(["addr", &first], words)),
    }
}

/// `ip [-n NAME] link ACTION …`
///
/// # Errors
/// As [`address`].
pub(super) fn link(words: Vec<String>, namespace: Option<&str>) -> Result<Vec<String>, String> {
    let Some((first, words)) = split(words) else { return Ok(list("link", namespace, None)) };
    match action(&first) {
        "set" => set(&words, namespace),
        "add" => add(&words, namespace),
        "del" => {
            let known = Keywords::read(words, &["dev", "type"])?;
            let mut others = known.others.clone();
            match known.value("dev") {
                Some(interface) => others.insert(0, in_namespace(namespace, interface)),
                None => others = first_in(namespace, others),
            }
            Ok(line(["link", "del"], others))
        }
        "list" => {
            let known = Keywords::read(words.clone(), &["dev", "type", "master"])?;
            match known.value("type") {
                Some("bridge") => return Ok(list("bridge", namespace, None)),
                Some("veth") => return Ok(list("cable", namespace, None)),
                _ => refuse_filters(&known, namespace, "ip link", &words)?,
            }
            Ok(shown("link", namespace, &known))
        }
        "change" | "replace" | "property" | "xstats" => {
            Err(by_exec(namespace, "ip link", &first, &words))
        }
        _ => Ok(line(["link", &first], words)),
    }
}

/// `ip link set [dev] X …`
fn set(words: &[String], namespace: Option<&str>) -> Result<Vec<String>, String> {
    let known = Keywords::read(words.to_vec(), &["dev", "mtu", "master", "netns"])?;
    let foreign =
        ["name", "address", "alias", "type", "arp", "promisc", "multicast", "txqueuelen", "group"];
    refuse(&known.others, &foreign, || by_exec(namespace, "ip link", "set", words))?;
    let mut others = match known.value("dev") {
        Some(interface) => {
            let mut others = known.others.clone();
            others.insert(0, in_namespace(namespace, interface));
            others
        }
        None => first_in(namespace, known.others.clone()),
    };
    for word in &mut others {
        if word == "nomaster" {
            *word = "--no-master".into();
        }
    }
    for (keyword, value) in known.pairs.iter().filter(|(keyword, _)| keyword != "dev") {
        others.extend([format!("--{keyword}"), value.clone()]);
    }
    Ok(line(["link", "set"], others))
}

/// `ip link add [name] X [mtu N] [netns A] type bridge`, or `type veth peer [name] Y [netns B]`.
fn add(words: &[String], namespace: Option<&str>) -> Result<Vec<String>, String> {
    let at = |word: &str| words.iter().position(|other| other == word);
    let Some(kind) = at("type").and_then(|at| words.get(at + 1)) else {
        return Err(
            "`link add` needs a type: type `netns cable add A:X B:Y` for a virtual cable, \
                    `netns bridge add NAME:BRIDGE` for a bridge"
                .into(),
        );
    };
    // What stands behind `peer` is about the other end.
    let (near, far) = words.split_at(at("peer").unwrap_or(words.len()));
    let end = |words: &[String]| -> Result<(String, Keywords), String> {
        let keywords = ["dev", "name", "mtu", "netns", "type", "peer", "address"];
        let words = words.iter().filter(|word| *word != "peer").cloned().collect();
        let known = Keywords::read(words, &keywords)?;
        let named = known.value("name").or_else(|| known.value("dev"));
        let name = named.map(str::to_owned).or_else(|| plain(&known.others).next().cloned());
        let netns = known.value("netns").or(namespace);
        let name = name.map(|name| in_namespace(netns, &name)).unwrap_or_default();
        Ok((name, known))
    };
    let (one, known) = end(near)?;
    if known.value("address").is_some() || one.is_empty() {
        return Err(by_exec(namespace, "ip link", "add", words));
    }
    let options = known.others.iter().chain(far).filter(|word| word.starts_with("--")).cloned();
    let mtu = known.value("mtu").map(|mtu| ["--mtu".to_owned(), mtu.to_owned()]);
    let options = mtu.into_iter().flatten().chain(options);
    match kind.as_str() {
        "bridge" => Ok(line(["bridge", "add", &one], options.collect())),
        "veth" => {
            let (other, _) = end(far)?;
            if other.is_empty() {
                return Err(format!(
                    "a cable has two ends: type `netns cable add {one} [NAMESPACE:]INTERFACE`"
                ));
            }
            Ok(line(["cable", "add", &one, &other], options.collect()))
        }
        kind => Err(format!(
            "netns makes cables (veth) and bridges, no {kind}: {}",
            by_exec(namespace, "ip link", "add", words)
        )),
    }
}

/// `ip [-n NAME] route ACTION …`
///
/// # Errors
/// As [`address`].
pub(super) fn route(words: Vec<String>, namespace: Option<&str>) -> Result<Vec<String>, String> {
    let Some((first, words)) = split(words) else { return Ok(list("route", namespace, None)) };
    let action = action(&first);
    match action {
        "add" | "del" => {
            let keywords = ["via", "dev", "metric", "preference", "priority", "to"];
            let known = Keywords::read(words.clone(), &keywords)?;
            let foreign = [
                "src",
                "table",
                "proto",
                "scope",
                "onlink",
                "mtu",
                "nexthop",
                "blackhole",
                "unreachable",
                "prohibit",
                "inet6",
            ];
            refuse(&known.others, &foreign, || by_exec(namespace, "ip route", &first, &words))?;
            let mut others = first_in(namespace, known.others.clone());
            for (keyword, value) in &known.pairs {
                match keyword.as_str() {
                    "to" => others.insert(0, in_namespace(namespace, value)),
                    "preference" | "priority" => {
                        others.extend(["--metric".into(), value.clone()]);
                    }
                    _ => others.extend([format!("--{keyword}"), value.clone()]),
                }
            }
            Ok(line(["route", action], others))
        }
        "list" => {
            let filters = ["dev", "table", "proto", "scope", "type"];
            let known = Keywords::read(words.clone(), &filters)?;
            refuse_filters(&known, namespace, "ip route", &words)?;
            Ok(shown("route", namespace, &known))
        }
        "get" | "replace" | "change" | "append" | "flush" | "save" | "restore" => {
            Err(by_exec(namespace, "ip route", &first, &words))
        }
        _ => Ok(line(["route", &first], words)),
    }
}

/// The first word, and the others. `None` if there is no word; then `ip` shows all.
fn split(mut words: Vec<String>) -> Option<(String, Vec<String>)> {
    if words.is_empty() {
        return None;
    }
    let first = words.remove(0);
    Some((first, words))
}

/// The words that are no options.
fn plain(words: &[String]) -> impl Iterator<Item = &String> {
    words.iter().filter(|word| !word.starts_with('-'))
}

/// The words with the namespace before the first name.
fn first_in(namespace: Option<&str>, words: Vec<String>) -> Vec<String> {
    name_in(namespace, words, 0)
}

/// The words with the namespace before the second name.
fn second_in(namespace: Option<&str>, words: Vec<String>) -> Vec<String> {
    name_in(namespace, words, 1)
}

fn name_in(namespace: Option<&str>, mut words: Vec<String>, number: usize) -> Vec<String> {
    let mut names = words.iter_mut().filter(|word| !word.starts_with('-'));
    if let Some(name) = names.nth(number) {
        *name = in_namespace(namespace, name);
    }
    words
}

/// The line that lists the objects of a namespace, or of all; perhaps only those of one interface.
pub(super) fn list(object: &str, namespace: Option<&str>, dev: Option<&str>) -> Vec<String> {
    let mut rest: Vec<String> = namespace.map(str::to_owned).into_iter().collect();
    rest.extend(dev.into_iter().flat_map(|dev| ["--dev".to_owned(), dev.to_owned()]));
    line([object, "list"], rest)
}

/// The line for `show`. With -n, `ip` takes the word behind it for an interface; without, it is a
/// namespace, as always here.
fn shown(object: &str, namespace: Option<&str>, known: &Keywords) -> Vec<String> {
    let mut others = known.others.clone();
    let mut dev = known.value("dev").map(str::to_owned);
    let is_name = |word: &String| !word.starts_with('-');
    if let (Some(_), None, Some(at)) = (namespace, &dev, others.iter().position(is_name)) {
        dev = Some(others.remove(at));
    }
    let mut words = list(object, namespace, dev.as_deref());
    words.extend(others);
    words
}

/// Refuses to list by other filters than an interface.
fn refuse_filters(
    known: &Keywords,
    namespace: Option<&str>,
    program: &str,
    words: &[String],
) -> Result<(), String> {
    match known.pairs.iter().find(|(keyword, _)| keyword != "dev") {
        Some((keyword, _)) => Err(format!(
            "lists have no filter `{keyword}`: {}",
            by_exec(namespace, program, "show", words)
        )),
        None => Ok(()),
    }
}

/// Refuses keywords that have no equivalent.
fn refuse(
    words: &[String],
    foreign: &[&str],
    answer: impl FnOnce() -> String,
) -> Result<(), String> {
    match words.iter().find(|word| foreign.contains(&word.as_str())) {
        Some(word) => Err(format!("`{word}` has no equivalent here: {}", answer())),
        None => Ok(()),
    }
}
