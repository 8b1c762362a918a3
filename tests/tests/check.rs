//! The output of `netns check` and `netns schema`, as text and as JSON.

use netns_tests::{LabFile, Output, Sandbox, lecture, netns};

fn check(file: &LabFile, options: &[&str]) -> Output {
    let written = file.write();
    let path = written.path().to_str().expect("a plain path");
    netns(&[&["check", path], options].concat())
}

#[test]
fn check_summarizes_a_valid_file() {
    check(&lecture(), &[]).success().shows(&[
        "lab \"lecture\"",
        "2 namespaces",
        "1 uplink",
        "1 masquerade",
        "1 forward",
    ]);
    let told = check(&lecture(), &["--json"]).json();
    assert_eq!(told["valid"], true, "{told:#}");
    assert_eq!(told["lab"], "lecture");
    assert_eq!(told["problems"].as_array().map(Vec::len), Some(0));
}

#[test]
fn check_reports_every_error_with_line_and_column() {
    let file = lecture()
        .replace("192.168.15.2/24", "192.168.16.2/24")
        .replace("protocol = \"tcp\"", "protocol = \"icmp\"");
    let places = [file.position("\"192.168.16.2/24\""), file.position("\"icmp\"")];
    check(&file, &[]).fails_with(&[&places[0], &places[1], "192.168.16.2", "icmp"]);

    let told = check(&file, &["--json"]);
    assert_eq!(told.status.code(), Some(1), "{told}");
    let told: serde_json::Value = serde_json::from_str(&told.stdout).expect("JSON");
    assert_eq!((&told["valid"], &told["lab"]), (&false.into(), &serde_json::Value::Null));
    let found: Vec<String> = told["problems"]
        .as_array()
        .expect("problems")
        .iter()
        .map(|problem| format!("{}:{}", problem["line"], problem["column"]))
        .collect();
    assert!(places.iter().all(|place| found.contains(place)), "{places:?} in {told:#}");
}

#[test]
fn check_shows_the_line_of_each_error_also_where_the_file_is_no_toml() {
    let file = lecture()
        .replace("name = \"lecture\"", "name = lecture")
        .replace("[[masquerade]]", "[[masquerade]")
        .replace("[[forward]]", "[forward]");
    let output = check(&file, &[]).fails_with(&[
        "lecture is text, and not in quotes: write \"lecture\"\n  1 | name = lecture\n    |        ^^^^^^^",
        "the heading is not closed: write [[masquerade]]",
        "write [[forward]] above its keys",
    ]);
    assert!(!output.stderr.contains('\u{1b}'), "colours without a terminal: {output}");
    let told = check(&file, &["--json"]);
    let told: serde_json::Value = serde_json::from_str(&told.stdout).expect("JSON");
    let problems = told["problems"].as_array().expect("problems");
    assert_eq!(problems.len(), 3, "{told:#}");
    for problem in problems {
        let keys: Vec<&String> = problem.as_object().expect("an object").keys().collect();
        assert_eq!(keys, ["column", "line", "message"]);
    }
}

#[test]
fn check_names_a_missing_file() {
    netns(&["check", "/nowhere/lab.toml"]).fails_with(&["cannot read /nowhere/lab.toml"]);
    netns(&["check"]).fails_with_code(2, &["<FILE>"]);
}

#[test]
fn check_changes_nothing_on_the_machine() {
    let _sandbox = Sandbox::new();
    let before = netns_tests::Machine::now();
    check(&lecture(), &[]).success();
    before.is_unchanged();
}

#[test]
fn schema_prints_a_json_schema_with_every_table() {
    let schema = netns(&["schema"]).json();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    for table in ["name", "router", "uplink", "bridge", "namespace", "masquerade", "forward"] {
        assert!(schema["properties"][table].is_object(), "{table} in {schema:#}");
    }
    // The output is JSON with and without the option.
    assert_eq!(netns(&["schema", "--json"]).json(), schema);
}
