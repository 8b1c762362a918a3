//! The state of all namespaces of a test's machine, for comparison.

use std::{collections::BTreeSet, fs, path::PathBuf};

use serde_json::Value;

use crate::{DEADLINE, eventually, inside, own};

/// Waits until all bridge ports forward, which takes a moment after a cable is plugged in.
///
/// # Panics
/// When a port does not forward in time.
#[track_caller]
pub fn ports_settle() {
    eventually("ports settle", DEADLINE, || {
        !host_state().iter().any(|fact| fact.contains(" port ") && !fact.contains("forwarding"))
    });
}

/// The links of each namespace with their settings, addresses and routes, a line for each, and its
/// files in /etc/netns.
///
/// # Panics
/// When `ip` fails.
#[must_use]
pub fn host_state() -> BTreeSet<String> {
    let mut names: Vec<Option<String>> = vec![None];
    let entries = fs::read_dir("/run/netns").expect("namespaces").flatten();
    names.extend(entries.map(|entry| entry.file_name().into_string().ok()));
    let mut facts = BTreeSet::new();
    for name in names {
        let place = name.as_deref().map_or_else(own, inside);
        let name = name.unwrap_or_default();
        let links = place.command("ip", &["-j", "-d", "addr", "show"]).json();
        // The link to the reassembler belongs to the datapath, like the programs.
        let is_networks =
            |link: &&Value| link["ifname"].as_str().is_some_and(|name| !name.starts_with("frag-"));
        for link in links.as_array().expect("links").iter().filter(is_networks) {
            let of = |key: &str| link[key].to_string();
            let (kind, up) = (link["linkinfo"]["info_kind"].to_string(), is_link_up(link));
            let (link_name, mtu, master) = (of("ifname"), of("mtu"), of("master"));
            facts.insert(format!(
                "{name}:{link_name} {kind} up={up} mtu={mtu} master={master} {:?}",
                ipv4_of_link(link)
            ));
        }
        // Without a bridge port, `bridge` prints nothing, not even JSON.
        let ports = place.command("bridge", &["link", "show"]).success().stdout;
        facts.extend(ports.lines().map(|port| {
            // `7: veth-red-br@if3: <FLAGS> …`, without the indexes.
            let words: Vec<&str> = port.split_whitespace().skip(1).collect();
            let port = words[0].split(['@', ':']).next().unwrap_or_default();
            format!("{name} port {port} {}", words[1..].join(" "))
        }));
        let forwarding = place.command("cat", &["/proc/sys/net/ipv4/ip_forward"]).success().stdout;
        facts.insert(format!("{name} ip_forward {}", forwarding.trim()));
        let ipv6 = "/proc/sys/net/ipv6/conf/default/disable_ipv6";
        let ipv6 = place.command("cat", &[ipv6]).success().stdout;
        facts.insert(format!("{name} disable_ipv6 {}", ipv6.trim()));
        let routes = place.command("ip", &["-j", "-4", "route", "show"]).json();
        for route in routes.as_array().expect("routes") {
            let of = |key: &str| format!("{key}={} ", route[key]);
            let keys = ["dst", "gateway", "dev", "scope", "metric", "prefsrc"];
            facts.insert(format!("{name} route {}", keys.map(of).concat()));
        }
    }
    facts.extend(files_of_namespaces());
    facts
}

/// Each file below /etc/netns, with the target of a link and the text.
fn files_of_namespaces() -> Vec<String> {
    let folders = fs::read_dir("/etc/netns").into_iter().flatten().flatten();
    let files = folders.flat_map(|folder| fs::read_dir(folder.path()).into_iter().flatten());
    let fact = |path: PathBuf| {
        let target = fs::read_link(&path).unwrap_or_default();
        let text = fs::read_to_string(&path).unwrap_or_default();
        let own = text.lines().filter(|line| !line.starts_with('#'));
        let lines: Vec<&str> = own.collect();
        format!("{} {} {lines:?}", path.display(), target.display())
    };
    files.flatten().map(|file| fact(file.path())).collect()
}

/// Expects the same state in two sandboxes: one built by `netns`, one by the commands of a script.
///
/// # Panics
/// When the states differ; prints the differences and the script.
#[track_caller]
pub fn assert_same_state(ours: &BTreeSet<String>, theirs: &BTreeSet<String>, script: &str) {
    let only_ours: Vec<_> = ours.difference(theirs).collect();
    let only_theirs: Vec<_> = theirs.difference(ours).collect();
    assert!(
        only_ours.is_empty() && only_theirs.is_empty(),
        "only ours: {only_ours:#?}\nonly theirs: {only_theirs:#?}\n{script}"
    );
}

/// Whether a link is up, from its JSON by `ip -j addr`.
///
/// # Panics
/// When this is not the JSON of a link.
#[must_use]
pub fn is_link_up(link: &Value) -> bool {
    link["flags"].as_array().expect("flags").iter().any(|flag| flag == "UP")
}

/// The IPv4 addresses of a link with their prefix lengths, from its JSON by `ip -j addr`.
///
/// # Panics
/// When this is not the JSON of a link.
#[must_use]
pub fn ipv4_of_link(link: &Value) -> Vec<String> {
    let all = link["addr_info"].as_array().expect("addresses").iter();
    all.filter(|held| held["family"] == "inet")
        .map(|held| format!("{}/{}", held["local"].as_str().unwrap_or("?"), held["prefixlen"]))
        .collect()
}
