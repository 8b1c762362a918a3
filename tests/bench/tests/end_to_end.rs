//! The benchmark, at its smallest: that it measures, tells what it could not, and leaves nothing.

use std::process::Command;

use netns_tests::{netns_path, run};
use serde_json::Value;

fn bench() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_netns-bench"));
    command.env("NETNS_BIN", netns_path());
    command
}

#[test]
fn the_smallest_run_measures_every_mode_or_says_why_not() {
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
fn what_the_way_of_packets_takes_is_measured() {
    figures(&[
        ("forward-only-1", &["cable", "routed", IPTABLES, "ours"]),
        ("rules-1", &[IPTABLES, "ours"]),
        ("tcp-stream-1-plain", &["cable", "routed", IPTABLES, "ours"]),
        ("latency", &["cable", "routed", IPTABLES, "ours"]),
        ("east-west", &["cable", "routed", "ours"]),
    ]);
}

#[test]
fn what_a_table_of_connections_takes_is_measured() {
    figures(&[("new-flows-10k", &[IPTABLES, "ours"]), ("flow-table", &["ours"])]);
}

#[test]
fn labs_and_published_ports_are_measured() {
    let page = figures(&[
        ("publish-1", &["ours"]),
        ("publish-100", &["ours"]),
        ("lab-10", &["ours"]),
        ("iperf3", &["cable", "ours"]),
    ]);
    assert!(page.contains("publish by published ports"), "a plot of a series: {page}");
}

const IPTABLES: &str = "iptables-nft-nobrnf";

/// Does works in few modes: each has its figures in these of them. Returns the page of plots.
fn figures(works: &[(&str, &[&str])]) -> String {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let json = folder.path().join("bench.json");
    let mut command = bench();
    command.args(["--rounds", "1", "--window", "20"]).arg("--json").arg(&json);
    command.arg("--report").arg(folder.path());
    command.args(works.iter().flat_map(|(work, _)| ["--only", *work]));
    let modes = ["cable", "routed", IPTABLES, "iptables-nft", "ours"];
    command.args(modes.iter().flat_map(|mode| ["--mode", *mode]));
    let output = run(None, &mut command).success();
    let record: Value =
        serde_json::from_slice(&std::fs::read(&json).expect("the results")).expect("JSON");
    let results = record["results"].as_array().expect("results");
    for (work, modes) in works {
        let of_work: Vec<_> = results.iter().filter(|result| result["work"] == *work).collect();
        for mode in *modes {
            assert!(
                of_work.iter().any(|result| result["mode"] == *mode),
                "{work}, {mode}: {output}"
            );
        }
        for result in of_work {
            measured(result, 1);
        }
    }
    std::fs::read_to_string(folder.path().join("index.html")).expect("the page")
}

fn measured(result: &Value, rounds: usize) {
    assert_eq!(result["samples"].as_array().map(Vec::len), Some(rounds), "{result}");
    assert_eq!(result["errors"], serde_json::json!([]), "{result}");
    let figure = |name: &str| result["summary"][name].as_f64().expect("a figure");
    // The clock of CPU time may not have moved within so short a sample.
    let least = if result["metric"] == "CPU" { 0.0 } else { f64::MIN_POSITIVE };
    assert!(figure("min") >= least, "{result}");
    assert!(figure("min") <= figure("median") && figure("median") <= figure("max"), "{result}");
}

#[test]
fn a_work_that_is_not_there_is_wrong_usage() {
    let output = run(None, bench().args(["--only", "nothing"]));
    assert_eq!(output.status.code(), Some(2), "{output}");
    assert!(output.stderr.contains("udp-1"), "{output}");
}
