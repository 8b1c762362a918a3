//! Sends the same packets through our router and through one with iptables, and compares the
//! results field by field. docs/differences-from-netfilter.md lists the accepted differences with
//! their reasons; every other difference is a bug.

mod cases;
mod document;
mod exchange;
mod fields;
mod labs;
mod packet;
mod protocols;

use std::collections::BTreeSet;

use netns_tests::Sandbox;
use nix::{
    sched::{CpuSet, sched_getcpu, sched_setaffinity},
    unistd::Pid,
};

use crate::{
    cases::{CASES, Case, Group},
    document::documented,
    exchange::{Difference, EVERY_CASE, Exchange},
    labs::Mode,
};

/// Pins the thread to its CPU: packets of one CPU stay in order, those of two may not.
fn stay_on_this_cpu() {
    let mut only = CpuSet::new();
    only.set(sched_getcpu().expect("this CPU")).expect("a CPU");
    sched_setaffinity(Pid::from_raw(0), &only).expect("this thread on one CPU");
}

/// Compares a group's cases in both modes of our router.
#[track_caller]
fn compare(group: Group) {
    compare_in(Mode::Straight, group);
    compare_in(Mode::ViaStack, group);
}

/// Runs a group's cases, each with its own flows, and compares the differences with the document.
#[track_caller]
fn compare_in(mode: Mode, group: Group) {
    let _sandbox = Sandbox::new();
    stay_on_this_cpu();
    let mut exchange = Exchange::new(mode);
    let cases: Vec<&Case> = CASES.iter().filter(|case| case.group == group).collect();
    for case in &cases {
        case.name.clone_into(&mut exchange.case);
        let alike = exchange.alike;
        (case.run)(&mut exchange);
        let is_seen = exchange.alike > alike
            || exchange.differences.iter().any(|difference| difference.case == case.name);
        assert!(is_seen || case.is_silent, "{}: nothing arrived anywhere", case.name);
    }
    let names: BTreeSet<_> = cases.iter().map(|case| case.name).collect();
    let mut expected = documented(mode);
    let seen: BTreeSet<Difference> = exchange.differences;
    expected.retain(|row| {
        names.contains(row.case.as_str()) || (row.case == EVERY_CASE && seen.contains(row))
    });
    let unexpected: Vec<_> = seen.difference(&expected).map(ToString::to_string).collect();
    let missing: Vec<_> = expected.difference(&seen).map(ToString::to_string).collect();
    assert!(
        unexpected.is_empty() && missing.is_empty(),
        "{mode:?}: differences that are not in docs/differences-from-netfilter.md:\n{}\n\
         rows of it that are not so:\n{}\n{} packets were alike",
        unexpected.join("\n"),
        missing.join("\n"),
        exchange.alike,
    );
}

#[test]
fn tcp_is_translated_like_netfilter() {
    compare(Group::Tcp);
}

#[test]
fn udp_is_translated_like_netfilter() {
    compare(Group::Udp);
}

#[test]
fn ip_headers_are_translated_like_netfilter() {
    compare(Group::Header);
}

#[test]
fn icmp_queries_are_translated_like_netfilter() {
    compare(Group::Query);
}

#[test]
fn icmp_errors_from_outside_are_translated_like_netfilter() {
    compare(Group::ErrorIn);
}

#[test]
fn icmp_errors_from_inside_are_translated_like_netfilter() {
    compare(Group::ErrorOut);
}

#[test]
fn forwards_and_hairpins_are_translated_like_netfilter() {
    compare(Group::Forward);
}

#[test]
fn fragments_are_translated_like_netfilter() {
    compare(Group::Fragment);
}

#[test]
fn packets_over_the_mtu_are_answered_like_netfilter() {
    compare(Group::Mtu);
}

#[test]
fn other_protocols_are_translated_like_netfilter() {
    compare(Group::Protocol);
}

#[test]
fn unsolicited_packets_are_handled_like_netfilter() {
    compare(Group::Stranger);
}

#[test]
fn every_documented_difference_belongs_to_a_case() {
    let names: BTreeSet<_> = CASES.iter().map(|case| case.name).collect();
    assert_eq!(names.len(), CASES.len(), "two cases of one name");
    for difference in documented(Mode::Straight) {
        let is_known = names.contains(difference.case.as_str()) || difference.case == EVERY_CASE;
        assert!(is_known, "no such case: {difference}");
    }
}
