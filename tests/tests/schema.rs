//! A foreign validator applies `netns schema` to topology files: it accepts and rejects the same
//! files as `netns check`.

use std::{collections::BTreeMap, fs, path::Path, process::Command};

use netns_tests::netns;
use tempfile::TempDir;

const GOOD: &str = include_str!("../../netns-user/topology/src/topology/tests/labs/good.toml");
const OWN: &str = include_str!("../../netns-user/topology/src/topology/tests/labs/own.toml");
const LARGE: &str = include_str!("../../netns-user/topology/src/topology/tests/labs/large.toml");

/// Whether the schema accepts each of these topology files, by name.
fn verdicts(files: &BTreeMap<String, String>) -> BTreeMap<String, bool> {
    let folder = TempDir::new().expect("a folder");
    let path = |name: &str| folder.path().join(name);
    let schema = path("schema");
    fs::write(&schema, &netns(&["schema"]).success().stdout).expect("written");
    // The package is installed for the system's Python, which may not be the first in PATH.
    let mut validator = Command::new("/usr/bin/jsonschema");
    validator.args(["--output", "pretty"]);
    for (name, text) in files {
        let table: toml::Table = toml::from_str(text).unwrap_or_else(|error| panic!("{error}"));
        fs::write(path(name), serde_json::to_vec(&table).expect("JSON")).expect("written");
        validator.arg("-i").arg(path(name));
    }
    let output = validator.arg(&schema).output().expect("jsonschema starts");
    let told = |stream: &[u8], verdict: &str| {
        let text = String::from_utf8_lossy(stream).into_owned();
        let lines = text.lines().filter_map(|line| {
            let line = line.strip_prefix(&format!("===[{verdict}]===("))?;
            let name = Path::new(line.split(')').next()?).file_name()?;
            Some(name.to_string_lossy().into_owned())
        });
        lines.collect::<Vec<_>>()
    };
    let taken = told(&output.stdout, "SUCCESS").into_iter().map(|name| (name, true));
    let refused = told(&output.stderr, "ValidationError").into_iter().map(|name| (name, false));
    let verdicts: BTreeMap<_, _> = taken.chain(refused).collect();
    assert_eq!(verdicts.len(), files.len(), "{output:?}");
    verdicts
}

/// Whether `netns check` accepts a topology file.
fn is_checked(text: &str) -> bool {
    let file = tempfile::NamedTempFile::new().expect("a file");
    fs::write(file.path(), text).expect("written");
    netns(&["check", &file.path().display().to_string()]).status.success()
}

#[test]
fn the_schema_is_valid() {
    // jsonschema checks a schema against its own dialect before it uses it.
    let schema = netns(&["schema"]).json();
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    let files = [("empty".to_owned(), String::new())].into();
    assert!(!verdicts(&files)["empty"], "a lab has a name");
}

#[test]
fn the_schema_accepts_files_that_check_accepts() {
    let one = "address = \"192.168.1.10/24\"";
    let several = LARGE.replace(one, "address = [\"192.168.1.10/24\", \"198.51.100.1/32\"]");
    let mut files = BTreeMap::new();
    for (name, text) in [("good", GOOD), ("own", OWN), ("large", LARGE), ("several", &several)] {
        files.insert(name.to_owned(), text.to_owned());
    }
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    for example in fs::read_dir(examples).expect("examples") {
        let path = example.expect("an example").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        files.insert(name, fs::read_to_string(path).expect("an example"));
    }
    assert!(files.len() >= 9, "{files:?}");
    for (name, taken) in verdicts(&files) {
        assert!(is_checked(&files[&name]), "netns check refuses {name}");
        assert!(taken, "the schema refuses {name}");
    }
}

#[test]
fn the_schema_rejects_files_that_check_rejects() {
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
    let mut files = BTreeMap::new();
    for (number, (from, to)) in cases.iter().enumerate() {
        assert!(LARGE.contains(from), "{from}");
        files.insert(format!("{number}"), LARGE.replacen(from, to, 1));
    }
    for (name, taken) in verdicts(&files) {
        let (_, to) = cases[name.parse::<usize>().expect("a number")];
        assert!(!is_checked(&files[&name]), "netns check takes {to}");
        assert!(!taken, "the schema takes {to}");
    }
}

#[test]
fn the_schema_accepts_names_as_targets_and_protocols_in_any_form() {
    let cases = [
        ("target", "target = \"blue:8080\"", true),
        ("no-port", "target = \"blue\"", false),
        ("upper-case", "protocol = \"UDP\"", true),
        ("several", "protocol = \"tcp, UDP,sctp\"", true),
        ("list", "protocol = [\"tcp\", \"udplite\"]", true),
        ("empty-list", "protocol = []", false),
        ("unknown", "protocol = \"tcp,icmp\"", false),
        ("number", "protocol = 6", false),
    ];
    let with = |line: &str| match line.starts_with("target") {
        true => GOOD.replacen("target = \"10.0.0.3:8080\"", line, 1),
        false => GOOD.replacen("protocol = \"tcp\"", line, 1),
    };
    let files = cases.iter().map(|(name, line, _)| ((*name).to_owned(), with(line))).collect();
    let verdicts = verdicts(&files);
    for (name, line, expected) in cases {
        assert_eq!(verdicts[name], expected, "{line}");
        assert_eq!(is_checked(&files[name]), expected, "{line}");
    }
}

#[test]
fn the_schema_accepts_routed_networks_only_as_a_list() {
    let with =
        |list: &str| GOOD.replacen("[[uplink]]\n", &format!("[[uplink]]\nrouted = {list}\n"), 1);
    let lists = [
        ("networks", r#"["203.0.113.0/24", "10.7.7.7"]"#, true),
        ("no-network", r#"["lan"]"#, false),
        ("no-list", r#""203.0.113.0/24""#, false),
    ];
    let files = lists.iter().map(|(name, list, _)| ((*name).to_owned(), with(list))).collect();
    let verdicts = verdicts(&files);
    for (name, list, expected) in lists {
        assert_eq!(verdicts[name], expected, "{list}");
    }
}
