//! The frame of the live view: its lines, the room of each part, and its rates.

use std::time::Instant;

use netns_common::abi::FlowKind;

use super::*;

fn plain(lines: &[String]) -> String {
    let text = lines.join("\n");
    let text = anstream::adapter::strip_str(&text).to_string();
    text.lines().map(str::trim_end).fold(String::from("\n"), |all, line| all + line + "\n")
}

fn rule(id: u32, packets: u64) -> RuleSample {
    let rule = format!("forward tcp {id} -> 192.168.15.2:80");
    RuleSample { id, rule, flows: 1, packets, bytes: packets * 100 }
}

fn flow(port: u16, kind: FlowKind, bytes: u64) -> FlowSample {
    FlowSample {
        protocol: "tcp",
        state: "established",
        kind,
        inside: format!("192.168.15.2:{port}").parse().unwrap(),
        external: format!("192.168.1.10:{port}").parse().unwrap(),
        remote: "8.8.8.8:443".parse().unwrap(),
        age: Duration::from_secs(70),
        packets: bytes / 100,
        bytes,
    }
}

fn snapshots() -> (Snapshot, Snapshot) {
    let at = Instant::now();
    let before = Snapshot {
        at,
        rules: vec![rule(80, 10), rule(81, 10)],
        drops: vec![],
        flows: vec![
            flow(4000, FlowKind::Masquerade, 900_000),
            flow(4001, FlowKind::Masquerade, 100),
        ],
        flow_count: 2,
        capacity: 131_072,
    };
    let after = Snapshot {
        at: at + Duration::from_secs(2),
        rules: vec![rule(80, 10), rule(81, 30)],
        drops: vec![
            DropSample { reason: "leak", packets: 0, bytes: 0 },
            DropSample { reason: "no-masquerade", packets: 4, bytes: 400 },
        ],
        flows: vec![
            flow(4000, FlowKind::Masquerade, 900_000),
            flow(4001, FlowKind::Masquerade, 250_100),
            flow(80, FlowKind::Forward, 1_000),
        ],
        flow_count: 3,
        ..before.clone()
    };
    (before, after)
}

#[test]
fn a_frame_at_eighty_columns() {
    let (before, after) = snapshots();
    let expected = "
lab lecture                                               3 of 131072 flows (0%)

RULE                               PKT/S        RATE  FLOWS  PKTS   BYTES
forward tcp 81 -> 192.168.15.2:80     10  8.0 kbit/s      1    30  3.0 kB
forward tcp 80 -> 192.168.15.2:80      0     0 bit/s      1    10  1.0 kB

PKT/S  PKTS  BYTES  DROPPED
    2     4  400 B  no-masquerade

PKT/S        RATE  PKTS   BYTES    AGE  PROTO  STATE
 1250  1.0 Mbit/s  2501  250 kB  1m10s  tcp    established
  192.168.15.2:4001 ⇒ 192.168.1.10:4001 → 8.8.8.8:443
    5  4.0 kbit/s    10  1.0 kB  1m10s  tcp    established
  8.8.8.8:443 → 192.168.1.10:80 ⇒ 192.168.15.2:80
    0     0 bit/s  9000  900 kB  1m10s  tcp    established
  192.168.15.2:4000 ⇒ 192.168.1.10:4000 → 8.8.8.8:443
";
    assert_eq!(plain(&render("lab lecture", Some(&before), &after, 80, 24)), expected);
}

fn many_rules() -> Snapshot {
    let (_, mut after) = snapshots();
    after.rules = (1..=101).map(|id| rule(id, id.into())).collect();
    after
}

#[test]
fn rules_take_the_room_that_is_left_and_say_how_many_are_not_shown() {
    let mut after = many_rules();
    after.drops.clear();
    after.flows.clear();
    let lines = render("lab lecture", None, &after, 80, 24);
    let text = plain(&lines);
    assert_eq!(lines.len(), 24, "{text}");
    // All but title, heading, two lines on drops and flows, three between, and the last.
    assert_eq!(text.matches("forward tcp").count(), 16, "{text}");
    assert!(text.contains("\n… 85 more\n"), "{text}");
    assert!(text.ends_with("nothing dropped\n\nno flows\n"), "{text}");
}

#[test]
fn flows_keep_their_room_beside_many_rules() {
    let mut after = many_rules();
    after.flows = (0..50).map(|port| flow(4000 + port, FlowKind::Masquerade, 100)).collect();
    let text = plain(&render("lab lecture", None, &after, 80, 24));
    assert!(text.contains("\n… 97 more\n"), "{text}");
    assert!(text.matches("192.168.15.2:40").count() >= 4, "{text}");
}

#[test]
fn a_narrow_frame_names_the_rules_and_cuts_no_figure() {
    let (before, after) = snapshots();
    let text = plain(&render("lab lecture", Some(&before), &after, 50, 24));
    assert!(text.contains("\nRULE                               PKT/S\n"), "{text}");
    assert!(text.contains("\nforward tcp 81 -> 192.168.15.2:80     10\n"), "{text}");
}

#[test]
fn a_wide_frame_has_one_line_a_flow() {
    let (before, after) = snapshots();
    let text = plain(&render("lab lecture", Some(&before), &after, 140, 24));
    let line = text.lines().find(|line| line.contains("8.8.8.8:443 →")).unwrap();
    assert!(line.contains("established"), "{line}");
    assert!(line.ends_with("8.8.8.8:443 → 192.168.1.10:80 ⇒ 192.168.15.2:80"), "{line}");
}

#[test]
fn the_first_frame_has_no_rates() {
    let (before, _) = snapshots();
    let text = plain(&render("lab lecture", None, &before, 80, 24));
    assert!(text.contains(" 0 bit/s") && !text.contains("Mbit/s"), "{text}");
}

#[test]
fn nothing_is_wider_or_longer_than_the_terminal() {
    let (before, after) = snapshots();
    for (width, height) in [(0, 0), (1, 1), (20, 5), (80, 10), (200, 60)] {
        let lines = render("lab lecture", Some(&before), &after, width, height);
        assert!(lines.len() <= height);
        let widest = plain(&lines).lines().map(|line| line.chars().count()).max();
        assert!(widest.unwrap_or_default() <= width, "{width} x {height}");
    }
}

#[test]
fn a_port_used_again_is_another_flow() {
    let (mut before, mut after) = snapshots();
    before.flows.truncate(1);
    after.flows.truncate(1);
    after.flows[0] =
        FlowSample { age: Duration::from_secs(1), ..flow(4000, FlowKind::Masquerade, 950_000) };
    let text = plain(&render("lab lecture", Some(&before), &after, 140, 24));
    let line = text.lines().find(|line| line.contains(":4000 ⇒")).unwrap();
    assert!(line.contains("3.8 Mbit/s"), "{line}");
}

#[test]
fn a_path_begins_at_the_end_that_has_begun_the_flow() {
    let path = |kind| flow(80, kind, 0).path();
    for kind in [FlowKind::Masquerade, FlowKind::Hairpin] {
        assert_eq!(path(kind), "192.168.15.2:80 ⇒ 192.168.1.10:80 → 8.8.8.8:443", "{kind:?}");
    }
    for kind in [FlowKind::Forward, FlowKind::Admitted] {
        assert_eq!(path(kind), "8.8.8.8:443 → 192.168.1.10:80 ⇒ 192.168.15.2:80", "{kind:?}");
    }
}
