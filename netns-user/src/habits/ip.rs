//! `ip address`, `ip link` and `ip route`.

use super::{
    answers::by_exec,
    words::{Keywords, in_namespace, line},
};
use crate::shell;

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
    match action(&first) {
        action @ ("add" | "del") => {
            let known = Keywords::read(&words, &["dev"]);
            refuse(&known.others, &["brd", "broadcast", "scope", "label", "peer", "dev"], || {
                by_exec(namespace, "ip addr", &first, &words)
            })?;
            let Some(interface) = known.value("dev") else {
                return Ok(line(["addr", action], second_in(namespace, words)));
            };
            let mut others = known.others.clone();
            let address = others.iter().position(|word| !word.starts_with('-'));
            let behind = address.map_or(others.len(), |at| at + 1);
            others.insert(behind, in_namespace(namespace, interface));
            Ok(line(["addr", action], others))
        }
        "list" => shown("addr", "ip addr", namespace, &words, &["dev", "to", "type", "master"]),
        "flush" | "replace" | "change" | "save" | "restore" => {
            Err(by_exec(namespace, "ip addr", &first, &words))
        }
        _ => other("addr", &first, words),
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
            let known = Keywords::read(&words, &["dev", "type"]);
            let mut others = known.others.clone();
            match known.value("dev") {
                Some(interface) => others.insert(0, in_namespace(namespace, interface)),
                None => others = first_in(namespace, others),
            }
            Ok(line(["link", "del"], others))
        }
        "list" => list_links(&words, namespace),
        "change" | "replace" | "property" | "xstats" => {
            Err(by_exec(namespace, "ip link", &first, &words))
        }
        _ => other("link", &first, words),
    }
}

/// `ip link show [dev X] [type KIND]`
fn list_links(words: &[String], namespace: Option<&str>) -> Result<Vec<String>, String> {
    let known = Keywords::read(words, &["dev", "type", "master"]);
    let object = match known.value("type") {
        Some("bridge") => "bridge",
        Some("veth") => "cable",
        _ => return shown("link", "ip link", namespace, words, &["dev", "type", "master"]),
    };
    if known.pairs.len() > 1 || names(&known.others).next().is_some() {
        return Err(by_exec(namespace, "ip link", "show", words));
    }
    let mut listed = list(object, namespace, None);
    listed.extend(known.others);
    Ok(listed)
}

/// `ip link set [dev] X …`
fn set(words: &[String], namespace: Option<&str>) -> Result<Vec<String>, String> {
    // The interface comes first, whatever its name is.
    let named = match words {
        [dev, rest @ ..] if dev == "dev" && !rest.is_empty() => rest,
        words => words,
    };
    let at = named.iter().position(|word| !word.starts_with('-'));
    let (before, rest) = named.split_at(at.map_or(0, |at| at + 1));
    let known = Keywords::read(rest, &["mtu", "master", "netns"]);
    let foreign =
        ["name", "address", "alias", "type", "arp", "promisc", "multicast", "txqueuelen", "group"];
    refuse(&known.others, &foreign, || by_exec(namespace, "ip link", "set", words))?;
    let mut line_of_ours = first_in(namespace, before.to_vec());
    line_of_ours.extend(known.others.into_iter().map(|word| match word.as_str() {
        "nomaster" => "--no-master".to_owned(),
        _ => word,
    }));
    for (keyword, value) in known.pairs {
        line_of_ours.extend([format!("--{keyword}"), value]);
    }
    Ok(line(["link", "set"], line_of_ours))
}

