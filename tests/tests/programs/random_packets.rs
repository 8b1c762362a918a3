//! Random packets, each through the kernel and through the model.

use std::{
    collections::HashSet,
    hash::{BuildHasher as _, RandomState},
    num::NonZero,
    ops::Range,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    thread,
};

use netns_common::{
    abi::{Filtering, Limits, RuleId},
    model::{Random, rules},
};
use netns_tests::{number, programs::router};

use crate::kernel_and_model::{Both, CompareTables};

/// The least number of packets, unless NETNS_PACKETS is set.
const PACKETS: usize = 200_000;

/// The number of sequences with fixed seeds; they reach every outcome in the lists below.
const FIXED_SEEDS: u64 = 200;

/// The records in the flow table of a large lab, and of a small one.
const ROOMY: u32 = 4096;
const NARROW: u32 = 9;

/// Outcomes that random packets must reach.
const SEEN: [&str; 43] = [
    "FromNamespace answered ttl-exceeded",
    "FromNamespace bad-icmp-checksum",
    "FromUplink answered too-large",
    "FromUplink answered ttl-exceeded",
    "FromUplink bad-icmp-checksum",
    "FromUplink forged-too-big",
    "FromUplink icmp-rate-limit",
    "FromReassembler again",
    "FromReassembler fragment",
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
    "FromNamespace ipv6",
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
    "ToUplink onward",
    "ToUplink leak",
    "ToUplink no-masquerade",
    "ToUplink pass",
];

/// The same with `via_stack`.
const SEEN_VIA_STACK: [&str; 13] = [
    "FromNamespace in",
    "FromNamespace pass",
    "FromNamespace spoofed-source",
    "FromUplink inside-destination",
    "FromUplink onward",
    "FromUplink pass",
    "ToUplink fragment",
    "ToUplink leak",
    "ToUplink no-flow",
    "ToUplink onward",
    "ToUplink pass",
    "ToUplink unrelated-icmp",
    "ToUplink protocol-taken",
];

#[test]
fn kernel_and_model_agree_on_random_packets() {
    let packets = number("NETNS_PACKETS").map_or(PACKETS, |packets| packets as usize);
    let seeds = number("NETNS_SEED").map_or_else(|| Seeds::new(packets), Seeds::only);
    let workers = thread::available_parallelism().map_or(1, NonZero::get);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..workers).map(|_| scope.spawn(|| work(&seeds))).collect();
        for worker in workers {
            if let Err(cause) = worker.join() {
                resume_unwind(cause);
            }
        }
    });
    let ran = seeds.packets.into_inner();
    println!("{ran} packets, the kernel and the model agree; {:#x}", seeds.base);
    if seeds.only.is_none() {
        assert!(ran >= packets, "{ran} packets were run");
        let seen = seeds.seen.into_inner().unwrap_or_else(PoisonError::into_inner);
        assert_seen(&seen, &SEEN);
        for rule in 1..=rules::LAST {
            assert!(seen.contains(&begun(rule)), "no packet was for rule {rule}");
        }
    }
}

#[test]
fn kernel_and_model_agree_when_ports_and_records_run_out() {
    let (_sandbox, places) = router();
    let run = |records, seeds: Range<u64>| {
        let mut both = Both::new(&places, records);
        both.change_settings(|settings| {
            (settings.port_min, settings.port_max) = (50_000, 50_001);
            settings.source_check = 0;
        });
        for seed in seeds {
            both.run_sequence(0xf11_0000 + seed, CompareTables::AfterSequence);
        }
        both.outcomes()
    };
    let without_records = ["FromNamespace answered table-full", "FromUplink table-full"];
    assert_seen(&run(NARROW, 0..200), &without_records);
    let without_ports =
        ["FromNamespace answered ports-exhausted", "FromNamespace out", "FromUplink in"];
    assert_seen(&run(ROOMY, 200..400), &without_ports);
}

#[test]
fn kernel_and_model_agree_when_links_reach_their_quota() {
    let (_sandbox, places) = router();
    let mut both = Both::new(&places, ROOMY);
    let tight = [
        Limits {
            quota: 4,
            unreplied: 100,
            unreplied_share: 100,
            half_open: 100,
            other_nats: 100,
            sample: 0,
        },
        Limits {
            quota: 100,
            unreplied: 3,
            unreplied_share: 100,
            half_open: 3,
            other_nats: 100,
            sample: 0,
        },
        Limits {
            quota: 100,
            unreplied: 8,
            unreplied_share: 4,
            half_open: 4,
            other_nats: 2,
            sample: 0,
        },
    ];
    for seed in 0..200 {
        both.change_settings(|settings| {
            settings.limits = tight[seed as usize % tight.len()];
            settings.via_stack = u8::from(seed % 5 == 0);
        });
        both.run_sequence(0x9_07a0_0000 + seed, CompareTables::AfterSequence);
    }
    let seen = both.outcomes();
    for reason in ["quota", "unreplied-quota", "unreplied-share"] {
        for outcome in ["FromNamespace answered", "FromUplink", "ToUplink"] {
            // Calls from outside have a separate share.
            if (outcome, reason) != ("FromUplink", "unreplied-share") {
                assert_seen(&seen, &[&format!("{outcome} {reason}")]);
            }
        }
    }
}

