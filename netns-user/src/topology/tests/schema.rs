//! The schema takes what the parser takes, and describes every key.

use serde_json::Value;

use super::{GOOD, LARGE, OWN, Topology, schema};

fn as_json(text: &str) -> Value {
    let table: toml::Table = toml::from_str(text).unwrap();
    serde_json::to_value(table).unwrap()
}

fn faults(text: &str) -> Vec<String> {
    let validator = jsonschema::draft202012::new(&schema()).unwrap();
    let value = as_json(text);
    validator.iter_errors(&value).map(|error| error.to_string()).collect()
}

#[test]
fn it_is_a_schema() {
    assert!(jsonschema::draft202012::meta::is_valid(&schema()));
    assert_eq!(schema()["$schema"], "https://json-schema.org/draft/2020-12/schema");
}

#[test]
fn it_takes_what_the_parser_takes() {
    let one = "address = \"192.168.1.10/24\"";
    let several = LARGE.replace(one, "address = [\"192.168.1.10/24\", \"198.51.100.1/32\"]");
    for text in [GOOD, OWN, LARGE, &several] {
        assert_eq!(faults(text), Vec::<String>::new());
        let written = Topology::parse(text, "f").unwrap().to_toml();
        assert_eq!(faults(&written), Vec::<String>::new());
    }
}

#[test]
fn it_refuses_what_the_parser_refuses() {
    let cases = [
        ("name = \"wan\"", "nmae = \"wan\""),
        ("mtu = 9000", "mtu = 67"),
        ("count = 3", "count = 0"),
        ("count = 3", "count = \"3\""),
        ("port = 80", "port = 65536"),
        ("gateway = false", "gateway = true"),
        ("via = \"10.10.0.2\" }]", "via = 7 }]"),
        ("\"tcp\"", "\"dccp\""),
        ("address = \"10.20.0.1/24\"", "address = \"10.20.0.1\""),
        ("address = \"192.168.1.10/24\"", "address = []"),
        ("address = \"192.168.1.10/24\"", "address = [\"192.168.1.10\"]"),
        ("address = \"192.168.1.10/24\"", "address = 7"),
        ("[template.quiet]", "[template.quiet]\nname = \"x\""),
        ("namespace = \"home\"", "namespce = \"home\""),
        ("a = { namespace = \"alone\", ", "a = { "),
    ];
    for (from, to) in cases {
        assert!(LARGE.contains(from), "{from}");
        let text = LARGE.replacen(from, to, 1);
        assert!(Topology::parse(&text, "f").is_err(), "{to}");
        assert!(!faults(&text).is_empty(), "{to}");
    }
}

/// Every object of the schema that has keys, with its keys.
fn tables(value: &Value) -> Vec<&serde_json::Map<String, Value>> {
    let mut found = Vec::new();
    match value {
        Value::Object(keys) => {
            found.extend(keys.get("properties").and_then(Value::as_object));
            found.extend(keys.values().flat_map(tables));
        }
        Value::Array(values) => found.extend(values.iter().flat_map(tables)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
    found
}

#[test]
fn every_key_is_described() {
    let schema = schema();
    let tables = tables(&schema);
    assert_eq!(tables.len(), 15);
    for (key, value) in tables.into_iter().flatten() {
        let text = value.get("description").and_then(Value::as_str);
        assert!(text.is_some_and(|text| text.ends_with('.')), "{key}: {value}");
    }
}

/// The parser names the keys that it knows: the schema has the same ones.
#[test]
fn every_key_of_the_parser_is_in_the_schema() {
    let schema = schema();
    let places = [
        ("", "", "topology"),
        ("[router]", "", "router"),
        ("[nat]", "", "nat"),
        ("[[uplink]]", "", "uplink"),
        ("[[uplink]]\nname = \"u\"\noutside = { ", " }", "outside"),
        ("[[uplink]]\nname = \"u\"\nplug = { ", " }", "plug"),
        ("[[bridge]]", "", "bridge"),
        ("[[namespace]]", "", "namespace"),
        ("[template.t]", "", "template"),
        ("[template.t]\nroutes = [{ ", " }]", "route"),
        ("[[cable]]", "", "cable"),
        ("[[cable]]\na = { ", " }", "cable-end"),
        ("[[masquerade]]", "", "masquerade"),
        ("[[forward]]", "", "forward"),
    ];
    for (before, after, table) in places {
        let line = if after.is_empty() { "\n" } else { "" };
        let text = format!("{before}{line}zzzzzzzz = 1{after}\n");
        let error = Topology::parse(&text, "f").unwrap_err();
        let mut messages = error.problems().iter().map(|problem| &problem.message);
        let known = messages.find_map(|message| Some(message.split_once("known here are ")?.1));
        let known = known.unwrap_or_else(|| panic!("{error}"));
        let mut known: Vec<&str> = known.split(", ").collect();
        known.sort_unstable();
        let table = if table == "topology" { &schema } else { &schema["$defs"][table] };
        let keys = table["properties"].as_object().unwrap_or_else(|| panic!("{before}"));
        let mut keys: Vec<&str> = keys.keys().map(String::as_str).collect();
        keys.sort_unstable();
        assert_eq!(keys, known, "{before}");
    }
}
