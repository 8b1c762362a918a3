//! Runs the loaded programs and the model side by side and compares the outcome of each packet.

use std::{
    collections::{HashMap, HashSet},
    fmt::{self, Debug},
    hash::Hash,
    mem,
    net::{TcpListener, UdpSocket},
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
};

use netns_common::{
    abi::{
        Bucket, DropReason, Filtering, Flow, Fragment, Mapping, Masquerade, Port, Protocol, RuleId,
        Settings, Tick, ticks,
    },
    datapath::{Exit, Verdict},
    model::{
        Generator, Hook, HostSocket, Places, Router, Step, VecPacket, address, lecture_rules,
        lecture_tables, rules,
    },
};
use netns_tests::programs::Kernel;

/// The number of steps in a sequence; the flow table is flushed after each sequence.
const SEQUENCE: usize = 250;

/// The seconds of a pause of length 1.
const PAUSE: u32 = 45;

/// The largest difference between the clocks of kernel and model, in ticks.
const CLOCK_SKEW: Tick = 4;

/// How often a sequence is run at most if a pause of the process may explain its failure.
const ATTEMPTS: usize = 5;

/// A port that sockets of the host own.
const OWNED_PORT: u16 = 40_001;

/// When tables and counters are compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CompareTables {
    /// Once for many packets. This notices every difference and is fast.
    AfterSequence,
    /// After each packet, to find the one with the difference.
    AfterEachStep,
}

/// The kernel and the model of one lab.
pub(crate) struct Both {
    places: Places,
    capacity: u32,
    kernel: Kernel,
    model: Router,
    /// How often each outcome was seen: the hook, and the verdict in a word.
    outcomes: HashMap<(Hook, String), usize>,
    /// The rules that have begun a connection in earlier kernels and models.
    begun: HashSet<RuleId>,
    /// The last argument of [`Both::map_ports`].
    mapped: Option<Option<Filtering>>,
    /// Whether a packet took so long that the clocks may differ.
    disturbed: bool,
    sockets: Option<(TcpListener, UdpSocket)>,
}

impl Debug for Both {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Both").field("outcomes", &self.outcomes).finish_non_exhaustive()
    }
}

