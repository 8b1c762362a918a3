//! `netns graph`: the choice of the lab, the output formats, and the output file.

use std::{fs, path::Path};

use netns_tests::{Sandbox, lab, lab_is_up, lecture, netns, outside, own};

/// The path as an argument.
fn text(path: &Path) -> &str {
    path.to_str().expect("a plain path")
}

#[test]
fn graph_without_a_lab_draws_the_lectures_lab_and_says_so() {
    let _sandbox = Sandbox::new();
    let output = netns(&["graph"]).success().shows(&["╭─ red ──", "veth-red-br", "masquerade"]);
    assert!(output.stderr.contains("no lab is up"), "{output}");
}

#[test]
fn the_drawing_in_the_readme_is_the_output_of_graph() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let readme = fs::read_to_string(path).expect("README.md");
    let drawn =
        readme.lines().skip_while(|line| !line.contains('╭')).take_while(|line| !line.is_empty());
    let drawn: Vec<&str> =
        drawn.map(|line| line.strip_prefix("    ").expect("a code block")).collect();
    let _sandbox = Sandbox::new();
    lab_is_up();
    let shown = netns(&["graph"]).success().stdout;
    let shown: Vec<&str> = shown.lines().take_while(|line| !line.is_empty()).collect();
    assert_eq!(drawn, shown);
}

#[test]
fn graph_draws_a_lab_that_is_up_as_it_was_built() {
    let _sandbox = Sandbox::new();
    lecture().replace("name = \"red\"", "name = \"crimson\"").up().success();
    for arguments in [&["graph"][..], &["graph", "lecture"]] {
        let output = netns(arguments).success().shows(&["╭─ crimson ──"]);
        assert_eq!(output.stderr, "");
    }
}

#[test]
fn graph_draws_the_rules_that_a_lab_has_now() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    netns(&["forward", "add", "tcp", "9090", "red:90"]).success();
    netns(&["forward", "del", "tcp", "80"]).success();
    let drawn = netns(&["graph"]).success().shows(&["port 9090", "192.168.15.1:90"]).stdout;
    assert!(!drawn.contains("192.168.15.2:80"), "{drawn}");
}

#[test]
fn graph_draws_a_file_without_building_it() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    let far = outside("lan", "192.168.1.1/24", &[]);
    let file = lab("other")
        .router("gate")
        .uplink("wan", "192.168.1.10/24", &far)
        .bridge("office", "10.0.0.254/24")
        .namespace("desk", "office", "10.0.0.1/24")
        .write();
    netns(&["graph", text(file.path())]).success().shows(&["╭─ desk ──", "╭─ gate ──"]);
}

#[test]
fn graph_of_a_missing_lab_is_an_error() {
    let _sandbox = Sandbox::new();
    netns(&["graph", "nowhere"]).fails_with(&["\"nowhere\"", "not up"]);
    netns(&["graph", "/nonexistent.toml"]).fails_with(&["/nonexistent.toml", "No such file"]);
    let file = lecture().replace("[[bridge]]", "[[brigde]]").write();
    netns(&["graph", text(file.path())]).fails_with(&["brigde", "bridge"]);
}

#[test]
fn graph_needs_a_name_if_several_labs_are_up() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    let second = lab("second").router("gate").bridge("office", "10.0.0.254/24");
    second.namespace("desk", "office", "10.0.0.1/24").up().success();
    netns(&["graph"]).fails_with(&["several labs", "lecture, second"]);
    netns(&["graph", "second"]).success().shows(&["desk"]);
}

#[test]
fn graph_chooses_the_format_by_the_file_extension() {
    let _sandbox = Sandbox::new();
    let folder = tempfile::tempdir().expect("a folder");
    let beginnings =
        [("svg", "<svg "), ("dot", "graph \"lecture\" {"), ("mmd", "flowchart LR"), ("txt", " ")];
    for (ending, beginning) in beginnings {
        let file = folder.path().join(format!("lab.{ending}"));
        let output = netns(&["graph", "--output", text(&file)]).success();
        assert_eq!(output.stdout, "", "{output}");
        let drawing = fs::read_to_string(&file).expect("the drawing");
        assert!(drawing.starts_with(beginning), "{ending}: {drawing}");
        assert!(!drawing.contains('\u{1b}'), "{ending}: {drawing}");
    }
    // `--format` overrides the file extension.
    let file = folder.path().join("lab.svg");
    netns(&["graph", "-f", "dot", "-o", text(&file)]).success();
    assert!(fs::read_to_string(&file).expect("the drawing").starts_with("graph "));
    let left = fs::read_dir(folder.path()).expect("the folder").count();
    assert_eq!(left, beginnings.len());
}

