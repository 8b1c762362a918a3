//! `netns doctor`: a test causes a fault, the doctor reports it, and the command that it prints
//! repairs it.

mod file_systems;
mod firewall;
mod name_conflicts;
mod network_managers;
mod other_nats;
mod privileges;
mod queueing_disciplines;
mod routing;
mod uncovered_interfaces;
mod verdict;

use netns_tests::{LabFile, Machine, Output, Sandbox, lab, lecture, netns, netns_path, own};
use serde_json::Value;
use tempfile::NamedTempFile;

/// The doctor's report and exit code.
struct Report {
    value: Value,
    output: Output,
}

impl Report {
    #[track_caller]
    fn of(output: Output) -> Self {
        let value = serde_json::from_str(&output.stdout)
            .unwrap_or_else(|error| panic!("{output}\nexpected JSON: {error}"));
        let report = Self { value, output };
        report.mends_all();
        report
    }

    /// Checks that every finding but "ok" has a command.
    #[track_caller]
    fn mends_all(&self) {
        for finding in self.value["findings"].as_array().expect("a list") {
            let is_mended = finding["command"].is_string() && finding["meaning"].is_string();
            assert!(finding["verdict"] == "ok" || is_mended, "{finding:#}\nexpected a command");
        }
    }

    #[track_caller]
    fn findings(&self, check: &str) -> Vec<&Value> {
        let findings = self.value["findings"].as_array().expect("a list").iter();
        let found: Vec<&Value> = findings.filter(|finding| finding["check"] == check).collect();
        assert!(!found.is_empty(), "{}\nexpected a finding of {check}", self.output);
        found
    }

    /// Expects this verdict in the first finding of a check.
    #[track_caller]
    fn has(&self, check: &str, verdict: &str) -> &Value {
        let finding = self.findings(check)[0];
        assert_eq!(finding["verdict"], verdict, "{}", self.output);
        finding
    }

    #[track_caller]
    fn says(&self, check: &str, parts: &[&str]) {
        let text = self.findings(check)[0].to_string();
        for part in parts {
            assert!(text.contains(part), "{text}\nexpected {part:?}");
        }
    }

    /// Runs the command that a finding prints.
    #[track_caller]
    fn mend(&self, check: &str) -> Output {
        let finding = self.findings(check)[0];
        let command = finding["command"].as_str();
        let command = command.unwrap_or_else(|| panic!("{finding:#}\nexpected a command"));
        let netns = netns_path();
        let folder = netns.parent().expect("a folder").display();
        own().command("sh", &["-ec", &format!("PATH={folder}:$PATH; {command}")])
    }

    #[track_caller]
    fn is_sound(&self) {
        assert_eq!(self.output.status.code(), Some(0), "{}", self.output);
        assert_eq!(self.value["sound"], true);
    }

    #[track_caller]
    fn is_not_sound(&self) {
        assert_eq!(self.output.status.code(), Some(1), "{}", self.output);
        assert_eq!(self.value["sound"], false);
    }
}

/// `netns doctor` without a file. It does not load the programs, because that would take minutes in
/// all these tests.
#[track_caller]
fn doctor() -> Report {
    Report::of(netns(&["doctor", "--quick", "--json"]))
}

/// `netns doctor FILE`
#[track_caller]
fn doctor_of(file: &NamedTempFile) -> Report {
    let file = file.path().to_str().expect("a plain path");
    Report::of(netns(&["doctor", "--quick", "--json", file]))
}

#[track_caller]
fn run(line: &str) {
    own().command("sh", &["-ec", line]).success();
}

/// A lab with the machine as its router: red and blue on one bridge, green on another.
fn on_the_machine() -> LabFile {
    lab("own")
        .own_uplink("wan0")
        .bridge("br-a", "10.9.1.1/24")
        .bridge("br-b", "10.9.2.1/24")
        .namespace("red", "br-a", "10.9.1.2/24")
        .namespace("blue", "br-a", "10.9.1.3/24")
        .namespace("green", "br-b", "10.9.2.2/24")
        .masquerade("10.9.1.0/24", "wan0")
        .forward("tcp", 8080, "10.9.1.2:80")
}

#[test]
fn doctor_finds_no_fault_on_a_sound_machine_and_changes_nothing() {
    let sandbox = Sandbox::new();
    sandbox.with_uplink("wan0");
    let before = Machine::now();
    doctor().is_sound();
    doctor_of(&lecture().write()).is_sound();
    doctor_of(&on_the_machine().write()).is_sound();
    before.is_unchanged();
    let tables = std::fs::read_to_string("/proc/thread-self/net/ip_tables_names");
    assert_eq!(tables.unwrap_or_default(), "", "looking has made a table of iptables");
    own().has_no_netfilter_rules();
}

#[test]
fn doctor_tries_every_kernel_feature() {
    let _sandbox = Sandbox::new();
    let report = Report::of(netns(&["doctor", "--json"]));
    for check in ["kernel", "BTF", "eBPF programs", "eBPF JIT", "tcx", "route lookup", "fragments"]
    {
        report.has(check, "ok");
    }
    report.says("eBPF programs", &["the verifier accepts all"]);
    let quick = doctor();
    quick.has("tcx", "ok");
    let findings = quick.value["findings"].as_array().expect("a list");
    assert!(findings.iter().all(|finding| finding["check"] != "eBPF programs"), "{findings:?}");
}

#[test]
fn doctor_prints_marks_without_colour_to_a_pipe() {
    let _sandbox = Sandbox::new();
    run(
        "nft add table ip f; nft 'add chain ip f pass { type filter hook forward priority 0; policy drop; }'",
    );
    let output = netns(&["doctor", "--quick"]).success();
    assert!(!output.stdout.contains('\u{1b}'), "{output}");
    output.shows(&[
        "✓ kernel",
        "! firewall",
        "drops forwarded packets (table ip f, chain pass)",
        "labs work on this",
    ]);
}

#[test]
fn doctor_refuses_an_invalid_file() {
    let _sandbox = Sandbox::new();
    let file = on_the_machine().replace("10.9.1.1/24", "10.9.1.1/99").write();
    netns(&["doctor", file.path().to_str().expect("a plain path")]).fails_with(&["br-a", "/99"]);
    netns(&["doctor", "/no/such.toml"]).fails_with(&["/no/such.toml"]);
}
