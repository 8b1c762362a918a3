//! The text of a shared hosts file: localhost, the namespaces, and the machine's own entries.
//!
//! The C library takes the first line with a name, or all of them (`multi on` in /etc/host.conf).
//! So the namespaces come before the machine's entries, which lose the names that are taken.

use std::{collections::HashSet, fmt, net::Ipv4Addr};

/// The first line, which says where the file is from.
const MARK: &str = "# written by `netns up`, deleted by `netns down`";

/// A lab has no IPv6, so there is no line for `::1`.
const LOCALHOST: &str = "127.0.0.1 localhost";

/// The heading of the namespaces.
const OF_LAB: &str = "# the namespaces of the lab";

/// The heading of the machine's entries.
const OF_MACHINE: &str = "# from this machine's /etc/hosts";

/// The longest name in DNS.
const LONGEST_NAME: usize = 253;

/// The address of a namespace, and its name.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct HostEntry {
    pub address: Ipv4Addr,
    pub name: String,
}

impl HostEntry {
    fn parse(line: &str) -> Option<Self> {
        let (address, name) = line.split_once(' ')?;
        Some(Self { address: address.parse().ok()?, name: name.to_owned() })
    }
}

impl fmt::Display for HostEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.address, self.name)
    }
}

/// Whether programs look a name up in a hosts file. They take a name that ends in a number for an
/// address, and `localhost` is the namespace itself.
pub(crate) fn is_host_name(name: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
    let last = name.rsplit('.').next().unwrap_or_default();
    name.len() <= LONGEST_NAME
        && name.chars().all(fits)
        && name.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_')
        && !last.chars().all(|c| c.is_ascii_digit())
        && !name.eq_ignore_ascii_case("localhost")
}

/// The lines before the machine's own entries.
pub(crate) fn lines(entries: &[HostEntry]) -> Vec<String> {
    let head = [MARK, LOCALHOST, OF_LAB].map(str::to_owned);
    let entries = entries.iter().map(ToString::to_string);
    head.into_iter().chain(entries).chain([OF_MACHINE.to_owned()]).collect()
}

/// The whole text; `machine` is the machine's own hosts file.
pub(super) fn text(entries: &[HostEntry], machine: &str) -> String {
    let own: HashSet<String> =
        entries.iter().map(|entry| entry.name.to_ascii_lowercase()).collect();
    let is_free = |name: &&str| {
        let name = name.to_ascii_lowercase();
        name != "localhost" && !own.contains(&name)
    };
    let mut text = lines(entries).join("\n") + "\n";
    for line in machine.lines() {
        let mut words = uncommented(line).split([' ', '\t']).filter(|word| !word.is_empty());
        let Some(address) = words.next() else { continue };
        let names: Vec<&str> = words.filter(is_free).collect();
        if !names.is_empty() {
            text += &format!("{address} {}\n", names.join(" "));
        }
    }
    text
}

fn uncommented(line: &str) -> &str {
    line.split('#').next().unwrap_or_default()
}

/// The program of awk that prints the machine's entries as [`text`] has them, from the lines before
/// them and the machine's file.
pub(crate) const fn machine_filter() -> &'static str {
    "NR == FNR { if (!/^#/) for (i = 2; i <= NF; i++) own[tolower($i)]; next } \
     { sub(/#.*/, \"\"); line = $1; \
     for (i = 2; i <= NF; i++) if (!(tolower($i) in own)) line = line \" \" $i; \
     if (line != $1) print line }"
}

/// The namespaces in a text.
pub(super) fn entries(text: &str) -> Vec<HostEntry> {
    let lines = text.lines().skip_while(|line| *line != OF_LAB).skip(1);
    lines.take_while(|line| *line != OF_MACHINE).filter_map(HostEntry::parse).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(last: u8, name: &str) -> HostEntry {
        HostEntry { address: Ipv4Addr::new(10, 1, 0, last), name: name.to_owned() }
    }

    #[test]
    fn localhost_comes_first_then_the_namespaces_then_the_machines_entries() {
        let machine =
            "127.0.0.1\tlocalhost\n127.0.1.1 vm vm.example # this machine\n\n# a comment\n";
        assert_eq!(
            text(&[entry(1, "gw"), entry(10, "red")], machine),
            "\
# written by `netns up`, deleted by `netns down`
127.0.0.1 localhost
# the namespaces of the lab
10.1.0.1 gw
10.1.0.10 red
# from this machine's /etc/hosts
127.0.1.1 vm vm.example
"
        );
    }

    #[test]
    fn a_name_of_the_lab_is_taken_out_of_the_machines_entries() {
        let machine =
            "192.0.2.7 web Red\n192.0.2.8 RED\n::1 localhost ip6-localhost\n192.0.2.9 redder\n";
        let text = text(&[entry(10, "red")], machine);
        let (_, rest) = text.split_once(OF_MACHINE).unwrap();
        assert_eq!(rest, "\n192.0.2.7 web\n::1 ip6-localhost\n192.0.2.9 redder\n");
    }

    #[test]
    fn the_namespaces_are_read_back_from_a_text() {
        let all = [entry(1, "gw"), entry(10, "red")];
        assert_eq!(entries(&text(&all, "192.0.2.7 web\n")), all);
        assert_eq!(entries(&text(&[], "192.0.2.7 web\n")), []);
        assert_eq!(entries("192.0.2.7 web\n"), []);
    }

    #[test]
    fn names_that_no_program_looks_up_are_no_host_names() {
        for name in ["red", "w-1", "a_b", "_x", "x.y", "7up", "1.a", &"n".repeat(253)] {
            assert!(is_host_name(name), "{name}");
        }
        let long = "n".repeat(254);
        for name in [
            "",
            "a b",
            "a#b",
            "rot\u{e4}",
            "-x",
            ".x",
            "10.1.0.1",
            "x.1",
            "7",
            "x.",
            "LocalHost",
            &long,
        ] {
            assert!(!is_host_name(name), "{name}");
        }
    }

    #[test]
    fn awk_prints_the_same_entries() {
        let machine = "127.0.0.1 localhost vm\n\t192.0.2.7  web Red # x\n#192.0.2.8 x\n192.0.2.9 red\n\
                       192.0.2.1\n::1 ip6-localhost localhost by up\n";
        let all = [entry(10, "red")];
        let folder = tempfile::tempdir().unwrap();
        let [own, other] = ["own", "machine"].map(|name| folder.path().join(name));
        let before = lines(&all).join("\n") + "\n";
        std::fs::write(&own, &before).unwrap();
        std::fs::write(&other, machine).unwrap();
        let awk =
            std::process::Command::new("awk").arg(machine_filter()).args([&own, &other]).output();
        let printed = String::from_utf8(awk.unwrap().stdout).unwrap();
        assert_eq!(before + &printed, text(&all, machine));
    }
}
