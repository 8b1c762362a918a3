//! Kills commands at random system calls that change something: the next command always completes
//! and leaves a clean state. `NETNS_KILLS=100` kills each command a hundred times.

use std::{
    fmt::Debug,
    hash::{BuildHasher as _, RandomState},
    net::{TcpListener, TcpStream},
    time::Duration,
};

use netns_tests::{
    Killed, LabFile, Machine, Sandbox, accept, flows, inside, kill_at, lab_on_machine, lecture,
    netns, number, own, receive, receives_nothing,
};
use tempfile::NamedTempFile;

/// How often each test kills its command, unless NETNS_KILLS is set.
const KILLS: u64 = 5;

/// The timeout of a connection to a server that accepts at once.
const SOON: Duration = Duration::from_secs(3);

/// Marsaglia's xorshift: the same numbers for the same seed.
struct Random(u64);

impl Random {
    /// From 1 to `limit`.
    fn next(&mut self, limit: u32) -> u32 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        u32::try_from(self.0 >> 32).unwrap_or(0) % limit.max(1) + 1
    }
}

/// The lecture's lab with objects added, changed and removed.
fn other_lecture() -> LabFile {
    lecture()
        .replace("192.168.15.1/24", "192.168.15.77/24")
        .replace("name = \"blue\"", "name = \"azure\"\ndns = [\"9.9.9.9\"]")
        .bridge("v-net-1", "10.1.0.1/24")
        .namespace("green", "v-net-1", "10.1.0.2/24")
        .masquerade("10.1.0.0/24", "ens3")
        .forward("udp", 53, "10.1.0.2:53")
}

/// The lecture's lab with a flow table of another size.
fn larger_lecture() -> LabFile {
    lecture().text("[nat]\nflow_table = 8192")
}

fn other_own_lab() -> LabFile {
    lab_on_machine("wan").namespace("blue", "br-own", "10.9.0.3/24").forward(
        "tcp",
        80,
        "10.9.0.3:80",
    )
}

/// The command that is killed.
#[derive(Clone, Copy, Debug)]
enum Victim {
    /// `up` of a lab that is not up.
    FirstUp,
    /// `up` that changes a lab.
    Change,
    Down,
}

/// The two labs that the commands change between.
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

    /// Prepares the state from which the victim starts.
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

#[track_caller]
fn whole(file: &NamedTempFile, what: &str) {
    let status = netns(&["status"]);
    assert!(status.status.success(), "{what}\n{status}");
    let plan = netns(&["plan", path(file)]).success();
    assert!(plan.stdout.contains("nothing to do"), "{what}\n{plan}");
}

/// Kills a command several times, each time at a random moment. `prepare` makes the state before
/// the command; `look` checks the state after the kill and gets the number of the kill.
fn kill_often(command: &[&str], victim: &impl Debug, prepare: impl Fn(), look: impl Fn(u64, &str)) {
    let seed = number("NETNS_SEED").unwrap_or_else(|| RandomState::new().hash_one(()));
    let kills = number("NETNS_KILLS").unwrap_or(KILLS);
    prepare();
    let Killed::Never(mut moments) = kill_at(command, None) else {
        panic!("{command:?} was killed")
    };
    // The generator returns only 0 for a seed of 0.
    let mut random = Random(seed | 1);
    let mut killed = 0;
    for kill in 0..kills {
        prepare();
        let at = random.next(moments);
        let what = format!(
            "{victim:?} killed at moment {at} of {moments} (kill {kill} of NETNS_SEED={seed:#x} \
             NETNS_KILLS={kills})"
        );
        println!("{what}");
        match kill_at(command, Some(at)) {
            Killed::At(_) => killed += 1,
            // The number of system calls varies, because the command polls the kernel.
            Killed::Never(fewer) => moments = fewer,
        }
        look(kill, &what);
    }
    println!("{killed} of {kills} were killed before their end");
    assert!(killed >= kills / 3, "only {killed} of {kills} were killed before their end");
}

