//! The programs as the kernel runs them, held against the model.
//!
//! The object is loaded and configured as for a living lab, in a namespace whose routes the
//! model's table repeats, and each packet goes through both.

mod both;
mod kernel;
mod place;

use std::{
    hash::{BuildHasher as _, RandomState},
    time::Duration,
};

use aya::sys::{Stats, enable_stats};
use both::Both;
use netns_common::{
    abi::{Stage, programs},
    datapath::{Exit, Verdict},
    model::{Datagram, Hook, address, flags, ipv4, rules},
};
use place::router;

/// Sequences with seeds that never change.
const FIXED_SEEDS: u64 = 60;
/// Sequences with seeds of this run.
const RANDOM_SEEDS: u64 = 40;
/// What the default run covers at least.
const PACKETS: usize = 20_000;

/// Outcomes that arbitrary packets must have reached.
const SEEN: [&str; 33] = [
    "FromNamespace bad-checksum",
    "FromNamespace martian",
    "FromNamespace martian-destination",
    "FromNamespace no-time-to-live",
    "FromNamespace protocol-taken",
    "FromNamespace source-route",
    "FromNamespace spoofed-arp",
    "FromNamespace spoofed-mac",
    "FromUplink bad-checksum",
    "FromUplink martian",
    "FromUplink martian-destination",
    "FromUplink no-time-to-live",
    "FromUplink source-route",
    "FromNamespace fragment",
    "FromNamespace in",
    "FromNamespace malformed",
    "FromNamespace no-flow",
    "FromNamespace out",
    "FromNamespace pass",
    "FromNamespace spoofed-source",
    "FromNamespace unrelated-icmp",
    "FromNamespace unsupported-protocol",
    "FromUplink fragment",
    "FromUplink in",
    "FromUplink inside-destination",
    "FromUplink inside-source",
    "FromUplink malformed",
    "FromUplink no-flow",
    "FromUplink pass",
    "FromUplink ports-exhausted",
    "FromUplink ttl-exceeded",
    "ToUplink leak",
    "ToUplink pass",
];

/// What the verifier may look at for each program, in instructions; it gives up at a million.
const BUDGET: [(&str, u32); 8] = [
    (programs::FROM_NAMESPACE, 20_000),
    (programs::FROM_UPLINK, 10_000),
    (programs::TO_UPLINK, 5_000),
    (programs::LOGGED[0].1, 20_000),
    (programs::LOGGED[1].1, 10_000),
    (programs::LOGGED[2].1, 10_000),
    (programs::REPORT, 500_000),
    (programs::START_SWEEPER, 2_000),
];
/// The same for the program of each stage. The largest begins masqueraded flows of every kind.
const STAGE_BUDGET: u32 = 450_000;

#[test]
fn arbitrary_packets_meet_the_same_fate_in_the_kernel_and_in_the_model() {
    let (_sandbox, places) = router();
    let mut both = Both::new(&places, 4096);
    let random = RandomState::new();
    let seeds = (0..FIXED_SEEDS).chain((0..RANDOM_SEEDS).map(|at| random.hash_one(at)));
    let packets: usize = seeds.map(|seed| both.run_sequence(seed)).sum();
    assert!(packets >= PACKETS, "{packets} packets were run");
    for rule in 1..=rules::LAST {
        assert!(both.begun(rule) > 0, "no packet was for rule {rule}");
    }
    assert_seen(&both, &SEEN);
}

#[test]
fn arbitrary_packets_meet_the_same_fate_when_ports_and_records_run_out() {
    let (_sandbox, places) = router();
    let mut both = Both::new(&places, 9);
    both.change_settings(|settings| {
        (settings.port_min, settings.port_max) = (50_000, 50_001);
        settings.source_check = 0;
    });
    for seed in 0..30 {
        both.run_sequence(0xf11_0000 + seed);
    }
    assert_seen(&both, &["FromNamespace ports-exhausted", "FromNamespace table-full"]);
    assert_seen(&both, &["FromUplink table-full", "FromNamespace out", "FromUplink in"]);
}

/// Agreement about packets that were never tried says nothing.
fn assert_seen(both: &Both, expected: &[&str]) {
    for outcome in expected {
        assert!(both.seen(outcome) > 0, "no packet with the outcome '{outcome}': {both:#?}");
    }
}

#[test]
fn the_kernel_accepts_every_classifier_within_its_budget() {
    let (_sandbox, places) = router();
    let stages = Stage::ALL.map(|stage| (stage.program(), STAGE_BUDGET));
    for (name, budget) in BUDGET.into_iter().chain(stages) {
        let load = kernel::load(&places, name);
        println!(
            "{name}: {} instructions verified of {budget}, {:?}",
            load.instructions, load.time
        );
        assert!(load.instructions <= budget, "{name}: {load:?}, more than {budget} instructions");
    }
}

/// Prints figures; what is too slow is for the benchmarks to say.
#[test]
fn an_established_flow_is_carried_both_ways() {
    const ROUNDS: u32 = 2_000;
    let (_sandbox, places) = router();
    let mut both = Both::new(&places, 4096);
    let request = ipv4(address::RED, address::FAR).dont_fragment().tcp(40_000, 443, flags::SYN);
    let request = request.frame(places.red_mac, places.bridge.mac, places.red_port);
    let (verdict, outside) = both.run(Hook::FromNamespace, &request, &|| "request".to_owned());
    let egress = Exit::Neighbour { link: places.uplink.index, next_hop: address::LAN };
    assert_eq!(verdict, Verdict::Redirect(egress));
    let answer = Datagram::answer_to(&outside).expect("an answer");
    let answer = answer.frame(places.lan_mac, places.uplink.mac, places.uplink.index);
    let (verdict, _) = both.run(Hook::FromUplink, &answer, &|| "answer".to_owned());
    assert_eq!(verdict, Verdict::Redirect(Exit::Peer { cable: places.red_port }));

    let statistics = enable_stats(Stats::RunTime).expect("statistics");
    // What may be fragmented pays for an identification of its own, nobody else.
    let fragile = ipv4(address::RED, address::FAR).tcp(40_000, 443, flags::ACK);
    let fragile = fragile.frame(places.red_mac, places.bridge.mac, places.red_port);
    let ways = [
        (Hook::FromNamespace, programs::FROM_NAMESPACE, &request),
        (Hook::FromNamespace, programs::FROM_NAMESPACE, &fragile),
        (Hook::FromUplink, programs::FROM_UPLINK, &answer),
    ];
    for (hook, name, packet) in ways {
        let (count_before, time_before) = both.kernel().run_time(name);
        for _ in 0..ROUNDS {
            assert_eq!(both.kernel().run(hook, packet).action, 7);
        }
        let (count, time) = both.kernel().run_time(name);
        let each = (time - time_before) / u32::try_from(count - count_before).unwrap_or(1);
        println!("{name}: {each:?} a packet");
        assert!(each > Duration::ZERO);
    }
    drop(statistics);
    assert_eq!(both.flow_count(), 1);
}