/// `ip link add [name] X [mtu N] [master B] [netns A] [up] type bridge`, or `type veth peer [name]
/// Y [netns B]`.
fn add(words: &[String], namespace: Option<&str>) -> Result<Vec<String>, String> {
    let foreign = || Err(by_exec(namespace, "ip link", "add", words));
    let at = |word: &str| words.iter().position(|other| other == word);
    let Some((at_type, kind)) = at("type").and_then(|at| Some((at, words.get(at + 1)?))) else {
        let answer = "`link add` needs a type: type `netns cable add A:X B:Y` for a virtual \
                      cable, `netns bridge add NAME:BRIDGE` for a bridge";
        return Err(answer.into());
    };
    if !matches!(kind.as_str(), "veth" | "bridge") {
        return Err(format!(
            "netns makes cables (veth) and bridges, no {kind}: {}",
            by_exec(namespace, "ip link", "add", words)
        ));
    }
    let near = Keywords::read(&words[..at_type], &["dev", "name", "mtu", "netns", "master"]);
    let rest = &words[at_type + 2..];
    let (is_up, mut others): (Vec<_>, Vec<_>) =
        near.others.iter().cloned().partition(|word| word == "up");
    let named = near.value("name").or_else(|| near.value("dev")).map(str::to_owned);
    let first = others.iter().position(|word| !word.starts_with('-'));
    let Some(one) = named.or_else(|| first.map(|at| others.remove(at))) else { return foreign() };
    let one = in_namespace(near.value("netns").or(namespace), &one);
    if names(&others).next().is_some() {
        return foreign();
    }
    let mut options: Vec<String> = is_up.iter().map(|_| "--up".to_owned()).collect();
    if let Some(mtu) = near.value("mtu") {
        options.extend(["--mtu".to_owned(), mtu.to_owned()]);
    }
    options.extend(others);
    if kind == "bridge" {
        let is_known = near.value("master").is_none() && names(rest).next().is_none();
        options.extend(rest.iter().cloned());
        return if is_known { Ok(line(["bridge", "add", &one], options)) } else { foreign() };
    }
    if let Some(bridge) = near.value("master") {
        let bridge = in_namespace(near.value("netns").or(namespace), bridge);
        options.extend(["--bridge".to_owned(), bridge]);
    }
    let far = Keywords::read(rest, &["name", "netns", "mtu"]);
    let mut others: Vec<String> =
        far.others.iter().filter(|word| *word != "peer").cloned().collect();
    let first = others.iter().position(|word| !word.starts_with('-'));
    let other = far.value("name").map(str::to_owned).or_else(|| first.map(|at| others.remove(at)));
    let Some(other) = other else {
        return Err(format!(
            "a cable has two ends: type `netns cable add {one} [NAMESPACE:]INTERFACE`"
        ));
    };
    let other = in_namespace(far.value("netns").or(namespace), &other);
    // Both ends of a cable get one MTU here.
    let has_own_mtu = far.value("mtu").is_some() && far.value("mtu") != near.value("mtu");
    if has_own_mtu || names(&others).next().is_some() {
        return foreign();
    }
    options.extend(others);
    Ok(line(["cable", "add", &one, &other], options))
}

/// Words of `ip route add` that `netns route add` does not have. `via` and `dev` are left over
/// where their value is missing.
const FOREIGN_IN_ROUTES: &[&str] = &[
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
    "via",
    "dev",
];

/// `ip [-n NAME] route ACTION …`
///
/// # Errors
/// As [`address`].
pub(super) fn route(words: Vec<String>, namespace: Option<&str>) -> Result<Vec<String>, String> {
    let Some((first, words)) = split(words) else { return Ok(list("route", namespace, None)) };
    match action(&first) {
        action @ ("add" | "del") => {
            let keywords = ["via", "dev", "metric", "preference", "priority", "to"];
            let known = Keywords::read(&words, &keywords);
            refuse(&known.others, FOREIGN_IN_ROUTES, || {
                by_exec(namespace, "ip route", &first, &words)
            })?;
            let mut others = first_in(namespace, known.others);
            for (keyword, value) in known.pairs {
                match keyword.as_str() {
                    "to" => others.insert(0, in_namespace(namespace, &value)),
                    "preference" | "priority" => others.extend(["--metric".into(), value]),
                    _ => others.extend([format!("--{keyword}"), value]),
                }
            }
            Ok(line(["route", action], others))
        }
        "list" => {
            let filters = ["dev", "table", "proto", "scope", "type", "via", "to"];
            // `ip route show` takes a destination, and never the name of an interface.
            let known = Keywords::read(&words, &filters);
            if namespace.is_some() && names(&known.others).next().is_some() {
                return Err(by_exec(namespace, "ip route", "show", &words));
            }
            shown("route", "ip route", namespace, &words, &filters)
        }
        "get" | "replace" | "change" | "append" | "flush" | "save" | "restore" => {
            Err(by_exec(namespace, "ip route", &first, &words))
        }
        _ => other("route", &first, words),
    }
}

/// A line whose action is none of `ip`'s: an option, or `help`.
///
/// # Errors
/// For any other word: it is taken for the name of a namespace.
fn other(object: &str, first: &str, words: Vec<String>) -> Result<Vec<String>, String> {
    match first.starts_with('-') || first == "help" {
        true => Ok(line([object, first], words)),
        false => Err(format!(
            "`netns {object}` has no action `{first}`: type `netns {object} list {}` for those of \
             a namespace",
            shell::word(first)
        )),
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
fn names(words: &[String]) -> impl Iterator<Item = &String> {
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
///
/// # Errors
/// The words to type, where the list is to be filtered by more than an interface.
fn shown(
    object: &str,
    program: &str,
    namespace: Option<&str>,
    words: &[String],
    filters: &[&str],
) -> Result<Vec<String>, String> {
    let Keywords { mut others, pairs } = Keywords::read(words, filters);
    if let Some((filter, _)) = pairs.iter().find(|(keyword, _)| keyword != "dev") {
        return Err(format!(
            "lists have no filter `{filter}`: {}",
            by_exec(namespace, program, "show", words)
        ));
    }
    let mut dev = pairs.into_iter().next().map(|(_, dev)| dev);
    if namespace.is_some() {
        match (others.iter().position(|word| !word.starts_with('-')), &dev) {
            (Some(at), None) if others[at] != "up" => dev = Some(others.remove(at)),
            (Some(_), _) => return Err(by_exec(namespace, program, "show", words)),
            (None, _) => {}
        }
    }
    let mut line = list(object, namespace, dev.as_deref());
    line.extend(others);
    Ok(line)
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
