//! Hostile senders on both sides of a router send at the full rate of raw sockets, while `netns`
//! changes the lab, takes it down and builds it. `NETNS_PACKETS=1000000` sends a million frames.

mod frames;
mod send;
mod watch;

use std::{
    collections::BTreeMap,
    hash::{BuildHasher as _, RandomState},
    panic::resume_unwind,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering},
    },
    thread::{self, ScopedJoinHandle},
};

use netns_common::model::Random;
use netns_tests::{DEADLINE, LabFile, Sandbox, eventually, inside, lab_file, netns, number};

use send::SENDERS;
use watch::{SAMPLE, Watched, watch};

/// The number of frames, unless NETNS_PACKETS gives another one.
const FRAMES: u64 = 100_000;

/// The namespace `far` is behind red, and no masquerade covers its addresses.
const LAB: &str = r#"name = "hostile"

[router]
namespace = "gw"
routes = [{ to = "10.9.0.0/24", via = "10.1.0.2" }]

[nat]
flow_table = 131072

[[uplink]]
name = "wan"
address = "192.0.2.10/24"
gateway = "192.0.2.1"
outside = { namespace = "net", interface = "eth0", address = "192.0.2.1/24", answers = ["8.8.8.8"] }

[[bridge]]
name = "br0"
address = "10.1.0.1/24"

[[namespace]]
name = "red"
bridge = "br0"
address = "10.1.0.2/24"
forwarding = true
source_check = false

[[namespace]]
name = "blue"
bridge = "br0"
address = "10.1.0.3/24"

[[namespace]]
name = "far"
routes = [{ to = "default", via = "10.9.0.1" }]

[[cable]]
a = { namespace = "red", interface = "eth1", address = "10.9.0.1/24" }
b = { namespace = "far", interface = "eth0", address = "10.9.0.2/24" }

[[masquerade]]
source = "10.1.0.0/24"
uplink = "wan"
"#;

/// A change of the lab during the sending.
#[derive(Clone, Copy, Debug)]
enum Change {
    UpAgain,
    SmallerFlowTable,
    LargerFlowTable,
    NewUplink,
    ViaStack,
    NewUplinkViaStack,
    NotViaStack,
    DownAndUpViaStack,
    DownAndUp,
}

const CHANGES: [Change; 9] = [
    Change::UpAgain,
    Change::SmallerFlowTable,
    Change::LargerFlowTable,
    Change::NewUplink,
    Change::ViaStack,
    Change::NewUplinkViaStack,
    Change::NotViaStack,
    Change::DownAndUpViaStack,
    Change::DownAndUp,
];

impl Change {
    fn apply(self, lab: &LabFile) {
        let file = match self {
            Self::SmallerFlowTable => lab.clone().replace("131072", "65536").write(),
            _ => lab.write(),
        };
        let path = file.path().to_str().expect("a plain path");
        match self {
            Self::NewUplink | Self::NewUplinkViaStack => {
                inside("gw").command("ip", &["link", "delete", "wan"]).success();
            }
            Self::DownAndUp | Self::DownAndUpViaStack => drop(netns(&["down", path]).success()),
            _ => {}
        }
        let up = match self {
            Self::ViaStack | Self::NewUplinkViaStack | Self::DownAndUpViaStack => {
                netns(&["up", "--via-stack", path])
            }
            _ => netns(&["up", path]),
        };
        up.success();
    }
}

/// The state that the threads of a run share.
#[derive(Debug)]
struct Run {
    sending: AtomicBool,
    watching: AtomicBool,
    /// The number of watchers that receive frames by now.
    ready: AtomicUsize,
    /// The number of translated UDP datagrams that arrived outside, divided by [`SAMPLE`].
    translated: AtomicU64,
    /// The change that was made last.
    change: Mutex<Option<Change>>,
    /// The number of forbidden frames of each kind, and the bytes of the first one.
    forbidden: Mutex<BTreeMap<String, (u64, String)>>,
}

