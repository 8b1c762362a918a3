//! Checks whether programs in a namespace can resolve names.

use std::{fs, net::IpAddr};

use super::{
    finding::{Finding, Verdict},
    subject::{Subject, real_uplinks},
};
use crate::{net::etc_netns, shell};

const CHECK: &str = "resolver";
const LIST: &str = "/etc/resolv.conf";

/// The upstream name servers of systemd-resolved.
const BEHIND_THE_STUB: &str = "/run/systemd/resolve/resolv.conf";

/// A public name server, for a machine whose own servers are not known.
const PUBLIC: &str = "9.9.9.9";

pub(super) fn check(subject: &Subject) -> Finding {
    let Ok(list) = fs::read_to_string(LIST) else {
        return Finding::sound(CHECK, format!("there is no {LIST}: this machine uses no DNS"));
    };
    let has_own = |name: &str| etc_netns::folder(name).join("resolv.conf").exists();
    let behind = fs::read_to_string(BEHIND_THE_STUB).unwrap_or_default();
    judge(&list, subject, &has_own, !servers(&behind).is_empty())
}

fn servers(list: &str) -> Vec<IpAddr> {
    let words = list.lines().map(str::split_whitespace);
    words
        .filter_map(|mut words| match (words.next(), words.next()) {
            // An IPv6 address may end in a zone: fe80::1%eth0.
            (Some("nameserver"), Some(server)) => server.split('%').next()?.parse().ok(),
            _ => None,
        })
        .collect()
}

fn judge(list: &str, subject: &Subject, has_own: &dyn Fn(&str) -> bool, behind: bool) -> Finding {
    let servers = servers(list);
    if servers.is_empty() {
        return Finding::sound(CHECK, format!("{LIST} names no server"));
    }
    let Some(stub) = servers.iter().find(|server| server.is_loopback()) else {
        let names: Vec<String> = servers.iter().map(ToString::to_string).collect();
        return Finding::sound(CHECK, format!("{LIST} names {}", names.join(", ")));
    };
    let found = format!("{LIST} names {stub}, which only this machine can reach");
    let doubt = Finding::new(CHECK, Verdict::Doubtful, &found);
    let Some(lab) = &subject.lab else {
        let write = write_servers("NAME", behind);
        return doubt
            .meaning(
                "names are not resolved in a namespace without its own name servers: set \
                 `dns = [\"9.9.9.9\"]` in the topology file, or use this command for the namespace \
                 NAME",
            )
            .command(format!("mkdir -p /etc/netns/NAME && {write}"));
    };
    if real_uplinks(lab).next().is_none() {
        return Finding::sound(CHECK, found).meaning("not relevant: the lab has no real uplink");
    }
    let without = |name: &&str| !has_own(name);
    let namespaces = lab.namespaces.iter().filter(|namespace| namespace.dns.is_empty());
    let without: Vec<&str> =
        namespaces.map(|namespace| namespace.name.as_str()).filter(without).collect();
    if without.is_empty() {
        return Finding::sound(CHECK, found).meaning("the namespaces have their own name servers");
    }
    let write = write_servers("$n", behind);
    let names = shell::words(without.iter().copied());
    doubt
        .meaning(format!(
            "names are not resolved in {}: set `dns = [\"{PUBLIC}\"]` in the topology file, or use \
             this command",
            some(&without)
        ))
        .command(format!("for n in {names}; do mkdir -p /etc/netns/$n && {write}; done"))
}

/// The command that gives a namespace name servers: those behind the stub, or a public one.
fn write_servers(namespace: &str, behind: bool) -> String {
    if behind {
        format!("cp {BEHIND_THE_STUB} /etc/netns/{namespace}/resolv.conf")
    } else {
        format!("echo nameserver {PUBLIC} > /etc/netns/{namespace}/resolv.conf")
    }
}

/// The first few names.
fn some(names: &[&str]) -> String {
    match names {
        [first, second, third, rest @ ..] if rest.len() > 1 => {
            format!("{first}, {second}, {third} and {} more", rest.len())
        }
        all => all.join(", "),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::Topology;

    const STUB: &str = "nameserver 127.0.0.53\noptions edns0\n";

    fn lab(uplink: &str, dns: &str) -> Subject {
        let text = format!(
            "name = \"x\"\n[[uplink]]\nname = \"wan0\"\n{uplink}\n[[bridge]]\nname = \"br\"\n\
             address = \"10.9.0.1/24\"\n[[namespace]]\nname = \"red\"\nbridge = \"br\"\n\
             address = \"10.9.0.2/24\"\n{dns}\n"
        );
        let lab = Topology::parse(&text, "x.toml").unwrap();
        Subject { lab: Some(lab), ..Subject::any_lab() }
    }

    #[test]
    fn servers_of_the_network_are_sound() {
        let finding = judge("nameserver 192.168.1.1\n", &Subject::any_lab(), &|_| false, false);
        assert_eq!(finding.verdict, Verdict::Sound);
        assert_eq!(servers("# nameserver 1.1.1.1\nnameserver fe80::1%eth0\n").len(), 1);
    }

    #[test]
    fn a_stub_resolver_is_a_warning_unless_the_namespaces_have_their_own_servers() {
        let verdict = |subject: &Subject, own| judge(STUB, subject, &|_| own, false).verdict;
        assert_eq!(verdict(&Subject::any_lab(), false), Verdict::Doubtful);
        assert_eq!(verdict(&lab("", ""), false), Verdict::Doubtful);
        assert_eq!(verdict(&lab("", ""), true), Verdict::Sound);
        assert_eq!(verdict(&lab("", "dns = [\"9.9.9.9\"]"), false), Verdict::Sound);
        let closed = Subject { lab: Some(Topology::lecture()), ..Subject::any_lab() };
        assert_eq!(verdict(&closed, false), Verdict::Sound);
    }

    #[test]
    fn many_namespaces_are_counted() {
        assert_eq!(some(&["a", "b", "c", "d"]), "a, b, c, d");
        assert_eq!(some(&["a", "b", "c", "d", "e"]), "a, b, c and 2 more");
    }

    #[test]
    fn the_command_names_the_servers_behind_the_stub() {
        let command = |behind| judge(STUB, &lab("", ""), &|_| false, behind).command.unwrap();
        assert!(command(true).contains(BEHIND_THE_STUB));
        assert!(command(false).contains(PUBLIC));
    }
}
