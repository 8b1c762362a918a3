//! Texts that are not TOML, and files of other programs.

use super::{GOOD, Topology, problems};

/// The problems of a text, without the file's name.
fn faults(text: &str) -> Vec<String> {
    problems(text).iter().map(|fault| fault.replacen("lab.toml:", "", 1)).collect()
}

#[test]
fn faults_of_toml_are_told_all_at_once() {
    let text = "name =\n[router]\nnamespace = \"gw\n[[bridge]]\nname \"br0\"\n[[namespace]\n\
                name = \"red\"\nbridge = \"br0\"\n";
    assert_eq!(
        faults(text),
        [
            "1:7: the key \"name\" has no value: write it after \"=\"",
            "3:16: the text has no closing quote: add it",
            "5:6: \"=\" is missing: write name = and its value",
            "6:13: the heading is not closed: write [[namespace]]",
        ]
    );
}

#[test]
fn a_list_or_table_that_is_not_closed_is_one_fault() {
    let text = GOOD.replacen("dns = [\"9.9.9.9\"]", "dns = [\"9.9.9.9\"", 1);
    assert_eq!(faults(&text), ["28:17: the list is not closed: add ]"]);
    let text = GOOD.replacen("answers = [\"8.8.8.8\"] }", "answers = [\"8.8.8.8\"]", 1);
    assert_eq!(faults(&text), ["10:101: the table is not closed: add }"]);
    let text = GOOD.replacen("dns = [\"9.9.9.9\"]", "dns = [\n  \"9.9.9.9\"\n  \"8.8.8.8\",\n]", 1);
    assert_eq!(faults(&text), ["30:3: a comma is missing between two elements of the list"]);
}

#[test]
fn text_without_quotes_is_answered_with_the_quotes() {
    let text = GOOD.replacen("name = \"red\"", "name = red", 1);
    let text = text.replacen("\"10.0.0.2/24\"", "10.0.0.2/24", 1);
    let text = text.replacen("\"blue-port\"", "“blue-port”", 1);
    let text = text.replacen(
        "namespace = \"lan\", interface = \"eth0\"",
        "namespace = net, interface = eth0",
        1,
    );
    assert_eq!(
        faults(&text),
        [
            "10:25: net is text, and not in quotes: write \"net\"",
            "10:42: eth0 is text, and not in quotes: write \"eth0\"",
            "17:8: red is text, and not in quotes: write \"red\"",
            "19:11: 10.0.0.2/24 is text, and not in quotes: write \"10.0.0.2/24\"",
            "26:8: “blue-port” is text, and not in quotes: write \"blue-port\"",
        ]
    );
}

#[test]
fn other_faults_of_a_text_that_is_not_toml_are_told_and_no_consequences() {
    let text = GOOD.replacen("name = \"red\"", "name red", 1);
    let text = text.replacen("answers", "awnsers", 1).replacen("port = 80", "port = true", 1);
    let found = faults(&text.replacen("[[masquerade]]", "[[masquerade]", 1));
    assert_eq!(found.len(), 4, "{found:#?}");
    for (fault, part) in found.iter().zip(["\"awnsers\"", "write name =", "[[masquerade]]", "true"])
    {
        assert!(fault.contains(part), "{found:#?}");
    }
}

#[test]
fn keys_and_tables_that_are_there_twice_are_reported() {
    let twice = |from: &str, to: &str| faults(&GOOD.replacen(from, to, 1));
    assert_eq!(
        twice("port = 80\n", "port = 80\nport = 81\n"),
        ["38:1: the key \"port\" is there twice in one table: leave one out"]
    );
    assert_eq!(
        twice("[[bridge]]", "[nat]\n[nat]\n[[bridge]]"),
        ["13:2: the table \"nat\" is there before: put its keys there"]
    );
    assert_eq!(
        twice("[[bridge]]", "[router]\nnamespace = \"other\"\n[[bridge]]"),
        ["12:2: \"router\" is there before: write [[router]] above the keys of each"]
    );
}

