//! Checks whether network managers would change the interfaces of a lab.

mod networkd;
mod networkmanager;

use std::{fs, path::Path};

use super::{Finding, Router, Subject, Verdict, forwarding::OWN_ROUTER};
use crate::topology::Topology;

/// A link of a lab in the machine's own namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
struct LabLink {
    name: String,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Bridge,
    Veth,
}

impl Kind {
    /// The kernel's word, which the managers use too.
    fn word(self) -> &'static str {
        match self {
            Self::Bridge => "bridge",
            Self::Veth => "veth",
        }
    }
}

/// The bridges and bridge ports of a lab.
fn links_of(lab: &Topology) -> Vec<LabLink> {
    let link = |kind| move |name: &String| LabLink { name: name.clone(), kind };
    let bridges = lab.bridges.iter().map(|bridge| &bridge.name).map(link(Kind::Bridge));
    let ports = lab.plugged().map(|(_, plug)| &plug.port).map(link(Kind::Veth));
    bridges.chain(ports).collect()
}

pub(super) fn check(subject: &Subject) -> [Finding; 2] {
    let router = subject.router();
    // Without a file, the names of the lecture's lab stand for all.
    let lecture = Topology::lecture();
    let lab = match router {
        Router::Machine(lab) => lab,
        Router::Any | Router::Own => &lecture,
    };
    let links = links_of(lab);
    let name = subject.name();
    let networkd = || networkd::judge(&networkd::read(), &links, router.severity(), name);
    let manager = || networkmanager::judge(&networkmanager::read(), &links, name);
    [
        // The kernel cuts the names of processes after 15 characters.
        of(router, networkd::CHECK, "systemd-network", networkd),
        of(router, networkmanager::CHECK, "NetworkManager", manager),
    ]
}

fn of(
    router: Router<'_>,
    check: &'static str,
    process: &str,
    judge: impl FnOnce() -> Finding,
) -> Finding {
    if !is_running(process) {
        return Finding::sound(check, "not running");
    }
    match router {
        Router::Own => Finding::sound(check, "running").meaning(OWN_ROUTER),
        Router::Any | Router::Machine(_) => judge(),
    }
}

/// Whether a process of that name is in this thread's network namespace. A process whose namespace
/// cannot be read counts.
fn is_running(name: &str) -> bool {
    let namespace = |process: &Path| fs::read_link(process.join("ns/net")).ok();
    let own = namespace(Path::new("/proc/thread-self"));
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    processes.map(|entry| entry.path()).any(|process| {
        fs::read_to_string(process.join("comm")).is_ok_and(|comm| comm.trim_end() == name)
            && namespace(&process).is_none_or(|its| Some(its) == own)
    })
}

/// Whether a shell pattern matches a name.
fn matches(pattern: &str, name: &str) -> bool {
    glob::Pattern::new(pattern).is_ok_and(|pattern| pattern.matches(name))
}

/// The entries of a configuration file as section, key and value.
fn entries(text: &str) -> Vec<(&str, &str, &str)> {
    let mut section = "";
    let mut entries = Vec::new();
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.strip_suffix(']')) {
            section = name;
        } else if !line.starts_with(['#', ';'])
            && let Some((key, value)) = line.split_once('=')
        {
            entries.push((section, key.trim(), value.trim()));
        }
    }
    entries
}

fn names(links: &[&LabLink]) -> String {
    match links {
        [one] => format!("\"{}\"", one.name),
        [one, two] => format!("\"{}\" and \"{}\"", one.name, two.name),
        [one, two, rest @ ..] => {
            format!("\"{}\", \"{}\" and {} more", one.name, two.name, rest.len())
        }
        [] => "nothing".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lab_makes_bridges_and_ports() {
        let links = links_of(&Topology::lecture());
        let names: Vec<&str> = links.iter().map(|link| link.name.as_str()).collect();
        assert_eq!(names, ["v-net-0", "veth-red-br", "veth-blue-br"]);
        assert_eq!(
            super::names(&links.iter().collect::<Vec<_>>()),
            "\"v-net-0\", \"veth-red-br\" and 1 more"
        );
    }

    #[test]
    fn comments_are_no_entries() {
        let text = "# a=b\n[Match]\nName = en* eth*\n;c=d\n[Link]\nUnmanaged=yes\n";
        let expected = [("Match", "Name", "en* eth*"), ("Link", "Unmanaged", "yes")];
        assert_eq!(entries(text), expected);
    }
}