fn kill_and_look(labs: &Labs, victim: Victim, destination: &str) {
    netns(&["down", path(&labs.one)]).success();
    let before = Machine::now();
    let prepare = || labs.prepare(victim);
    kill_often(&labs.command(victim), &victim, prepare, |kill, what| {
        // In turn: the same command again, the change back, and `down`.
        let next = match kill % 3 {
            0 => Some(&labs.one),
            1 => Some(&labs.other),
            _ => None,
        };
        if let Some(file) = next {
            netns(&["up", path(file)]).success();
            whole(file, what);
            inside("red").ping(destination).success();
        }
        netns(&["down", path(&labs.one)]).success();
        before.is_unchanged();
    });
}

fn in_a_namespace(other: &LabFile, victim: Victim) {
    let _sandbox = Sandbox::new();
    kill_and_look(&Labs::write(&lecture(), other), victim, "8.8.8.8");
}

fn on_the_machine(victim: Victim) {
    let sandbox = Sandbox::new();
    sandbox.with_uplink("wan");
    own().command("sysctl", &["-qw", "net.ipv4.ip_forward=0"]).success();
    kill_and_look(&Labs::write(&lab_on_machine("wan"), &other_own_lab()), victim, "192.168.1.1");
}

/// A rule that is added and deleted, and the check that it works.
struct Rule {
    add: Vec<&'static str>,
    del: Vec<&'static str>,
    /// The lab's file with the rule.
    with: LabFile,
    works: fn(kill: u64) -> bool,
}

fn forward() -> Rule {
    Rule {
        add: vec!["forward", "add", "tcp", "8080-8099", "192.168.15.2:8080"],
        del: vec!["forward", "del", "tcp", "8080-8099"],
        with: lecture().text(
            "[[forward]]\nprotocol = \"tcp\"\nport = \"8080-8099\"\ntarget = \"192.168.15.2:8080\"",
        ),
        works: |_| leads_to_blue(8090),
    }
}

fn masquerade() -> Rule {
    const KEYS: &str = "mapping = \"endpoint-independent\"\nfiltering = \"endpoint-independent\"";
    let source = ["192.168.15.0/28", "--uplink", "ens3"];
    let independent = ["--mapping", "endpoint-independent", "--filtering", "endpoint-independent"];
    Rule {
        add: [&["masquerade", "add"], &source[..], &independent].concat(),
        del: [&["masquerade", "del"], &source[..]].concat(),
        with: lecture().masquerade("192.168.15.0/28", "ens3").text(KEYS),
        works: is_independent,
    }
}

/// Whether a connection from outside to this port of the router reaches blue.
fn leads_to_blue(port: u16) -> bool {
    let listener = inside("blue").run(|| TcpListener::bind(("0.0.0.0", port))).expect("a listener");
    let router = ([192, 168, 1, 10], port).into();
    let called = inside("lan").run(|| TcpStream::connect_timeout(&router, SOON));
    drop(listener);
    called.is_ok()
}

/// Whether any host outside can send to a port that red has sent from.
fn is_independent(kill: u64) -> bool {
    let port = 20_000 + u16::try_from(kill % 10_000).unwrap_or(0);
    let red = inside("red").udp(("192.168.15.1", port));
    let one = inside("lan").udp("192.168.1.1:7000");
    let another = inside("lan").udp("8.8.8.8:7000");
    red.send_to(b"here I am", "192.168.1.1:7000").expect("a way out");
    let (_, seen) = receive(&one);
    another.send_to(b"found you", seen).expect("a way to the router");
    red.set_read_timeout(Some(Duration::from_millis(500))).expect("a timeout");
    let found = red.recv_from(&mut [0; 16]).is_ok();
    if !found {
        receives_nothing(&red);
    }
    found
}

fn kill_a_change_of(rule: &Rule, adds: bool) {
    let _sandbox = Sandbox::new();
    let labs = Labs::write(&lecture(), &rule.with);
    let before = Machine::now();
    let (command, first) = if adds { (&rule.add, &labs.one) } else { (&rule.del, &labs.other) };
    let prepare = || drop(netns(&["up", path(first)]).success());
    kill_often(command, command, prepare, |kill, what| {
        let (file, works) = match kill % 3 {
            0 => (&labs.one, false),
            1 => (&labs.other, true),
            // The same command again: it succeeds, or the first one had already completed.
            _ => {
                let again = netns(command);
                let is_done = ["` already exists: delete it first", "there is no rule"];
                let is_done = is_done.iter().any(|said| again.stderr.contains(said));
                assert!(again.status.success() || is_done, "{what}\n{again}");
                if adds { (&labs.other, true) } else { (&labs.one, false) }
            }
        };
        if kill % 3 < 2 {
            netns(&["up", path(file)]).success();
        }
        whole(file, what);
        assert_eq!((rule.works)(kill), works, "whether the rule holds: {what}");
        assert!(leads_to_blue(80), "{what}");
    });
    netns(&["down"]).success();
    before.is_unchanged();
}

