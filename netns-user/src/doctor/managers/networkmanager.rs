//! NetworkManager does not touch interfaces that its configuration calls unmanaged
//! (NetworkManager.conf(5)). It usually only watches bridges and veths that other programs made.

use std::{fs, path::PathBuf};

use super::{
    configuration::{entries, matches},
    links::{LabLink, names},
};
use crate::{
    doctor::finding::{Finding, Verdict},
    shell,
};

pub(super) const CHECK: &str = "NetworkManager";

/// Its main file, and its folders in ascending priority.
const MAIN: &str = "/etc/NetworkManager/NetworkManager.conf";
const FOLDERS: [&str; 3] =
    ["/usr/lib/NetworkManager/conf.d", "/run/NetworkManager/conf.d", "/etc/NetworkManager/conf.d"];

/// The texts of its files in ascending priority.
pub(super) fn read() -> Vec<String> {
    let mut paths: Vec<PathBuf> = Vec::new();
    for folder in FOLDERS {
        let entries = fs::read_dir(folder).into_iter().flatten().flatten();
        let mut files: Vec<PathBuf> = entries
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|extension| extension == "conf"))
            .collect();
        files.sort();
        // The main file comes before those of /etc/NetworkManager/conf.d.
        if folder == FOLDERS[2] {
            paths.push(MAIN.into());
        }
        paths.extend(files);
    }
    paths.iter().filter_map(|path| fs::read_to_string(path).ok()).collect()
}

pub(super) fn judge(files: &[String], links: &[LabLink], lab: Option<&str>) -> Finding {
    let managed: Vec<&LabLink> = links.iter().filter(|link| !is_unmanaged(files, link)).collect();
    if managed.is_empty() {
        return Finding::sound(CHECK, "running, but configured to ignore a lab's links");
    }
    let found = format!("running, and its configuration does not exclude {}", names(&managed));
    Finding::new(CHECK, Verdict::Doubtful, found)
        .meaning(
            "it usually only watches such links, but a connection profile without an interface \
             name may apply to them",
        )
        .command(remedy(links, lab))
}

fn remedy(links: &[LabLink], lab: Option<&str>) -> String {
    let names: Vec<String> = match lab {
        Some(_) => links.iter().map(|link| format!("interface-name:{}", link.name)).collect(),
        None => vec!["interface-name:v-net-*".into(), "interface-name:veth-*".into()],
    };
    let file = format!("/etc/NetworkManager/conf.d/90-netns-{}.conf", lab.unwrap_or("labs"));
    let text = format!(r"[keyfile]\nunmanaged-devices+={}\n", names.join(";"));
    format!(
        "mkdir -p /etc/NetworkManager/conf.d && printf {} > {}; nmcli general reload",
        shell::word(&text),
        shell::word(&file)
    )
}

fn is_unmanaged(files: &[String], link: &LabLink) -> bool {
    let mut list: Vec<&str> = Vec::new();
    let mut by_section = false;
    for text in files {
        let entries = entries(text);
        for (section, key, value) in &entries {
            match (*section, *key) {
                ("keyfile", "unmanaged-devices") => list = vec![*value],
                ("keyfile", "unmanaged-devices+") => list.push(*value),
                (section, "match-device") if section.starts_with("device") => {
                    let unmanaged = entries.iter().any(|(other, key, value)| {
                        *other == section
                            && *key == "managed"
                            && ["0", "false", "no"].contains(value)
                    });
                    by_section |= unmanaged && fits(value, link);
                }
                _ => {}
            }
        }
    }
    by_section || fits(&list.join(";"), link)
}

/// Whether a list of devices includes the link and does not except it.
fn fits(list: &str, link: &LabLink) -> bool {
    let devices = list.split([',', ';']).map(str::trim).filter(|device| !device.is_empty());
    let mut listed = false;
    for device in devices {
        match device.strip_prefix("except:") {
            Some(device) if fits_one(device, link) => return false,
            Some(_) => {}
            None => listed |= fits_one(device, link),
        }
    }
    listed
}

fn fits_one(device: &str, link: &LabLink) -> bool {
    match device.split_once(':') {
        Some(("interface-name", name)) => match name.strip_prefix('=') {
            Some(exact) => exact == link.name,
            None => matches(name.trim_start_matches('~'), &link.name),
        },
        Some(("type" | "driver", kind)) => kind == link.kind.word(),
        Some(_) => false,
        None => device == "*" || matches(device, &link.name),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::managers::links::Kind;

    fn port() -> LabLink {
        LabLink { name: "veth-red-br".into(), kind: Kind::Veth }
    }

    #[test]
    fn devices_are_listed_by_name_kind_or_all() {
        for list in ["interface-name:veth-*", "type:veth", "driver:veth", "*", "veth-red-br"] {
            assert!(fits(list, &port()), "{list}");
        }
        for list in ["", "type:bridge", "mac:02:00:00:00:00:01", "*,except:interface-name:veth*"] {
            assert!(!fits(list, &port()), "{list}");
        }
    }

    #[test]
    fn later_files_replace_or_add() {
        let set = |text: &str| format!("[keyfile]\n{text}\n");
        let first = set("unmanaged-devices=type:veth");
        assert!(is_unmanaged(std::slice::from_ref(&first), &port()));
        let replaced = [first.clone(), set("unmanaged-devices=type:wifi")];
        assert!(!is_unmanaged(&replaced, &port()));
        assert!(is_unmanaged(&[first, set("unmanaged-devices+=type:wifi")], &port()));
        let section = "[device-labs]\nmatch-device=type:veth\nmanaged=0\n".to_owned();
        assert!(is_unmanaged(&[section], &port()));
    }

    #[test]
    fn a_link_that_is_not_unmanaged_is_a_warning() {
        let finding = judge(&[], &[port()], Some("lab"));
        assert_eq!(finding.verdict, Verdict::Doubtful);
        assert!(finding.command.unwrap().contains("interface-name:veth-red-br"));
    }
}
