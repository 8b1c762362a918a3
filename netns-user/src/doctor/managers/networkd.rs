//! systemd-networkd configures each interface by the first of its files that matches
//! (systemd.network(5)), and removes addresses that it did not add itself.

use std::{collections::BTreeMap, fs, path::Path};

use super::{
    configuration::{entries, matches},
    links::{Kind, LabLink, names},
};
use crate::{
    doctor::finding::{Finding, Verdict},
    shell,
};

pub(super) const CHECK: &str = "systemd-networkd";

/// The folders of its files. Of two files with the same name, the one in the earlier folder is
/// used.
const FOLDERS: [&str; 5] = [
    "/etc/systemd/network",
    "/run/systemd/network",
    "/usr/local/lib/systemd/network",
    "/usr/lib/systemd/network",
    "/lib/systemd/network",
];

/// Conditions about hardware, which no link of a lab meets.
const OF_HARDWARE: [&str; 6] =
    ["MACAddress", "PermanentMACAddress", "Path", "WLANInterfaceType", "SSID", "BSSID"];

/// A file with its whole path and text.
#[derive(Clone, Debug)]
pub(super) struct NetworkFile {
    path: String,
    text: String,
}

/// Its files in the order in which it tries them.
pub(super) fn read() -> Vec<NetworkFile> {
    let mut files = BTreeMap::new();
    for folder in FOLDERS.map(Path::new) {
        for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.extension().is_some_and(|extension| extension == "network") {
                let text = fs::read_to_string(&path).unwrap_or_default();
                let file = NetworkFile { path: path.display().to_string(), text };
                files.entry(entry.file_name()).or_insert(file);
            }
        }
    }
    // An empty file hides the others with its name.
    files.into_values().filter(|file| !file.text.trim().is_empty()).collect()
}

pub(super) fn judge(
    files: &[NetworkFile],
    links: &[LabLink],
    severity: Verdict,
    lab: Option<&str>,
) -> Finding {
    let by = |link: &LabLink| files.iter().find(|file| matches_link(&file.text, link));
    let touched: Vec<(&LabLink, &NetworkFile)> = links
        .iter()
        .filter_map(|link| Some((link, by(link)?)))
        .filter(|(_, file)| !leaves_alone(&file.text))
        .collect();
    let Some((_, file)) = touched.first() else {
        return Finding::sound(CHECK, "running, but none of its files matches a lab's links");
    };
    let touched: Vec<&LabLink> = touched.iter().map(|(link, _)| *link).collect();
    let found = format!("running, and {} matches {}", file.path, names(&touched));
    Finding::new(CHECK, severity, found)
        .meaning("it removes the lab's addresses, or adds its own to the links")
        .command(remedy(links, lab))
}

/// The command that writes a file for the lab's links, which comes before all others.
fn remedy(links: &[LabLink], lab: Option<&str>) -> String {
    let names: Vec<&str> = links.iter().map(|link| link.name.as_str()).collect();
    let names = if lab.is_some() { names.join(" ") } else { "v-net-* veth-*".to_owned() };
    let file = format!("/etc/systemd/network/00-netns-{}.network", lab.unwrap_or("labs"));
    let text = format!(r"[Match]\nName={names}\n[Link]\nUnmanaged=yes\n");
    format!(
        "mkdir -p /etc/systemd/network && printf {} > {}; networkctl reload",
        shell::word(&text),
        shell::word(&file)
    )
}

fn leaves_alone(text: &str) -> bool {
    let yes = ["yes", "true", "1", "on"];
    let last = entries(text)
        .into_iter()
        .rfind(|(section, key, _)| (*section, *key) == ("Link", "Unmanaged"));
    last.is_some_and(|(_, _, value)| yes.contains(&value))
}

fn matches_link(text: &str, link: &LabLink) -> bool {
    let of_match = entries(text).into_iter().filter(|(section, ..)| *section == "Match");
    // Several lines with one key add up; an empty value discards the earlier ones.
    let mut conditions: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (_, key, value) in of_match {
        let values = conditions.entry(key).or_default();
        if value.is_empty() {
            values.clear();
        }
        values.extend(value.split_whitespace());
    }
    conditions.retain(|_, values| !values.is_empty());
    // Without a condition, a file matches every link. Conditions about the machine are assumed to
    // be met.
    conditions.iter().all(|(key, values)| match *key {
        "Name" => any(values, &link.name),
        "Kind" => any(values, link.kind.word()),
        "Driver" => any(values, link.kind.word()),
        "Type" => any(
            values,
            match link.kind {
                Kind::Bridge => "bridge",
                Kind::Veth => "ether",
            },
        ),
        key => !OF_HARDWARE.contains(&key),
    })
}

/// Whether one of the patterns matches; `!` before the first one negates them all.
fn any(patterns: &[&str], name: &str) -> bool {
    let negated = patterns.first().is_some_and(|first| first.starts_with('!'));
    let mut patterns = patterns.iter().map(|pattern| pattern.trim_start_matches('!'));
    patterns.any(|pattern| !pattern.is_empty() && matches(pattern, name)) != negated
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bridge() -> LabLink {
        LabLink { name: "v-net-0".into(), kind: Kind::Bridge }
    }

    fn port() -> LabLink {
        LabLink { name: "veth-red-br".into(), kind: Kind::Veth }
    }

    fn file(text: &str) -> NetworkFile {
        NetworkFile { path: "/etc/systemd/network/50-x.network".into(), text: text.into() }
    }

    #[test]
    fn all_conditions_must_hold() {
        let cases = [
            ("[Match]\nName=*\n", true, true),
            ("[Match]\nName=en* eth*\n", false, false),
            ("[Match]\nType=ether\n", false, true),
            ("[Match]\nType=ether\nKind=!*\n", false, false),
            ("[Match]\nKind=veth\nName=ve-*\n", false, false),
            ("[Match]\nName=!veth*\n", true, false),
            ("[Match]\nMACAddress=02:00:00:00:00:01\n", false, false),
            ("[Network]\nDHCP=yes\n", true, true),
        ];
        for (text, of_bridge, of_port) in cases {
            assert_eq!(matches_link(text, &bridge()), of_bridge, "{text}");
            assert_eq!(matches_link(text, &port()), of_port, "{text}");
        }
    }

    #[test]
    fn the_first_file_that_matches_decides() {
        let dhcp = file("[Match]\nName=*\n[Network]\nDHCP=yes\n");
        let ours = file("[Match]\nName=v-net-* veth-*\n[Link]\nUnmanaged=yes\n");
        let judge =
            |files: &[NetworkFile]| judge(files, &[bridge(), port()], Verdict::Faulty, Some("lab"));
        assert_eq!(judge(&[]).verdict, Verdict::Sound);
        assert_eq!(judge(&[ours.clone(), dhcp.clone()]).verdict, Verdict::Sound);
        let finding = judge(&[dhcp, ours]);
        assert_eq!(finding.verdict, Verdict::Faulty);
        assert!(finding.command.unwrap().contains("00-netns-lab.network"));
    }
}