#[test]
fn status_reports_a_half_written_rule_and_up_completes_it() {
    let _sandbox = Sandbox::new();
    let rule = forward();
    let file = rule.with.write();
    let is_told = |moment| {
        netns(&["up", path(&file)]).success();
        let killed = kill_at(&rule.del, Some(moment));
        let status = netns(&["status"]);
        let is_half = status.stdout.contains("was interrupted");
        assert_eq!(status.status.success(), !is_half, "{status}");
        assert!(matches!(killed, Killed::At(_)), "{killed:?}: no moment showed a half rule");
        is_half
    };
    (1..).find(|moment| is_told(*moment)).expect("a moment at which the rule is half written");
    netns(&["plan", path(&file)]).success().shows(&["NAT", "incomplete"]);
    netns(&["up", path(&file)]).success().shows(&["is changed"]);
    whole(&file, "after the mending");
    assert!((rule.works)(0), "the rule holds");
}

#[test]
fn connections_of_a_half_deleted_rule_end_with_the_next_command() {
    let _sandbox = Sandbox::new();
    let rule = forward();
    let (with, without) = (rule.with.write(), lecture().write());
    let listener = {
        netns(&["up", path(&with)]).success();
        inside("blue").run(|| TcpListener::bind("0.0.0.0:8090")).expect("a listener")
    };
    let is_connected = || flows().iter().any(|flow| flow["inside"] == "192.168.15.2:8090");
    let outlives = |moment| {
        netns(&["up", path(&with)]).success();
        let router = ([192, 168, 1, 10], 8090).into();
        let called = inside("lan").run(|| TcpStream::connect_timeout(&router, SOON));
        let _stream = called.expect("a connection");
        let _accepted = accept(&listener).expect("a connection");
        let killed = kill_at(&rule.del, Some(moment));
        assert!(matches!(killed, Killed::At(_)), "{killed:?}: no connection outlived its rule");
        let rules = netns(&["forward", "list"]).success().stdout;
        !rules.contains("8080-8099") && is_connected()
    };
    (1..).find(|moment| outlives(*moment)).expect("a moment behind that of the rule's end");
    netns(&["up", path(&without)]).success();
    assert!(!is_connected(), "{:#?}", flows());
}

#[test]
fn commands_recover_from_a_killed_first_up() {
    in_a_namespace(&other_lecture(), Victim::FirstUp);
}

#[test]
fn commands_recover_from_a_killed_change() {
    in_a_namespace(&other_lecture(), Victim::Change);
}

#[test]
fn commands_recover_from_a_killed_change_of_the_flow_table() {
    in_a_namespace(&larger_lecture(), Victim::Change);
}

#[test]
fn commands_recover_from_a_killed_down() {
    in_a_namespace(&other_lecture(), Victim::Down);
}

#[test]
fn commands_recover_from_a_killed_first_up_on_the_machine() {
    on_the_machine(Victim::FirstUp);
}

#[test]
fn commands_recover_from_a_killed_change_on_the_machine() {
    on_the_machine(Victim::Change);
}

#[test]
fn commands_recover_from_a_killed_down_on_the_machine() {
    on_the_machine(Victim::Down);
}

#[test]
fn commands_recover_from_a_killed_forward_add() {
    kill_a_change_of(&forward(), true);
}

#[test]
fn commands_recover_from_a_killed_forward_del() {
    kill_a_change_of(&forward(), false);
}

#[test]
fn commands_recover_from_a_killed_masquerade_add() {
    kill_a_change_of(&masquerade(), true);
}

#[test]
fn commands_recover_from_a_killed_masquerade_del() {
    kill_a_change_of(&masquerade(), false);
}
