//! `up` and `down` killed at any moment: the next one always ends clean.

use std::time::{Duration, Instant};

use netns_tests::{LabFile, Machine, Sandbox, is_killed_after, lab, lecture, netns, own};
use tempfile::NamedTempFile;

/// How often each test kills; all of them together 200 times.
const KILLS: u32 = 25;

/// How often it is measured how long a command takes: the shortest time is the one in which no
/// other process had the machine.
const MEASUREMENTS: usize = 3;

/// Numbers for moments (Marsaglia's xorshift): the same ones each time, so that a failure may
/// come back.
struct Moments(u64);

impl Moments {
    /// Up to `limit`.
    fn next(&mut self, limit: Duration) -> Duration {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        limit.mul_f64(f64::from(u32::try_from(self.0 >> 32).unwrap_or(0)) / f64::from(u32::MAX))
    }
}

/// The lecture's lab, much changed: something is added, changed and removed.
fn other_lecture() -> LabFile {
    lecture()
        .replace("192.168.15.1/24", "192.168.15.77/24")
        .replace("name = \"blue\"", "name = \"azure\"\ndns = [\"9.9.9.9\"]")
        .bridge("v-net-1", "10.1.0.1/24")
        .namespace("green", "v-net-1", "10.1.0.2/24")
        .masquerade("10.1.0.0/24", "ens3")
        .forward("udp", 53, "10.1.0.2:53")
}

/// A lab whose router is the machine itself.
fn own_lab() -> LabFile {
    lab("own")
        .own_uplink("wan")
        .bridge("br-own", "10.9.0.1/24")
        .namespace("red", "br-own", "10.9.0.2/24")
        .masquerade("10.9.0.0/24", "wan")
}

fn other_own_lab() -> LabFile {
    own_lab().namespace("blue", "br-own", "10.9.0.3/24").forward("tcp", 80, "10.9.0.3:80")
}

/// What is killed.
#[derive(Clone, Copy, Debug)]
enum Victim {
    /// `up` of a lab that is not up.
    FirstUp,
    /// `up` that changes a lab.
    Change,
    Down,
}

struct Labs {
    one: NamedTempFile,
    other: NamedTempFile,
}

impl Labs {
    fn write(one: &LabFile, other: &LabFile) -> Self {
        Self { one: one.write(), other: other.write() }
    }

    fn command(&self, victim: Victim) -> Vec<&str> {
        match victim {
            Victim::FirstUp => vec!["up", path(&self.one)],
            Victim::Change => vec!["up", path(&self.other)],
            Victim::Down => vec!["down", path(&self.one)],
        }
    }

    /// What must be before the victim.
    fn prepare(&self, victim: Victim) {
        let file = match victim {
            Victim::FirstUp => return drop(netns(&["down", path(&self.one)]).success()),
            Victim::Change | Victim::Down => path(&self.one),
        };
        netns(&["up", file]).success();
    }
}

fn path(file: &NamedTempFile) -> &str {
    file.path().to_str().expect("a plain path")
}

/// How long the command takes when nobody kills it, and that it works.
fn duration(labs: &Labs, victim: Victim) -> Duration {
    let measure = || {
        labs.prepare(victim);
        let begin = Instant::now();
        netns(&labs.command(victim)).success();
        begin.elapsed()
    };
    (0..MEASUREMENTS).map(|_| measure()).min().unwrap_or_default()
}

fn whole(file: &NamedTempFile, what: &str) {
    let status = netns(&["status"]);
    assert!(status.status.success(), "{what}\n{status}");
    let plan = netns(&["plan", path(file)]).success();
    assert!(plan.stdout.contains("nothing to do"), "{what}\n{plan}");
}

fn kill_and_look(labs: &Labs, victim: Victim, seed: u64) {
    netns(&["down", path(&labs.one)]).success();
    let before = Machine::now();
    let all = duration(labs, victim).mul_f64(1.1);
    let mut moments = Moments(seed);
    let mut killed = 0;
    for kill in 0..KILLS {
        labs.prepare(victim);
        let moment = moments.next(all);
        let what = format!("{victim:?} killed after {moment:?} (kill {kill} of seed {seed:#x})");
        killed += u32::from(is_killed_after(&labs.command(victim), moment));
        // In turn: the same again, the way back, and the end.
        match kill % 3 {
            0 => {
                netns(&["up", path(&labs.one)]).success();
                whole(&labs.one, &what);
            }
            1 => {
                netns(&["up", path(&labs.other)]).success();
                whole(&labs.other, &what);
            }
            _ => {}
        }
        netns(&["down", path(&labs.one)]).success();
        println!("{what}: clean");
        before.is_unchanged();
    }
    println!("{killed} of {KILLS} were killed before their end");
    assert!(killed >= KILLS / 3, "only {killed} of {KILLS} were killed before their end");
}

fn in_a_namespace(victim: Victim, seed: u64) {
    let sandbox = Sandbox::new();
    sandbox.private_etc();
    kill_and_look(&Labs::write(&lecture(), &other_lecture()), victim, seed);
}

fn on_the_machine(victim: Victim, seed: u64) {
    let sandbox = Sandbox::new();
    sandbox.with_uplink("wan");
    own().command("sysctl", &["-qw", "net.ipv4.ip_forward=0"]).success();
    kill_and_look(&Labs::write(&own_lab(), &other_own_lab()), victim, seed);
}

#[test]
fn a_killed_first_up_is_no_hindrance() {
    in_a_namespace(Victim::FirstUp, 0x2545_f491_4f6c_dd1d);
}

#[test]
fn another_killed_first_up_is_no_hindrance() {
    in_a_namespace(Victim::FirstUp, 0x9e37_79b9_7f4a_7c15);
}

#[test]
fn a_killed_change_is_no_hindrance() {
    in_a_namespace(Victim::Change, 0xd1b5_4a32_d192_ed03);
}

#[test]
fn another_killed_change_is_no_hindrance() {
    in_a_namespace(Victim::Change, 0x8c69_7d3b_51f0_a2e7);
}

#[test]
fn a_killed_down_is_no_hindrance() {
    in_a_namespace(Victim::Down, 0x1234_5678_9abc_def1);
}

#[test]
fn a_killed_first_up_on_the_machine_is_no_hindrance() {
    on_the_machine(Victim::FirstUp, 0x0f1e_2d3c_4b5a_6978);
}

#[test]
fn a_killed_change_on_the_machine_is_no_hindrance() {
    on_the_machine(Victim::Change, 0xa5a5_5a5a_1234_4321);
}

#[test]
fn a_killed_down_on_the_machine_is_no_hindrance() {
    on_the_machine(Victim::Down, 0x7777_1111_3333_9999);
}
