//! The JSON that commands print has the fields of docs/json.md, and no others.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
    process::Command,
};

use netns_tests::{Running, Sandbox, inside, lab_is_up, lecture, netns_line, netns_path, town};
use serde_json::Value;

/// A section of the page.
struct Section {
    is_array: bool,
    /// The paths of its fields, each with whether it may be absent.
    fields: BTreeMap<String, bool>,
}

/// The sections of docs/json.md by command: `bridge add`.
fn sections() -> BTreeMap<String, Section> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/json.md");
    let page = fs::read_to_string(path).expect("docs/json.md");
    let mut sections = BTreeMap::new();
    for text in page.split("\n## ").filter(|text| text.starts_with("`netns ")) {
        let (heading, text) = text.split_once('\n').expect("a heading");
        let rows = text.lines().filter_map(|line| line.strip_prefix("| `"));
        let rows: Vec<(&str, &str)> =
            rows.map(|row| row.split_once("` | ").expect("two cells")).collect();
        for command in heading.split(", ") {
            let command = command.trim_matches('`').strip_prefix("netns ").expect("a command");
            let may_be_absent = |rest: &str| {
                rest.split(" | ").next().is_some_and(|kind| kind.ends_with("may be absent"))
            };
            let fields = rows.iter().map(|(path, rest)| ((*path).to_owned(), may_be_absent(rest)));
            let is_array = text.trim_start().starts_with("An array of objects.");
            let section = Section { is_array, fields: fields.collect() };
            sections.insert(command.to_owned(), section);
        }
    }
    sections
}

