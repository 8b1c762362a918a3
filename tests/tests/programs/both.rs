//! The loaded programs and the model side by side: the same packets, the same outcome.

use std::{
    collections::HashMap,
    fmt::{self, Debug},
    hash::Hash,
    net::{TcpListener, UdpSocket},
};

use netns_common::{
    abi::{DropReason, Flow, Port, Protocol, RuleId, Settings, Tick, ticks},
    datapath::{Exit, Verdict},
    model::{
        Generator, Hook, HostSocket, Places, Router, Step, VecPacket, address, lecture_rules,
        lecture_tables, rules,
    },
};

use crate::kernel::Kernel;

/// Steps that share one flow table; it is emptied after them.
const SEQUENCE: usize = 250;

/// Seconds of a pause of length 1.
const PAUSE: u32 = 45;

/// How far the clocks of the two may be apart, in ticks.
const CLOCK_SKEW: Tick = 4;

/// A port that sockets of the host own.
const OWNED_PORT: u16 = 40_001;

/// The kernel and the model of one lab.
pub(crate) struct Both {
    places: Places,
    kernel: Kernel,
    model: Router,
    /// How often each outcome was seen.
    outcomes: HashMap<String, usize>,
    _sockets: (TcpListener, UdpSocket),
}

impl Debug for Both {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Both").field("outcomes", &self.outcomes).finish_non_exhaustive()
    }
}

impl Both {
    /// Must run in the router.
    pub(crate) fn new(places: &Places, capacity: u32) -> Self {
        let kernel = Kernel::install(places, capacity);
        let mut tables = lecture_tables(places, capacity as usize);
        // The seed is the kernel's: so port choices agree.
        lecture_rules(&mut tables);
        tables.settings = kernel.settings();
        let sockets = (
            TcpListener::bind(("0.0.0.0", OWNED_PORT)).expect("a listener"),
            UdpSocket::bind(("192.168.1.10", OWNED_PORT)).expect("a socket"),
        );
        let port = Port::new(OWNED_PORT);
        tables.host_sockets = [
            HostSocket {
                protocol: Protocol::Tcp.number(),
                address: Default::default(),
                port,
                remote: None,
            },
            HostSocket {
                protocol: Protocol::Udp.number(),
                address: address::HOST,
                port,
                remote: None,
            },
        ]
        .into();
        Self {
            places: *places,
            kernel,
            model: Router::new(tables),
            outcomes: HashMap::new(),
            _sockets: sockets,
        }
    }

    /// Runs a sequence of arbitrary packets, and returns how many there were.
    ///
    /// # Panics
    /// At the first difference: says the seed and the packet.
    pub(crate) fn run_sequence(&mut self, seed: u64) -> usize {
        let mut generator = Generator::new(self.places, seed);
        let mut packets = 0;
        for number in 0..SEQUENCE {
            match generator.step() {
                Step::Packet(hook, packet) => {
                    let what = || format!("seed {seed:#x}, step {number}, {hook:?}");
                    let (verdict, after) = self.run(hook, &packet, &what);
                    generator.observe(verdict, &after);
                    packets += 1;
                }
                Step::Pause(length) => self.pause(length),
            }
        }
        self.compare_tables(&format!("seed {seed:#x}"));
        self.kernel.flush();
        self.model.tables.flush();
        packets
    }

    /// Runs one packet through both.
    pub(crate) fn run(
        &mut self,
        hook: Hook,
        packet: &VecPacket,
        what: &dyn Fn() -> String,
    ) -> (Verdict, VecPacket) {
        let before = self.counters();
        self.model.now = Kernel::now();
        let mut after = packet.clone();
        let verdict = self.model.run(hook, &mut after);
        let ran = self.kernel.run(hook, packet);
        let action = match verdict {
            Verdict::Pass => u32::MAX,
            Verdict::Drop(_) => 2,
            Verdict::Redirect(_) => 7,
        };
        let shown = || format!("{}: {verdict:?} of {:02x?}", what(), packet.bytes());
        assert_eq!(ran.action, action, "the kernel's action; the model says {}", shown());
        if action != 2 {
            assert_eq!(ran.bytes, after.bytes(), "the kernel's bytes and the model's; {}", shown());
        }
        if verdict == Verdict::Pass {
            assert_eq!(packet.bytes(), after.bytes(), "passed untouched; {}", shown());
        }
        let counters = self.counters();
        for ((name, kernel, model), (_, kernel_before, model_before)) in
            counters.iter().zip(&before)
        {
            let kernel = difference(*kernel, *kernel_before);
            let model = difference(*model, *model_before);
            assert_eq!(
                kernel,
                model,
                "what the kernel and the model count for {name}; {}",
                shown()
            );
        }
        *self.outcomes.entry(outcome(hook, verdict)).or_default() += 1;
        (verdict, after)
    }