#[test]
fn kernel_and_model_agree_with_via_stack() {
    let (_sandbox, places) = router();
    let mut both = Both::new(&places, ROOMY);
    for seed in 0..FIXED_SEEDS {
        both.change_settings(|settings| {
            settings.via_stack = 1;
            settings.source_check = u8::from(seed % 4 != 0);
        });
        both.run_sequence(0x57ac_0000 + seed, CompareTables::AfterSequence);
    }
    assert_seen(&both.outcomes(), &SEEN_VIA_STACK);
}

#[test]
fn kernel_and_model_agree_with_endpoint_independent_mappings() {
    let (_sandbox, places) = router();
    for (capacity, ports) in [(ROOMY, 1024..=u16::MAX), (NARROW, 50_000..=50_001)] {
        let mut both = Both::new(&places, capacity);
        for seed in 0..FIXED_SEEDS {
            both.change_settings(|settings| {
                settings.mappings = 1;
                (settings.port_min, settings.port_max) = (*ports.start(), *ports.end());
                settings.via_stack = u8::from(seed % 8 >= 4);
            });
            both.map_ports(match seed % 4 {
                0 => Some(Filtering::AddressAndPort),
                1 => Some(Filtering::Address),
                2 => Some(Filtering::Endpoint),
                _ => None,
            });
            both.run_sequence(0xe1_0000 + seed, CompareTables::AfterSequence);
        }
        let seen = both.outcomes();
        if capacity == ROOMY {
            assert_seen(&seen, &["FromUplink filtered", "FromNamespace filtered"]);
            assert_seen(&seen, &["FromUplink in", "FromUplink onward", "ToUplink onward"]);
        } else {
            assert_seen(&seen, &["FromNamespace answered ports-exhausted"]);
            assert_seen(&seen, &["FromNamespace answered table-full", "ToUplink table-full"]);
        }
    }
}

/// The state that the workers share.
struct Seeds {
    next: AtomicU64,
    /// The first seed of this run.
    base: u64,
    /// The seed of the only sequence to run, if one was given.
    only: Option<u64>,
    wanted: usize,
    packets: AtomicUsize,
    /// Whether a worker has found a difference.
    failed: AtomicBool,
    seen: Mutex<HashSet<String>>,
}

impl Seeds {
    fn new(wanted: usize) -> Self {
        Self {
            next: AtomicU64::new(0),
            base: RandomState::new().hash_one(()),
            only: None,
            wanted,
            packets: AtomicUsize::new(0),
            failed: AtomicBool::new(false),
            seen: Mutex::new(HashSet::new()),
        }
    }

    fn only(seed: u64) -> Self {
        Self { only: Some(seed), ..Self::new(1) }
    }

    /// The next seed; `None` after enough packets.
    fn next(&self) -> Option<u64> {
        let enough = self.packets.load(Ordering::Relaxed) >= self.wanted;
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        if self.only.is_some() {
            return self.only.filter(|_| number == 0);
        }
        let is_fixed = number < FIXED_SEEDS;
        if self.failed.load(Ordering::Relaxed) || (enough && !is_fixed) {
            return None;
        }
        let random = || Random::new(self.base.wrapping_add(number)).next_u64();
        Some(if is_fixed { number } else { random() })
    }
}

/// Runs sequences in a lab of its own.
fn work(seeds: &Seeds) {
    let (_sandbox, places) = router();
    let mut both = Both::new(&places, ROOMY);
    while let Some(seed) = seeds.next() {
        let run = AssertUnwindSafe(|| both.run_sequence(seed, CompareTables::AfterSequence));
        match catch_unwind(run) {
            Ok(packets) => seeds.packets.fetch_add(packets, Ordering::Relaxed),
            Err(cause) => {
                seeds.failed.store(true, Ordering::Relaxed);
                eprintln!("once more, comparing tables after each packet:");
                // Frees the ports of its sockets for the next one.
                drop(both);
                let again = AssertUnwindSafe(|| {
                    Both::new(&places, ROOMY).run_sequence(seed, CompareTables::AfterEachStep)
                });
                let again = catch_unwind(again).err();
                eprintln!(
                    "to repeat: NETNS_SEED={seed:#x} cargo xtask test -- agree_on_random_packets"
                );
                resume_unwind(again.unwrap_or(cause))
            }
        };
    }
    let rules = (1..=rules::LAST).filter(|rule| both.has_begun(*rule)).map(begun);
    let mut seen = seeds.seen.lock().unwrap_or_else(PoisonError::into_inner);
    seen.extend(both.outcomes().into_iter().chain(rules));
}

/// The outcome that stands for a connection begun by a rule.
fn begun(rule: RuleId) -> String {
    format!("rule {rule}")
}

/// Checks that the outcomes were reached: agreement proves nothing for packets that were never
/// sent.
fn assert_seen(seen: &HashSet<String>, expected: &[&str]) {
    for outcome in expected {
        assert!(seen.contains(*outcome), "no packet with the outcome '{outcome}': {seen:#?}");
    }
}