/// The paths of all fields of a value, as the page writes them.
fn paths(value: &Value, prefix: &str, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                let path = format!("{prefix}{name}");
                let below = if value.is_array() { "[]." } else { "." };
                paths(value, &format!("{path}{below}"), found);
                found.insert(path);
            }
        }
        Value::Array(items) => items.iter().for_each(|item| paths(item, prefix, found)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

/// Compares an output with the section of its command.
#[track_caller]
fn compare(sections: &BTreeMap<String, Section>, command: &str, output: &Value) {
    let section = sections.get(command).unwrap_or_else(|| panic!("no section for {command}"));
    assert_eq!(output.is_array(), section.is_array, "{command}: {output:#}");
    let mut printed = BTreeSet::new();
    paths(output, "", &mut printed);
    let unknown: Vec<&String> =
        printed.iter().filter(|path| !section.fields.contains_key(*path)).collect();
    assert!(unknown.is_empty(), "{command}: docs/json.md does not have {unknown:?}");
    // Fields of the objects that were printed. Those of empty arrays and of null are not seen.
    for (path, may_be_absent) in &section.fields {
        let parent = path.rfind('.').map(|end| path[..end].trim_end_matches("[]"));
        let is_seen = match parent {
            Some(parent) => printed.iter().any(|path| is_below(path, parent)),
            None => !printed.is_empty(),
        };
        let is_there = printed.contains(path) || *may_be_absent || !is_seen;
        assert!(is_there, "{command}: {path} is not printed: {output:#}");
    }
}

/// Whether a path names a field of the object, or of the objects, at `parent`.
fn is_below(path: &str, parent: &str) -> bool {
    path.strip_prefix(parent).is_some_and(|rest| rest.starts_with(['.', '[']))
}

/// Prints JSON, which must have the fields of its section.
#[track_caller]
fn shows(sections: &BTreeMap<String, Section>, command: &str, arguments: &str) -> Value {
    let line = format!("{command}{arguments} --json");
    let output = netns_line(&line);
    let value = serde_json::from_str(&output.stdout);
    let value = value.unwrap_or_else(|error| panic!("{output}\nexpected JSON: {error}"));
    compare(sections, command, &value);
    value
}

#[test]
fn commands_that_show_a_lab_print_the_fields_of_the_page() {
    let sections = sections();
    let _sandbox = Sandbox::new();
    town().up().success();
    netns_line("masquerade add 10.0.0.0/8").success();
    netns_line("forward add tcp 8000-8001 10.1.0.2:80 --from 10.64.0.0/24").success();
    inside("laptop").ping("8.8.8.8").success();
    // A packet that is dropped.
    netns_line("masquerade del 10.0.0.0/8").success();
    inside("laptop").cannot_ping("8.8.8.8");
    netns_line("masquerade add 10.0.0.0/8 --mapping endpoint-independent --mss-clamp pmtu")
        .success();
    inside("laptop").ping("8.8.8.8").success();
    for command in [
        "status",
        "list",
        "ps",
        "show",
        "graph",
        "flows",
        "watch",
        "cable list",
        "bridge list",
        "addr list",
        "link list",
        "route list",
        "masquerade list",
        "forward list",
    ] {
        let shown = shows(&sections, command, "");
        let is_empty = shown.as_array().is_some_and(Vec::is_empty) && command != "ps";
        assert!(!is_empty, "{command} shows nothing");
    }
    let nat = shows(&sections, "nat", "");
    let drops = nat["routers"].as_array().expect("routers").iter();
    let drops: Vec<&Value> = drops.flat_map(|of| of["drops"].as_array()).flatten().collect();
    assert!(drops.iter().any(|drop| drop["reason"] == "no-masquerade"), "{nat:#}");
    shows(&sections, "doctor", " --quick");
    let mut log =
        Running::start(None, Command::new(netns_path()).args(["log", "--count", "1", "--json"]));
    log.wait_for("logging the next packet");
    inside("laptop").ping("10.64.0.3").success();
    let (_, stdout, _) = log.finish();
    for line in stdout.lines() {
        compare(&sections, "log", &serde_json::from_str(line).expect("JSON"));
    }
    assert!(!stdout.is_empty());
    shows(&sections, "masquerade del", " 10.0.0.0/8");
    shows(&sections, "forward del", " tcp 8000-8001");
    shows(&sections, "flows flush", "");
    shows(&sections, "down", "");
}

#[test]
fn commands_that_change_the_network_print_the_fields_of_the_page() {
    let sections = sections();
    let _sandbox = Sandbox::new();
    for (command, arguments) in [
        ("add", " red"),
        ("add", " gw"),
        ("bridge add", " gw:br0=10.1.0.1/24 --up"),
        ("cable add", " red:eth0 gw:red --up"),
        ("bridge attach", " gw:br0 gw:red"),
        ("addr add", " 10.1.0.2/24 red:eth0"),
        ("link set", " red:eth0 --mtu 1400"),
        ("route add", " red:default --via 10.1.0.1"),
        ("ps", " red"),
        ("show", " red"),
        ("list", ""),
        ("route del", " red:default"),
        ("addr del", " 10.1.0.2/24 red:eth0"),
        ("bridge detach", " gw:red"),
        ("cable del", " red:eth0"),
        ("bridge del", " gw:br0"),
        ("del", " red"),
    ] {
        shows(&sections, command, arguments);
    }
    let dry = netns_line("add blue --dry-run --json").json();
    let fields: Vec<&String> = dry.as_object().expect("an object").keys().collect();
    assert_eq!(fields, ["commands"]);
}

#[test]
fn the_demonstration_and_the_life_of_a_lab_print_the_fields_of_the_page() {
    let sections = sections();
    let _sandbox = Sandbox::new();
    shows(&sections, "demo", "");
    shows(&sections, "plan", "");
    shows(&sections, "up", "");
    shows(&sections, "masquerade add", " 192.168.15.0/25 --uplink ens3");
    shows(&sections, "forward add", " tcp 8080 192.168.15.2:80");
    let checked = lecture().write();
    let path = format!(" {}", checked.path().display());
    assert_eq!(shows(&sections, "check", &path)["valid"], true);
    let down = netns_line("down --all --json").json();
    compare(&sections, "down", &down[0]);
}

#[test]
fn the_nat_of_one_router_has_the_aliases_of_the_page_besides_its_fields() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    let mut nat = netns_line("nat --json").json();
    let of_router = nat["routers"][0].clone();
    let fields = nat.as_object_mut().expect("an object");
    for (name, value) in of_router.as_object().expect("an object") {
        match name.as_str() {
            "router" => assert_eq!(value, "host"),
            name => assert_eq!(fields.remove(name).as_ref(), Some(value), "{name}"),
        }
    }
    compare(&sections(), "nat", &nat);
}