    /// How often an outcome was seen.
    pub(crate) fn seen(&self, outcome: &str) -> usize {
        self.outcomes.get(outcome).copied().unwrap_or_default()
    }

    pub(crate) fn change_settings(&mut self, change: impl FnOnce(&mut Settings)) {
        change(&mut self.model.tables.settings);
        self.kernel.set_settings(self.model.tables.settings);
    }

    /// Lets the flows grow older.
    fn pause(&mut self, length: u32) {
        let age = |flow: &mut Flow| {
            flow.last_seen = flow.last_seen.wrapping_sub(ticks(PAUSE * length));
        };
        self.kernel.edit_flows(age);
        self.model.tables.edit_flows(age);
    }

    /// Flows, packets and bytes of every counter, the kernel's and the model's.
    fn counters(&self) -> Vec<(String, [u64; 3], [u64; 3])> {
        let words =
            |counter: netns_common::abi::Counter| [counter.flows, counter.packets, counter.bytes];
        let (kernel, model) = (&self.kernel, &self.model.tables);
        let drops = DropReason::ALL.iter().map(|reason| {
            let name = reason.name().to_owned();
            (name, words(kernel.drop_counter(*reason)), words(model.drop_counter(*reason)))
        });
        let rules = (0..=rules::LAST).map(|rule| {
            let name = format!("rule {rule}");
            (name, words(kernel.rule_counter(rule)), words(model.rule_counter(rule)))
        });
        drops.chain(rules).collect()
    }

    fn compare_tables(&self, what: &str) {
        let (kernel, model) = (self.kernel.flows(), self.model.tables.flows());
        compare(&kernel, &model, same_flow, &format!("flows, {what}"));
        let (kernel, model) = (self.kernel.moved_ports(), self.model.tables.moved_ports());
        compare(&kernel, &model, |a, b| a == b, &format!("moved ports, {what}"));
    }

    /// How many flows there are.
    pub(crate) fn flow_count(&self) -> usize {
        self.model.tables.flows().len()
    }

    /// How many connections a rule has begun.
    pub(crate) fn begun(&self, rule: RuleId) -> u64 {
        self.model.tables.rule_counter(rule).flows
    }

    pub(crate) fn kernel(&self) -> &Kernel {
        &self.kernel
    }
}

/// The hook and the verdict in a word each; a redirect by its way.
fn outcome(hook: Hook, verdict: Verdict) -> String {
    let verdict = match verdict {
        Verdict::Pass => "pass",
        Verdict::Drop(reason) => reason.name(),
        Verdict::Redirect(Exit::Neighbour { .. }) => "out",
        Verdict::Redirect(Exit::Peer { .. }) => "in",
    };
    format!("{hook:?} {verdict}")
}

fn difference(after: [u64; 3], before: [u64; 3]) -> [u64; 3] {
    [0, 1, 2].map(|at| after[at] - before[at])
}

/// The two read their clocks one after the other.
fn same_flow(a: &Flow, b: &Flow) -> bool {
    let near = |a: Tick, b: Tick| a.abs_diff(b) <= CLOCK_SKEW;
    let timeless = |flow: &Flow| Flow { last_seen: 0, created: 0, ..*flow };
    near(a.last_seen, b.last_seen) && near(a.created, b.created) && timeless(a) == timeless(b)
}

fn compare<K: Copy + Debug + Eq + Hash, V: Debug>(
    kernel: &HashMap<K, V>,
    model: &HashMap<K, V>,
    same: impl Fn(&V, &V) -> bool,
    what: &str,
) {
    for (key, value) in model {
        let other = kernel.get(key);
        assert!(
            other.is_some_and(|other| same(other, value)),
            "{what}: {key:?} is {other:#?} in the kernel and {value:#?} in the model"
        );
    }
    for (key, value) in kernel {
        assert!(model.contains_key(key), "{what}: {key:?} is {value:#?} in the kernel alone");
    }
}
