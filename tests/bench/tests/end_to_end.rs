//! Short runs of the benchmark: it measures every workload and reports modes that it cannot
//! measure.

use std::process::Command;

use netns_tests::{netns_path, run};
use serde_json::Value;

fn bench() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_netns-bench"));
    command.env("NETNS_BIN", netns_path());
    command
}

#[test]
fn every_mode_is_measured_or_reported_as_missing() {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let json = folder.path().join("bench.json");
    let report = folder.path().join("report");
    let mut command = bench();
    command.args(["--rounds", "2", "--window", "20", "--only", "udp-1", "--only", "tcp-crr"]);
    let output = run(None, command.arg("--json").arg(&json).arg("--report").arg(&report)).success();
    assert!(output.stdout.contains("ours better"), "{output}");

    let record: Value =
        serde_json::from_slice(&std::fs::read(&json).expect("the results")).expect("JSON");
    assert_eq!(record["schema"], 2);
    assert!(record["machine"]["kernel"].as_str().is_some_and(|text| !text.is_empty()), "{record}");
    let results = record["results"].as_array().expect("results");
    for mode in record["modes"].as_array().expect("modes") {
        let of_mode: Vec<_> = results.iter().filter(|r| r["mode"] == mode["name"]).collect();
        if of_mode.is_empty() {
            assert!(mode["missing"].is_string(), "neither measured nor missing: {mode}");
            assert!(output.stdout.contains(mode["missing"].as_str().expect("why")), "{output}");
        }
        for result in of_mode {
            measured(result, 2);
        }
    }
    for mode in ["cable", "routed", "iptables-nft-nobrnf", "ours", "ours-peer", "ours-via-stack"] {
        let count = results.iter().filter(|result| result["mode"] == mode).count();
        assert_eq!(count, 4, "{mode}: two figures of each work: {record:#}");
    }
    let advantages = record["advantages"].as_array().expect("advantages");
    for of in ["ours", "ours-peer"] {
        let those = advantages.iter().filter(|advantage| advantage["of"] == of);
        assert!(those.count() >= 4 * 4, "{record:#}");
    }

    let page = std::fs::read_to_string(report.join("index.html")).expect("the page");
    assert!(page.contains("<svg") && !page.contains("http"), "{page}");
}

#[test]
fn workloads_of_the_packet_path_give_figures() {
    figures(&[
        ("forward-only-1", &["cable", "routed", IPTABLES, "ours"]),
        ("rules-1", &[IPTABLES, "ours"]),
        ("tcp-stream-1-plain", &["cable", "routed", IPTABLES, "ours"]),
        ("latency", &["cable", "routed", IPTABLES, "ours"]),
        ("east-west", &["cable", "routed", "ours"]),
    ]);
}

#[test]
fn workloads_of_the_connection_table_give_figures() {
    figures(&[("new-flows-10k", &[IPTABLES, "ours"]), ("flow-table", &["ours"])]);
}

#[test]
fn workloads_of_labs_and_published_ports_give_figures() {
    let page = figures(&[
        ("publish-1", &["ours"]),
        ("publish-100", &["ours"]),
        ("lab-10", &["ours"]),
        ("iperf3", &["cable", "ours"]),
    ]);
    assert!(page.contains("publish by published ports"), "a plot of a series: {page}");
}

const IPTABLES: &str = "iptables-nft-nobrnf";

/// Runs workloads in few modes and expects figures of each in the given modes. Returns the HTML
/// report.
fn figures(workloads: &[(&str, &[&str])]) -> String {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let json = folder.path().join("bench.json");
    let mut command = bench();
    command.args(["--rounds", "1", "--window", "20"]).arg("--json").arg(&json);
    command.arg("--report").arg(folder.path());
    command.args(workloads.iter().flat_map(|(workload, _)| ["--only", *workload]));
    let modes = ["cable", "routed", IPTABLES, "iptables-nft", "ours"];
    command.args(modes.iter().flat_map(|mode| ["--mode", *mode]));
    let output = run(None, &mut command).success();
    let record: Value =
        serde_json::from_slice(&std::fs::read(&json).expect("the results")).expect("JSON");
    let results = record["results"].as_array().expect("results");
    for (workload, modes) in workloads {
        let of_workload: Vec<_> =
            results.iter().filter(|result| result["work"] == *workload).collect();
        for mode in *modes {
            assert!(
                of_workload.iter().any(|result| result["mode"] == *mode),
                "{workload}, {mode}: {output}"
            );
        }
        for result in of_workload {
            measured(result, 1);
        }
    }
    std::fs::read_to_string(folder.path().join("index.html")).expect("the page")
}

fn measured(result: &Value, rounds: usize) {
    assert_eq!(result["samples"].as_array().map(Vec::len), Some(rounds), "{result}");
    assert_eq!(result["errors"], serde_json::json!([]), "{result}");
    let figure = |name: &str| result["summary"][name].as_f64().expect("a figure");
    // CPU time is counted in ticks, and so short a sample may have none.
    let least = if result["metric"] == "CPU" { 0.0 } else { f64::MIN_POSITIVE };
    assert!(figure("min") >= least, "{result}");
    assert!(figure("min") <= figure("median") && figure("median") <= figure("max"), "{result}");
}

#[test]
fn an_unknown_workload_is_a_usage_error() {
    let output = run(None, bench().args(["--only", "nothing"]));
    assert_eq!(output.status.code(), Some(2), "{output}");
    assert!(output.stderr.contains("udp-1"), "{output}");
}
