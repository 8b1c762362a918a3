//! The schema has every key of the parser, with a description.

use serde_json::Value;

use super::{Topology, schema};

#[test]
fn the_schema_names_its_dialect() {
    assert_eq!(schema()["$schema"], "https://json-schema.org/draft/2020-12/schema");
}

/// The keys of every object of the schema that has keys.
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
fn the_schema_describes_every_key() {
    let schema = schema();
    let tables = tables(&schema);
    assert_eq!(tables.len(), 15);
    for (key, value) in tables.into_iter().flatten() {
        let text = value.get("description").and_then(Value::as_str);
        assert!(text.is_some_and(|text| text.ends_with('.')), "{key}: {value}");
    }
}

/// The parser names the keys that it knows in the error for an unknown one.
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
        let known = messages.find_map(|message| Some(message.split_once("the keys here are ")?.1));
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