#[test]
fn an_output_file_of_another_format_is_an_error_that_says_how_to_make_it() {
    let _sandbox = Sandbox::new();
    let folder = tempfile::tempdir().expect("a folder");
    let file = |name: &str| folder.path().join(name);
    for (name, remedy) in [
        ("lab.png", "`netns graph --format dot | dot -Tpng -o "),
        ("lab.json", "`netns graph --json -o "),
        ("lab.doc", "select one with --format"),
    ] {
        let formats = [".txt", ".mmd", ".dot", ".svg"];
        let output = netns(&["graph", "-o", text(&file(name))]).fails_with(&formats);
        assert!(output.stderr.contains(remedy) && output.stderr.contains(name), "{output}");
    }
    assert_eq!(fs::read_dir(folder.path()).expect("the folder").count(), 0);
    // `--format` and `--json` say what the file is.
    netns(&["graph", "-f", "text", "-o", text(&file("lab.doc"))]).success();
    netns(&["graph", "--json", "-o", text(&file("lab.data"))]).success();
    netns(&["graph", "-o", text(&file("lab"))]).success();
    assert_eq!(fs::read_dir(folder.path()).expect("the folder").count(), 3);
}

#[test]
fn an_output_file_that_cannot_be_written_is_an_error() {
    let _sandbox = Sandbox::new();
    netns(&["graph", "-o", "/nonexistent/lab.svg"])
        .fails_with(&["cannot write /nonexistent/lab.svg", "No such file"]);
    let folder = tempfile::tempdir().expect("a folder");
    netns(&["graph", "-o", text(folder.path())]).fails_with(&[text(folder.path()), "directory"]);
    assert_eq!(fs::read_dir(folder.path()).expect("the folder").count(), 0);
    // A device is written to and not replaced.
    netns(&["graph", "-o", "/dev/null"]).success();
    assert!(!Path::new("/dev/null").is_file());
}

#[test]
fn graph_as_json_has_nodes_edges_and_rules() {
    let _sandbox = Sandbox::new();
    let graph = netns(&["graph", "--json"]).json();
    let names: Vec<&str> = graph["nodes"]
        .as_array()
        .expect("nodes")
        .iter()
        .map(|node| node["name"].as_str().expect("a name"))
        .collect();
    assert_eq!(names, ["host", "v-net-0", "ens3", "red", "blue", "lan"]);
    assert_eq!(graph["edges"].as_array().map(Vec::len), Some(3));
    assert_eq!(graph["rules"][0]["kind"], "masquerade");
    netns(&["graph", "--json", "--format", "svg"]).fails_with_code(2, &["--format", "--json"]);
    netns(&["graph", "--format", "png"]).fails_with_code(2, &["png", "mermaid"]);
}

#[test]
fn graphviz_reads_the_dot_output() {
    let _sandbox = Sandbox::new();
    let nasty = "\\\"<b>&amp;#\\\\n";
    let file = lecture()
        .replace("name = \"red\"\n", &format!("name = \"red\"\ninterface = \"{nasty}\"\n"));
    let file = file.write();
    let folder = tempfile::tempdir().expect("a folder");
    let graph = folder.path().join("lab.dot");
    netns(&["graph", text(file.path()), "-o", text(&graph)]).success();
    let judged = own().command("dot", &["-Tjson", text(&graph)]).success();
    assert_eq!(judged.stderr, "", "{judged}");
    let judged = judged.json();
    let objects = judged["objects"].as_array().expect("objects");
    let label =
        |object: &serde_json::Value| object["label"].as_str().unwrap_or_default().to_owned();
    // Graphviz keeps its escapes; the name comes before one for a line break.
    let red = objects.iter().map(label).find(|label| label.starts_with("red"));
    let red = red.expect("a node for red");
    assert!(red.contains("\"<b>&amp;amp;#\\\\n 192.168.15.1/24"), "{red}");
    // The frame of the router and six nodes, one of which stands for routing and NAT.
    assert_eq!(objects.len(), 7, "{judged}");
}

#[test]
fn graph_draws_two_hundred_namespaces_as_one_box_or_separately() {
    let mut file = lab("crowd").router("host").bridge("v-net-0", "10.0.0.254/24");
    for number in 1..=200 {
        file = file.namespace(&format!("web-{number}"), "v-net-0", &format!("10.0.0.{number}/24"));
    }
    let file = file.write();
    let folded = netns(&["graph", text(file.path())]).success();
    let folded = folded.shows(&["web-1 … web-200", "10.0.0.1 - 10.0.0.200", "200 namespaces"]);
    assert!(folded.stdout.lines().count() < 12, "{folded}");
    let all = netns(&["graph", "--all", text(file.path())]).success();
    assert_eq!(all.stdout.matches("╭─ web-").count(), 200, "{all}");
}