impl Both {
    /// Loads both. Must run in the router.
    pub(crate) fn new(places: &Places, capacity: u32) -> Self {
        let mut kernel = Kernel::install(places, capacity);
        let mut tables = lecture_tables(places, capacity as usize);
        // The seed of the kernel, so that both allocate the same ports.
        lecture_rules(&mut tables);
        tables.settings = Settings { reassembler: places.reassembler, ..kernel.settings() };
        kernel.set_settings(tables.settings);
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
            capacity,
            kernel,
            model: Router::new(tables),
            outcomes: HashMap::new(),
            begun: HashSet::new(),
            mapped: None,
            disturbed: false,
            sockets: Some(sockets),
        }
    }

    /// Replaces the kernel and the model with new ones that have the same settings.
    fn renew(&mut self) {
        // Frees the ports for the next sockets.
        self.sockets = None;
        let new = Self::new(&self.places, self.capacity);
        let old = mem::replace(self, new);
        let settings = old.model.tables.settings;
        self.begun = (0..=rules::LAST).filter(|rule| old.has_begun(*rule)).collect();
        self.outcomes = old.outcomes;
        self.change_settings(|now| *now = settings);
        if let Some(filtering) = old.mapped {
            self.map_ports(filtering);
        }
    }

    /// Runs a sequence of random packets, and returns how many there were.
    ///
    /// Verdicts and bytes are compared for each packet; counters and tables when `tables` says so.
    /// If the process was paused during a packet, a difference may come from the clocks: then the
    /// sequence is run again from the beginning.
    ///
    /// # Panics
    /// At the first difference; prints the seed and the packet.
    pub(crate) fn run_sequence(&mut self, seed: u64, tables: CompareTables) -> usize {
        for _ in 1..ATTEMPTS {
            self.disturbed = false;
            match catch_unwind(AssertUnwindSafe(|| self.try_sequence(seed, tables))) {
                Ok(packets) => return packets,
                Err(cause) if !self.disturbed => resume_unwind(cause),
                Err(_) => {
                    eprintln!("seed {seed:#x}: the machine paused, which may be why: once more");
                    self.renew();
                }
            }
        }
        self.try_sequence(seed, tables)
    }

    fn try_sequence(&mut self, seed: u64, tables: CompareTables) -> usize {
        // The seed also determines the allocation of ports.
        self.change_settings(|settings| settings.seed = [seed, !seed]);
        let mut generator = Generator::new(self.places, seed);
        let mut packets = 0;
        for number in 0..SEQUENCE {
            let what = || format!("seed {seed:#x}, step {number}");
            match generator.step() {
                Step::Packet(hook, packet) => {
                    // The clocks differ a little, and the kernel has a bucket for each CPU. So the
                    // buckets are either full or empty, and both sides agree.
                    self.fill_allowances(number % 8 != 0);
                    let (verdict, after) = self.run(hook, &packet, &what);
                    generator.observe(verdict, &after);
                    packets += 1;
                }
                Step::Pause(length) => self.pause(length),
            }
            if tables == CompareTables::AfterEachStep {
                self.compare_tables(&what());
            }
        }
        self.compare_tables(&format!("seed {seed:#x}"));
        self.kernel.flush();
        self.model.tables.flush();
        packets
    }

    /// Runs one packet through both, and compares the outcomes.
    pub(crate) fn run(
        &mut self,
        hook: Hook,
        packet: &VecPacket,
        what: &dyn Fn() -> String,
    ) -> (Verdict, VecPacket) {
        self.model.now = Kernel::now();
        let mut after = packet.clone();
        let verdict = self.model.run(hook, &mut after);
        let ran = self.kernel.run(hook, packet);
        // One tick less: the coarse clock is behind the clock of the programs.
        self.disturbed |= Kernel::now().wrapping_sub(self.model.now) >= CLOCK_SKEW;
        let action = match verdict {
            Verdict::Pass | Verdict::Redirect(Exit::Onward) => u32::MAX,
            Verdict::Drop(_) => 2,
            Verdict::Redirect(_) | Verdict::Answer(..) => 7,
        };
        let shown = || format!("{}, {hook:?}: {verdict:?} of {:02x?}", what(), packet.bytes());
        assert_eq!(ran.action, action, "the kernel's action; the model says {}", shown());
        if action != 2 {
            assert_eq!(ran.bytes, after.bytes(), "the kernel's bytes and the model's; {}", shown());
        }
        if verdict == Verdict::Pass {
            assert_eq!(packet.bytes(), after.bytes(), "passed untouched; {}", shown());
        }
        let outcome = (hook, kind(verdict));
        *self.outcomes.entry(outcome).or_default() += 1;
        (verdict, after)
    }

    /// The outcomes that were seen, for example "FromNamespace out".
    pub(crate) fn outcomes(&self) -> HashSet<String> {
        self.outcomes.keys().map(|(hook, kind)| format!("{hook:?} {kind}")).collect()
    }

    pub(crate) fn change_settings(&mut self, change: impl FnOnce(&mut Settings)) {
        change(&mut self.model.tables.settings);
        self.kernel.set_settings(self.model.tables.settings);
    }

    /// Switches endpoint-independent mappings of every masquerade on or off.
    pub(crate) fn map_ports(&mut self, filtering: Option<Filtering>) {
        let edit = |rule: &mut Masquerade| {
            rule.endpoint_independent = u8::from(filtering.is_some());
            rule.filtering = filtering.unwrap_or_default() as u8;
        };
        self.mapped = Some(filtering);
        self.kernel.edit_masquerades(edit);
        for (.., rule) in &mut self.model.tables.masquerades {
            edit(rule);
        }
    }

    /// Fills or empties the rate limits of ICMP errors.
    pub(crate) fn fill_allowances(&mut self, full: bool) {
        let spent = if full { 0 } else { u32::MAX / 2 };
        let bucket = Bucket { spent, at: Kernel::now() };
        self.kernel.set_allowances(bucket);
        self.model.tables.allowances = Default::default();
        for allowance in &self.model.tables.allowances {
            allowance.set(bucket);
        }
    }

    /// Makes the flows older, and their byte counters nearly half full.
    fn pause(&mut self, length: u32) {
        let age = |flow: &mut Flow| {
            flow.last_seen = flow.last_seen.wrapping_sub(ticks(PAUSE * length));
            flow.bytes_out |= u32::MAX << 6;
            flow.bytes_in |= u32::MAX << 6;
        };
        self.kernel.edit_flows(age);
        self.model.tables.edit_flows(age);
        let age = |mapping: &mut Mapping| {
            mapping.last_seen = mapping.last_seen.wrapping_sub(ticks(PAUSE * length));
        };
        self.kernel.edit_mappings(age);
        self.model.tables.edit_mappings(age);
        let age = |fragment: &mut Fragment| {
            fragment.seen = fragment.seen.wrapping_sub(ticks(PAUSE * length));
        };
        self.kernel.edit_fragments(age);
        self.model.tables.edit_fragments(age);
    }

    /// Compares flows, packets and bytes of every counter.
    fn compare_counters(&self, what: &str) {
        let (kernel, model) = (&self.kernel, &self.model.tables);
        for reason in DropReason::ALL {
            let (kernel, model) = (kernel.drop_counter(reason), model.drop_counter(reason));
            assert_eq!(kernel, model, "drops for {}: kernel and model; {what}", reason.name());
        }
        for rule in 0..=rules::LAST {
            let (kernel, model) = (kernel.rule_counter(rule), model.rule_counter(rule));
            assert_eq!(kernel, model, "rule {rule}: kernel and model; {what}");
        }
    }

    fn compare_tables(&self, what: &str) {
        self.compare_counters(what);
        let (kernel, model) = (self.kernel.flows(), self.model.tables.flows());
        compare(&kernel, &model, same_flow, &format!("flows, {what}"));
        let (kernel, model) = (self.kernel.moved_flows(), self.model.tables.translated_flows());
        compare(&kernel, &model, |a, b| a == b, &format!("inside names, {what}"));
        let (kernel, model) = (self.kernel.mappings(), self.model.tables.mappings());
        compare(&kernel, &model, same_mapping, &format!("mappings, {what}"));
        let (kernel, model) = (self.kernel.fragments(), self.model.tables.fragments());
        compare(&kernel, &model, same_fragment, &format!("fragments, {what}"));
        let (kernel, model) = (self.kernel.usage(), self.model.tables.usage());
        compare(&kernel, &model, |a, b| a == b, &format!("usage, {what}"));
    }

    /// The number of flows.
    pub(crate) fn flow_count(&self) -> usize {
        self.model.tables.flows().len()
    }

    /// Whether a rule has begun a connection.
    pub(crate) fn has_begun(&self, rule: RuleId) -> bool {
        self.begun.contains(&rule) || self.model.tables.rule_counter(rule).flows > 0
    }

    pub(crate) fn kernel(&self) -> &Kernel {
        &self.kernel
    }
}