#[test]
fn a_table_in_the_place_of_a_list_is_answered_with_the_brackets_to_write() {
    for name in ["uplink", "bridge", "masquerade", "forward"] {
        let text = GOOD.replacen(&format!("[[{name}]]"), &format!("[{name}]"), 1);
        let found = faults(&text);
        let message = format!(
            "\"{name}\" is a list, since a lab can have several: write [[{name}]] above its keys"
        );
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].ends_with(&message), "{found:?}");
    }
    let text = "name = \"x\"\n[namespace]\nname = \"a\"\n[cable]\n\
                a = { namespace = \"a\", interface = \"x\" }\nb = { namespace = \"b\", interface = \"x\" }\n";
    let found = faults(text);
    assert_eq!(found.len(), 3, "{found:?}");
    assert!(found[0].contains("write [[namespace]]"), "{found:?}");
    assert!(found[1].contains("write [[cable]]"), "{found:?}");
    assert!(found[2].contains("there is no namespace \"b\""), "{found:?}");
    // Both in one file.
    let found = faults(&GOOD.replacen("[[namespace]]", "[namespace]", 1));
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].starts_with("16:2: \"namespace\" is a list"), "{found:?}");
    let message = "21:3: \"namespace\" is there before: write [[namespace]] above the keys of each";
    assert_eq!(found[1], message);
}

#[test]
fn a_list_in_the_place_of_a_table_is_answered_with_the_brackets_to_write() {
    let found = faults(&format!("{GOOD}\n[[nat]]\nflow_table = 3\n"));
    assert_eq!(
        found,
        [
            "40:3: \"nat\" is one table for the whole lab: write [nat] above its keys",
            "41:14: nat: a flow table of 3 connections: use 64 to 16777216",
        ]
    );
    let found = faults(&format!("{GOOD}\n[[nat.timeouts]]\nudp = 0\n"));
    assert_eq!(found.len(), 2, "{found:?}");
    assert!(found[0].contains("\"timeouts\" is one table"), "{found:?}");
    let text = GOOD.replacen("outside = {", "outside = [{", 1).replacen(
        "[\"8.8.8.8\"] }",
        "[\"8.8.8.8\"] }]",
        1,
    );
    assert_eq!(faults(&text), ["10:1: \"outside\" is one table: write outside = { … }"]);
    let text = GOOD.replacen("dns = [", "routes = { to = \"default\" }\ndns = [", 1);
    let found = faults(&text);
    assert!(found[0].contains("\"routes\" is a list: write routes = [{ … }]"), "{found:?}");
    let text = format!("{GOOD}\n[[template.t]]\nmtu = 7\n");
    let found = faults(&text);
    assert!(found[0].contains("write [template.t]"), "{found:?}");
}

#[test]
fn keys_of_containerlab_and_compose_are_answered_with_those_of_a_lab() {
    let cable = "[[cable]]\nendpoints = [\"red:eth1\", \"blue:eth1\"]\n";
    assert_eq!(
        faults(&format!("{GOOD}\n{cable}")),
        [
            "41:1: unknown key \"endpoints\": write its ends as a = { namespace = \"red\", interface = \
          \"eth1\" } and b = { namespace = \"blue\", interface = \"eth1\" }"
        ]
    );
    let topology = "[topology]\n[topology.nodes.a]\nkind = \"linux\"\n[[topology.links]]\nx = 1\n";
    let found = faults(&format!("{GOOD}\n{topology}"));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("[[namespace]], [[bridge]] and [[cable]]"), "{found:?}");
    for (key, part) in [
        ("[nodes.a]", "a [[namespace]] with a `name` for each"),
        ("[services.web]", "a [[namespace]] with a `name` for each"),
        ("[networks.back]", "a [[bridge]] with a `name` and an `address`"),
        ("[[links]]", "a [[cable]] with a = { namespace = \"red\", interface = \"eth1\" }"),
    ] {
        let found = faults(&format!("{GOOD}\n{key}\n"));
        assert_eq!(found.len(), 1, "{found:?}");
        assert!(found[0].contains(part), "{found:?}");
    }
    let found =
        faults(&GOOD.replacen("name = \"red\"\n", "name = \"red\"\nimage = \"alpine\"\n", 1));
    assert!(found[0].contains("unknown key \"image\": leave it out"), "{found:?}");
    let found = faults(&GOOD.replacen("name = \"red\"\n", "name = \"red\"\nports = [80]\n", 1));
    assert!(found[0].contains("unknown key \"ports\": write a [[forward]]"), "{found:?}");
    let found = faults(&GOOD.replacen("address = \"10.0.0.2/24\"", "ip = \"10.0.0.2/24\"", 1));
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].contains("unknown key \"ip\": did you mean \"address\"?"), "{found:?}");
}

