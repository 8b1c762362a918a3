//! Files of other programs: YAML, and the keys of containerlab and docker compose. An error for
//! them says what a lab has instead.

use super::error::Fault;

/// How many lines show whether a text is YAML.
const LINES: usize = 100;

/// Where all keys are found.
const KEYS: &str = "docs/topology.md has all keys, and `netns schema` prints them for an editor";

const FORWARDS: &str = "write a [[forward]] for each of them, with `protocol`, `port`, and as \
                        `target` the name of the namespace and its port, such as \"blue:80\"";

/// Whether other programs have a key, and labs have something else instead.
pub(super) fn is_key(key: &str) -> bool {
    let keys = [
        "endpoints",
        "image",
        "kind",
        "kinds",
        "links",
        "network",
        "networks",
        "nodes",
        "ports",
        "services",
        "topology",
    ];
    keys.contains(&key)
}

/// The key that labs have for the same value under another name.
pub(super) fn synonym(key: &str) -> Option<&'static str> {
    match key {
        "ip" | "ipv4" | "ipv4_address" | "mgmt-ipv4" | "mgmt_ipv4" => Some("address"),
        "gw" => Some("gateway"),
        "proto" => Some("protocol"),
        "to" | "to_destination" => Some("target"),
        "out" | "out_interface" => Some("uplink"),
        _ => None,
    }
}

/// The keys of a table in whose place such a key stands.
pub(super) fn replaced(key: &str) -> &'static [&'static str] {
    if key == "endpoints" { &["a", "b"] } else { &[] }
}

/// What to write instead of such a key. `known` are the keys of its table, and `behind` is the text
/// behind the key.
pub(super) fn instead_of(key: &str, known: &[&str], behind: &str) -> String {
    let cable = if known.contains(&"a") { "" } else { "a [[cable]] with " };
    match key {
        "endpoints" => format!("write its ends as {cable}{}", ends(behind)),
        "links" => format!("write for each of them a [[cable]] with {}", ends("")),
        "nodes" | "services" => {
            "write a [[namespace]] with a `name` for each of them; those with one `bridge` are in \
             one network"
                .to_owned()
        }
        "network" | "networks" => {
            "write a [[bridge]] with a `name` and an `address` for each of them, and its name as \
             `bridge` of a [[namespace]]"
                .to_owned()
        }
        "ports" => FORWARDS.to_owned(),
        "topology" => "leave it out: [[namespace]], [[bridge]] and [[cable]] are keys of the file \
                       itself"
            .to_owned(),
        _ => {
            "leave it out: programs of this machine run in a namespace, by `netns exec`".to_owned()
        }
    }
}

/// Both ends of a cable, from the list of its endpoints, or as an example.
fn ends(list: &str) -> String {
    let list = list.lines().next().unwrap_or_default();
    let list = list.split(']').next().unwrap_or_default();
    let written = list.split('"').skip(1).step_by(2);
    let written: Vec<_> = written.filter_map(|end| end.split_once(':')).collect();
    let [a, b] = written[..] else { return ends("[\"red:eth1\", \"blue:eth1\"]") };
    let end = |(namespace, interface): (&str, &str)| {
        format!("{{ namespace = \"{namespace}\", interface = \"{interface}\" }}")
    };
    format!("a = {} and b = {}", end(a), end(b))
}

/// The fault of a text that is YAML.
pub(super) fn yaml(text: &str) -> Option<Fault> {
    let mut lines = Vec::new();
    let mut begin = 0;
    for line in text.split_inclusive('\n').take(LINES) {
        let trimmed = line.trim();
        if !trimmed.is_empty() && !trimmed.starts_with('#') {
            lines.push((begin, line.trim_end()));
        }
        begin += line.len();
    }
    let is_yaml = |line: &str| yaml_key(line).is_some() || line == "---";
    let is_item = |line: &str| line.trim_start().starts_with("- ");
    let (first, line) = *lines.first().filter(|(_, line)| is_yaml(line))?;
    let yaml = lines.iter().filter(|(_, line)| is_yaml(line) || is_item(line)).count();
    if 2 * yaml <= lines.len() {
        return None;
    }
    let keys: Vec<&str> = lines.iter().filter_map(|(_, line)| yaml_key(line)).collect();
    let name = lines.iter().find_map(|(_, line)| line.strip_prefix("name:"));
    let name = name.map(|name| name.trim().trim_matches(['"', '\''])).filter(|it| !it.is_empty());
    let has_bridges = lines.iter().any(|(_, line)| {
        line.trim().strip_prefix("kind:").is_some_and(|kind| kind.trim().ends_with("bridge"))
    });
    let parts = ["nodes", "links", "services", "networks"];
    let used = parts.into_iter().filter(|part| keys.contains(part));
    let tables = used.map(|part| match part {
        "links" => "a [[cable]] for each of `links`".to_owned(),
        "networks" => "a [[bridge]] for each of `networks`".to_owned(),
        "nodes" if has_bridges => {
            "a [[namespace]] for each of `nodes`, or a [[bridge]] where its `kind` is a bridge"
                .to_owned()
        }
        part => format!("a [[namespace]] for each of `{part}`"),
    });
    let mut tables: Vec<String> = tables.collect();
    if tables.is_empty() {
        tables.push("[[namespace]], [[bridge]] and [[cable]] with their keys".to_owned());
    }
    let message = format!(
        "this is YAML, and labs are written in TOML: write name = \"{}\", and below it {}: {KEYS}",
        name.unwrap_or("lab"),
        tables.join(", ")
    );
    Some(Fault::new(first..first + line.len(), message))
}

/// The key of a line `KEY: VALUE` or `KEY:`.
pub(super) fn yaml_key(line: &str) -> Option<&str> {
    let (key, value) = line.trim_start().trim_start_matches("- ").split_once(':')?;
    let is_word = |c: char| c.is_ascii_alphanumeric() || "_-.".contains(c);
    let is_key = !key.is_empty() && key.chars().all(is_word);
    (is_key && (value.is_empty() || value.starts_with(char::is_whitespace))).then_some(key)
}