/// A verdict in a word; a redirect by its exit.
fn kind(verdict: Verdict) -> String {
    let word = match verdict {
        Verdict::Pass => "pass",
        Verdict::Drop(reason) => reason.name(),
        Verdict::Answer(reason, _) => return format!("answered {}", reason.name()),
        Verdict::Redirect(Exit::Neighbour { .. }) => "out",
        Verdict::Redirect(Exit::Peer { .. }) => "in",
        Verdict::Redirect(Exit::Ingress { .. }) => "again",
        Verdict::Redirect(Exit::Onward) => "onward",
    };
    word.to_owned()
}

/// Compares two flows; kernel and model read their clocks one after the other, so times may differ.
fn same_flow(a: &Flow, b: &Flow) -> bool {
    let near = |a: Tick, b: Tick| a.abs_diff(b) <= CLOCK_SKEW;
    let timeless = |flow: &Flow| {
        let mut flow = *flow;
        (flow.head.last_seen, flow.tail.created) = (0, 0);
        flow
    };
    near(a.last_seen, b.last_seen)
        && near(a.tail.created, b.tail.created)
        && timeless(a) == timeless(b)
}

fn same_mapping(a: &Mapping, b: &Mapping) -> bool {
    let timeless = |mapping: &Mapping| Mapping { last_seen: 0, ..*mapping };
    a.last_seen.abs_diff(b.last_seen) <= CLOCK_SKEW && timeless(a) == timeless(b)
}

fn same_fragment(a: &Fragment, b: &Fragment) -> bool {
    let timeless = |fragment: &Fragment| Fragment { seen: 0, ..*fragment };
    a.seen.abs_diff(b.seen) <= CLOCK_SKEW && timeless(a) == timeless(b)
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