#[test]
fn yaml_is_one_fault_that_shows_the_same_in_toml() {
    let clab = "# a lab\nname: demo\ntopology:\n  nodes:\n    a:\n      kind: linux\n  links:\n    \
                - endpoints: [\"a:eth1\", \"b:eth1\"]\n";
    assert_eq!(
        faults(clab),
        ["2:1: this is YAML, and labs are written in TOML: write name = \"demo\", and below it a \
          [[namespace]] for each of `nodes`, a [[cable]] for each of `links`: docs/topology.md has \
          all keys, and `netns schema` prints them for an editor"]
    );
    let bridge = clab.replace("kind: linux", "kind: bridge");
    assert!(faults(&bridge)[0].contains("or a [[bridge]] where its `kind` is a bridge"));
    let compose = "---\nservices:\n  web:\n    image: nginx\n    ports:\n      - \"80:80\"\n";
    let found = faults(compose);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].contains("name = \"lab\", and below it a [[namespace]] for each of `services`")
    );
    let found = faults("name: x\ntopology:\n");
    assert!(found[0].contains("[[namespace]], [[bridge]] and [[cable]]"), "{found:?}");
}

#[test]
fn one_line_as_in_yaml_is_a_fault_of_that_line() {
    let text = GOOD.replacen("name = \"lab\"", "name: lab", 1);
    assert_eq!(faults(&text), ["1:7: \"=\" is missing: write name = instead of name:"]);
}

#[test]
fn ipv6_is_answered_with_the_sentence_that_labs_do_not_have_it_yet() {
    let places = [
        ("\"10.0.0.1/24\"", "\"fd00::1/64\""),
        ("\"10.0.0.2/24\"", "\"fd00::2/64\""),
        ("\"9.9.9.9\"", "\"2620:fe::fe\""),
        ("gateway = \"192.168.1.1\"", "gateway = \"fe80::1\""),
        ("source = \"10.0.0.0/24\"", "source = \"fd00::/64\""),
        ("address = \"192.168.1.10\"", "address = \"::1\""),
        ("\"10.0.0.3:8080\"", "\"[fd00::3]:8080\""),
    ];
    for (from, to) in places {
        let text = GOOD.replacen(from, to, 1);
        assert_ne!(text, GOOD, "{from}");
        let found = faults(&text);
        let told = found.iter().filter(|fault| fault.contains("labs have no IPv6 yet")).count();
        assert_eq!(told, 1, "{to}: {found:?}");
    }
    let list = GOOD.replacen("source = ", "except = [\"fd00::/8\"]\nsource = ", 1);
    assert!(faults(&list)[0].contains("labs have no IPv6 yet"), "{:?}", faults(&list));
}

#[test]
fn arbitrary_cuts_of_a_file_are_reported_within_the_file() {
    for end in 0..GOOD.len() {
        let text = &GOOD[..end];
        let Err(error) = Topology::parse(text, "lab.toml") else { continue };
        let lines = text.matches('\n').count() + 1;
        assert!(!error.problems().is_empty(), "{text}");
        assert!(error.problems().iter().all(|fault| fault.line <= lines), "{error}");
    }
}

#[test]
fn a_text_of_one_repeated_character_is_reported_quickly() {
    for piece in ["[", "]", "{", "\"", "'", "=", "é", "a", "a=", "a=[\n", "\n[", ":", "a:\n", "a\n"]
    {
        let text = piece.repeat(300_000 / piece.len());
        assert!(Topology::parse(&text, "lab.toml").is_err(), "{piece}");
        let text = piece.repeat(20_000 / piece.len());
        assert!(Topology::parse(&text, "lab.toml").is_err(), "{piece}");
    }
}

#[test]
fn what_a_lab_has_written_is_read_without_the_checks_of_the_whole() {
    let lab = Topology::parse(GOOD, "lab.toml").unwrap();
    let older = lab.to_toml().replace("\"v-net-0\"", "\"default\"");
    assert!(Topology::parse(&older, "record").is_err());
    assert_eq!(Topology::parse_written(&older, "record").unwrap().to_toml(), older);
    assert!(Topology::parse_written("name = 7\n", "record").is_err());
    assert!(Topology::parse_written(&older[..older.len() / 2], "record").is_err());
}