impl Run {
    /// Records a frame that a watcher has received.
    fn judge(&self, namespace: &str, fault: Option<&str>, frame: &[u8]) {
        let Some(fault) = fault else {
            self.translated.fetch_add(1, Ordering::Relaxed);
            return;
        };
        let change = *lock(&self.change);
        let mut forbidden = lock(&self.forbidden);
        let kind = format!("{namespace}: {fault}, last change: {change:?}");
        let bytes = || frame.iter().map(|byte| format!("{byte:02x}")).collect();
        forbidden.entry(kind).or_insert_with(|| (0, bytes())).0 += 1;
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ends all threads, also when an assertion fails.
struct Ending<'a>(&'a Run);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.sending.store(false, Ordering::Relaxed);
        self.0.watching.store(false, Ordering::Relaxed);
    }
}

fn join(threads: Vec<ScopedJoinHandle<'_, ()>>) {
    for thread in threads {
        thread.join().unwrap_or_else(|cause| resume_unwind(cause));
    }
}

#[test]
fn no_frame_leaves_with_an_inside_source_whatever_is_sent() {
    let _sandbox = Sandbox::new();
    let wanted = number("NETNS_PACKETS").unwrap_or(FRAMES);
    let seed = number("NETNS_SEED").unwrap_or_else(|| RandomState::new().hash_one(()));
    let lab = lab_file(LAB);
    let run = Run {
        sending: AtomicBool::new(true),
        watching: AtomicBool::new(true),
        ready: AtomicUsize::new(0),
        translated: AtomicU64::new(0),
        change: Mutex::new(None),
        forbidden: Mutex::new(BTreeMap::new()),
    };
    let sent = [const { AtomicU64::new(0) }; SENDERS.len()];
    let all_sent = || sent.iter().map(|count| count.load(Ordering::Relaxed)).sum::<u64>();
    let mut changes = 0;
    lab.up().success();
    thread::scope(|scope| {
        let run = &run;
        let ending = Ending(run);
        let watchers = [
            ("net", Watched::Outside),
            ("red", Watched::Inside),
            ("blue", Watched::Inside),
            ("far", Watched::Inside),
        ]
        .map(|(namespace, watched)| scope.spawn(move || watch(namespace, watched, run)));
        eventually("all watchers are ready", DEADLINE, || {
            run.ready.load(Ordering::Relaxed) == watchers.len()
        });
        let mut seeds = Random::new(seed);
        let senders = SENDERS.iter().zip(&sent).map(|(sender, sent)| {
            let seed = seeds.next_u64();
            scope.spawn(move || sender.send(seed, sent, run))
        });
        let senders: Vec<_> = senders.collect();
        let has_failed = || {
            let mut threads = senders.iter().chain(&watchers);
            threads.any(ScopedJoinHandle::is_finished)
        };
        // All kinds of changes are made, also after a forbidden frame.
        let is_enough = || all_sent() >= wanted || !lock(&run.forbidden).is_empty();
        for change in CHANGES.into_iter().cycle() {
            if has_failed() || (is_enough() && changes >= CHANGES.len()) {
                break;
            }
            *lock(&run.change) = Some(change);
            change.apply(&lab);
            changes += 1;
            let before = run.translated.load(Ordering::Relaxed);
            eventually(&format!("translated datagrams after {change:?}"), DEADLINE, || {
                run.translated.load(Ordering::Relaxed) > before || has_failed()
            });
        }
        run.sending.store(false, Ordering::Relaxed);
        join(senders);
        drop(ending);
        join(watchers.into());
    });
    let forbidden = lock(&run.forbidden);
    assert!(forbidden.is_empty(), "seed {seed:#x}, {changes} changes: {forbidden:#?}");
    for (sender, sent) in SENDERS.iter().zip(&sent) {
        let (name, sent) = (sender.namespace, sent.load(Ordering::Relaxed));
        assert!(sent > wanted / 20, "{name} sent no more than {sent} frames");
        println!("{name} sent {sent} frames");
    }
    let translated = run.translated.into_inner() * u64::from(SAMPLE);
    assert!(translated > wanted / 500, "about {translated} translated datagrams");
    println!(
        "{} frames, {changes} changes, 0 inside sources outside, 0 outside packets inside; \
         about {translated} translated datagrams; seed {seed:#x}",
        all_sent()
    );
}
