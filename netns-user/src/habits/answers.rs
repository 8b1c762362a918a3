//! Words that have no equivalent here, and what to type instead.

use std::{ffi::OsString, iter};

use super::{
    rules::{forward, is_list, masquerade, nat},
    words::Words,
};
use crate::shell;

pub(super) const NO_IPV6: &str = "labs have no IPv6 yet: use IPv4";

/// Commands of other tools, and the answer to each.
const ANSWERS: &[(&[&str], &str)] = &[
    (
        &["run", "start", "compose"],
        "a lab is built from a file: type `netns up FILE`, or `netns demo` for a demonstration",
    ),
    (
        &["stop", "pause"],
        "a namespace has no state: type `netns del NAME` to delete it, `netns down LAB` for a lab, \
         or `netns link set NAME:INTERFACE down`",
    ),
    (
        &["kill"],
        "type `netns pids NAME` for the processes in a namespace, and `kill PID`; `netns down LAB \
         --kill` ends those of a lab",
    ),
    (&["teardown"], "type `netns down LAB`"),
    (&["restart", "redeploy"], "type `netns down LAB`, then `netns up FILE`"),
    (&["reload", "update"], "type `netns up FILE`: it applies what has changed in the file"),
    (&["config"], "type `netns check FILE`, or `netns graph FILE` for a drawing of it"),
    (&["events"], "type `netns watch`"),
    (&["diff"], "type `netns plan FILE`, or `netns status` for changes by hand"),
    (&["inspect"], "type `netns show NAMESPACE`, `netns status LAB` or `netns graph LAB`"),
    (&["logs"], "type `netns log`: it shows each packet and what the NAT does with it"),
    (&["stats"], "type `netns watch`"),
    (
        &["top"],
        "type `netns ps NAME` for the processes in a namespace, or `netns watch` for the NAT",
    ),
    (&["trace"], "type `netns log`: it shows each packet and what the NAT does with it"),
    (&["network"], "type `netns bridge` for a bridge, or `netns up FILE` for a whole lab"),
    (
        &["port", "ports"],
        "type `netns forward list` for the forwarded ports, or `netns forward add PORT:PORT \
         NAMESPACE` to forward one",
    ),
    (&["publish"], "type `netns forward add PORT:PORT NAMESPACE`"),
    (
        &["neigh", "neighbour", "neighbor", "n", "arp"],
        "type `netns show NAMESPACE`: it shows the neighbours too",
    ),
    (&["rule", "ru"], "routing rules are the kernel's: type `netns exec NAME -- ip rule`"),
    (
        &["monitor"],
        "type `netns exec NAME -- ip monitor`; for the NAT, `netns watch`, or `netns log` for each \
         packet",
    ),
    (&["attach"], "type `ip netns attach NAME PID`; `netns list` then shows the namespace"),
    (&["set", "list-id"], "type `ip netns`: netns uses no numbers of namespaces"),
    (&["shell", "sh", "bash", "enter", "ssh", "nsenter"], "type `netns exec NAME -- bash`"),
    (
        &["ping", "curl", "tcpdump", "ss", "sysctl", "tc", "ethtool", "nc", "iperf3"],
        "a program runs in a namespace: type `netns exec NAME -- PROGRAM …`",
    ),
    (
        &["nft", "iptables-save", "ip6tables", "ufw", "firewall-cmd"],
        "type `netns nat` for the NAT rules of a lab; the firewall of a namespace is its own: \
         `netns exec NAME -- nft …`",
    ),
    (&["snat"], "type `netns masquerade add SOURCE --to ADDRESS`"),
    (&["dnat"], "type `netns forward add PROTOCOL PORT TARGET`"),
    (&["veth", "link-add"], "type `netns cable add A:X B:Y`"),
    (&["version"], "type `netns --version`"),
    (&["init", "new"], "type `netns graph` for an example, and see docs/topology.md for the keys"),
];

/// The answer to a command of another tool; our own commands pass, with the names that other people
/// have for their actions.
///
/// # Errors
/// The answer.
pub(super) fn other(name: &str, words: Vec<String>) -> Result<Vec<String>, String> {
    if name == "iptables" {
        return Err(iptables(&words));
    }
    if name == "run" && words.iter().any(|word| matches!(word.as_str(), "-p" | "--publish")) {
        return Err("there is no command `run`: type `netns forward add PORT:PORT NAMESPACE` to \
                    forward a port of a lab that is up"
            .into());
    }
    match answer(name) {
        Some(answer) => Err(answer),
        None => Ok(iter::once(name.to_owned()).chain(words).collect()),
    }
}

/// The answer to a command of another tool. `None`: there is none for it.
pub(super) fn answer(name: &str) -> Option<String> {
    let (_, answer) = ANSWERS.iter().find(|(names, _)| names.contains(&name))?;
    Some(format!("there is no command `{name}`: {answer}"))
}

/// `-t nat -nvL`, with our program in the place of `iptables`.
///
/// # Errors
/// For anything but a list: the text says what to type.
pub(super) fn without_program(words: Words) -> Result<Vec<OsString>, String> {
    words.translated("nat", |words| {
        let lists = words.iter().any(|word| is_list(word));
        if lists { nat(words) } else { Err(iptables(&words)) }
    })
}

/// The answer to `iptables …`: our command for a rule of NAT.
fn iptables(words: &[String]) -> String {
    if words.iter().any(|word| word == "--list" || word.starts_with('-') && word.contains('L')) {
        return "type `netns nat`".into();
    }
    let Some(target) = words.iter().position(|word| word == "-j" || word == "--jump") else {
        return OWN_FIREWALL.into();
    };
    let kind = match words.get(target + 1).map(String::as_str) {
        Some("MASQUERADE" | "SNAT") => "masquerade",
        Some("DNAT") => "forward",
        _ => return OWN_FIREWALL.into(),
    };
    let deletes = words.iter().any(|word| word == "-D" || word == "--delete");
    let rule = words.iter().filter(|word| {
        !matches!(word.as_str(), "-A" | "-I" | "-D" | "--append" | "--insert" | "--delete")
    });
    let action = if deletes { "del" } else { "add" };
    let typed = iter::once(action.to_owned()).chain(rule.cloned()).collect();
    let translated = if kind == "forward" { forward(typed) } else { masquerade(typed) };
    match translated {
        Ok(line) => format!("type `netns {}`", shell::words(line.iter().map(String::as_str))),
        Err(fault) => format!(
            "{fault}; `netns {kind} {action}` is the command for such a rule, without that part"
        ),
    }
}

const OWN_FIREWALL: &str = "type `netns nat` for the NAT rules of a lab; the firewall of a namespace \
                            is its own: `netns exec NAME -- iptables …`";

/// The answer that the other program does it: in the namespace, if there is one.
pub(super) fn by_exec(
    namespace: Option<&str>,
    program: &str,
    action: &str,
    words: &[String],
) -> String {
    let words: String = words.iter().map(|word| format!(" {}", shell::word(word))).collect();
    match namespace {
        Some(name) => {
            let name = shell::word(name);
            format!("type `netns exec {name} -- {program} {action}{words}`")
        }
        None => {
            format!("type `{program} {action}{words}`, after `netns exec NAME --` in a namespace")
        }
    }
}
