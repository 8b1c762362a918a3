//! While a lab is changed or taken down, or such a command is killed, no packet leaves with an
//! inside source. Two senders in a namespace send all the time.

use std::{
    io::{Read as _, Write as _},
    net::{TcpStream, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use netns_tests::{
    DEADLINE, LabFile, RouterKind, Running, Sandbox, connect_from, eventually, inside, ip,
    is_killed_after, link_to_outside, netns, own, with_each_router,
};

/// How many ports each sender sends to, in one burst.
const PORTS: u16 = 10;

/// The pause of a sender after a burst.
const REST: Duration = Duration::from_millis(1);

/// How many packets must arrive outside, so that the load proves something.
const MANY: u64 = 1_000;

/// How often each command is killed.
const KILLS: u32 = 5;

/// Two senders in a namespace. Dropping this stops them.
struct Load {
    going: Arc<AtomicBool>,
    senders: Vec<JoinHandle<()>>,
}

impl Load {
    #[track_caller]
    fn start(from: &str, to: &'static [&'static str]) -> Self {
        let going = Arc::new(AtomicBool::new(true));
        let sender = |_| {
            let socket = inside(from).run(|| UdpSocket::bind("0.0.0.0:0")).expect("a socket");
            let going = Arc::clone(&going);
            thread::spawn(move || {
                while going.load(Ordering::Relaxed) {
                    for (address, port) in
                        to.iter().flat_map(|to| (9000..9000 + PORTS).map(move |port| (*to, port)))
                    {
                        // Without a route the datagram is lost.
                        let _ = socket.send_to(&[0; 64], (address, port));
                    }
                    thread::park_timeout(REST);
                }
            })
        };
        let senders = (0..2).map(sender).collect();
        Self { going, senders }
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        self.going.store(false, Ordering::Relaxed);
        for sender in self.senders.drain(..) {
            // A panic of the thread has already printed its message.
            let _ = sender.join();
        }
    }
}

/// How many packets have arrived outside at an interface.
fn arrived(interface: &str) -> u64 {
    let links = ["-json", "-stats", "link", "show", "dev", interface];
    let links = inside("outside").command("ip", &links).json();
    links[0]["stats64"]["rx"]["packets"].as_u64().expect("a number")
}

/// Waits until the load arrives outside at an interface.
#[track_caller]
fn load_arrives(interface: &str) {
    let before = arrived(interface);
    eventually("the load arrives", DEADLINE, || arrived(interface) > before + MANY);
}

/// A lab whose masquerade covers all uplinks.
fn lab_of(router: RouterKind, sandbox: &Sandbox) -> LabFile {
    router.lab(sandbox).text("[[masquerade]]\nsource = \"10.1.0.0/24\"")
}

fn with_flow_table(lab: &LabFile, size: u32) -> LabFile {
    lab.clone().text(&format!("[nat]\nflow_table = {size}"))
}

/// Sends back what each connection sends.
const ECHO: &str = "
import socketserver
class Echo(socketserver.BaseRequestHandler):
    def handle(self):
        while data := self.request.recv(4096):
            self.request.sendall(data)
socketserver.ThreadingTCPServer.daemon_threads = True
server = socketserver.ThreadingTCPServer(('8.8.8.8', 7000), Echo)
print('ready')
server.serve_forever()
";

fn echo_server() -> Running {
    let mut server = inside("outside").start("python3", &["-u", "-c", ECHO]);
    server.wait_for("ready");
    server
}

#[track_caller]
fn connect() -> TcpStream {
    inside("red").run(|| connect_from(0, "8.8.8.8:7000")).expect("a connection")
}

#[track_caller]
fn talk(stream: &mut TcpStream) {
    stream.write_all(b"still there?").expect("a question");
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).expect("an answer");
    assert_eq!(&answer, b"still there?");
}

#[test]
fn nothing_leaves_untranslated_while_the_flow_table_changes() {
    const SIZES: [u32; 3] = [65_536, 262_144, 131_072];
    with_each_router(|router, sandbox| {
        let lab = lab_of(router, sandbox);
        lab.up().success();
        let _server = echo_server();
        let mut old = connect();
        talk(&mut old);
        let load = Load::start("red", &["8.8.8.8"]);
        load_arrives("eth0");
        let leaks = inside("outside").listen_for_leaks("eth0");
        let (going, begun) = (&AtomicBool::new(true), &AtomicUsize::new(0));
        thread::scope(|scope| {
            let stop = Stop(going);
            let beginner = scope.spawn(|| {
                while going.load(Ordering::Relaxed) {
                    talk(&mut connect());
                    begun.fetch_add(1, Ordering::Relaxed);
                    // Closed connections count towards the quota of red for some minutes.
                    thread::park_timeout(REST);
                }
            });
            for size in SIZES {
                let before = begun.load(Ordering::Relaxed);
                with_flow_table(&lab, size).up().success().shows(&["is changed"]);
                talk(&mut old);
                load_arrives("eth0");
                eventually("new connections begin", DEADLINE, || {
                    begun.load(Ordering::Relaxed) > before + 2
                });
            }
            drop(stop);
            beginner.join().expect("each new connection is answered");
        });
        drop(load);
        leaks.were_none();
        netns(&["status"]).success();
    });
}

/// Stops the background threads when it is dropped, even if the test fails.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

#[test]
fn nothing_leaves_untranslated_while_a_lab_is_taken_down() {
    with_each_router(|router, sandbox| {
        let lab = lab_of(router, sandbox);
        for _ in 0..3 {
            lab.up().success();
            let load = Load::start("red", &["8.8.8.8"]);
            load_arrives("eth0");
            let leaks = inside("outside").listen_for_leaks("any");
            netns(&["down"]).success();
            drop(load);
            leaks.were_none();
        }
    });
}

#[test]
fn nothing_of_a_foreign_port_leaves_untranslated_while_a_lab_is_changed_and_taken_down() {
    with_each_router(|router, sandbox| {
        let lab = lab_of(router, sandbox);
        lab.up().success();
        router.plug_in_a_guest();
        let load = Load::start("guest", &["8.8.8.8"]);
        load_arrives("eth0");
        let leaks = inside("outside").listen_for_leaks("any");
        with_flow_table(&lab, 65_536).up().success();
        load_arrives("eth0");
        netns(&["down"]).success();
        drop(load);
        leaks.were_none();
    });
}

#[test]
fn nothing_leaves_untranslated_while_rules_and_the_mode_change() {
    with_each_router(|router, sandbox| {
        let lab = lab_of(router, sandbox);
        lab.up().success();
        let load = Load::start("red", &["8.8.8.8"]);
        load_arrives("eth0");
        let leaks = inside("outside").listen_for_leaks("eth0");
        for _ in 0..2 {
            lab.clone().text("[nat]\nvia_stack = true").up().success();
            load_arrives("eth0");
            netns(&["masquerade", "del", "10.1.0.0/24"]).success();
            netns(&["masquerade", "add", "10.1.0.2/32"]).success();
            load_arrives("eth0");
            lab.up().success();
            load_arrives("eth0");
        }
        drop(load);
        leaks.were_none();
    });
}

#[test]
fn nothing_leaves_untranslated_while_an_uplink_is_added() {
    with_each_router(|router, sandbox| {
        let lab = lab_of(router, sandbox);
        lab.up().success();
        let load = Load::start("red", &["8.8.8.8", "198.51.100.1"]);
        load_arrives("eth0");
        let leaks = inside("outside").listen_for_leaks("any");
        let more = router.with_second_uplink(&lab);
        for _ in 0..3 {
            more.up().success().shows(&["is changed"]);
            load_arrives("eth1");
            load_arrives("eth0");
            lab.up().success().shows(&["is changed"]);
            load_arrives("eth0");
        }
        drop(load);
        leaks.were_none();
    });
}

#[test]
fn nothing_leaves_untranslated_while_a_deleted_uplink_is_made_anew() {
    with_each_router(|router, sandbox| {
        let lab = lab_of(router, sandbox);
        lab.up().success();
        let load = Load::start("red", &["8.8.8.8"]);
        load_arrives("eth0");
        let leaks = inside("outside").listen_for_leaks("any");
        for _ in 0..3 {
            ip(&router.place(), "link del wan");
            if router == RouterKind::Machine {
                link_to_outside("wan", "eth0", "192.168.1");
                ip(&own(), "route add default via 192.168.1.1");
            }
            lab.up().success().shows(&["is changed"]);
            load_arrives("eth0");
        }
        drop(load);
        leaks.were_none();
    });
}

/// Times spread over the duration of a command.
fn moments(command: impl FnOnce()) -> impl Iterator<Item = Duration> {
    let begin = Instant::now();
    command();
    let all = begin.elapsed();
    (1..=KILLS).map(move |kill| all * kill / (KILLS + 1))
}

#[test]
fn nothing_leaves_untranslated_when_a_change_is_killed() {
    with_each_router(|router, sandbox| {
        let lab = lab_of(router, sandbox);
        lab.up().success();
        let more = with_flow_table(&router.with_second_uplink(&lab), 65_536);
        let file = more.write();
        let change = ["up", file.path().to_str().expect("a plain path")];
        let load = Load::start("red", &["8.8.8.8", "198.51.100.1"]);
        load_arrives("eth0");
        let leaks = inside("outside").listen_for_leaks("any");
        let mut killed = 0;
        for moment in moments(|| drop(more.up().success())) {
            lab.up().success();
            killed += u32::from(is_killed_after(&change, moment));
            more.up().success();
            netns(&["status"]).success();
            load_arrives("eth1");
            load_arrives("eth0");
        }
        drop(load);
        leaks.were_none();
        assert_ne!(killed, 0, "each command had ended before");
    });
}

#[test]
fn nothing_leaves_untranslated_when_down_is_killed() {
    with_each_router(|router, sandbox| {
        let lab = lab_of(router, sandbox);
        lab.up().success();
        let mut killed = 0;
        for moment in moments(|| drop(netns(&["down"]).success())) {
            lab.up().success();
            let load = Load::start("red", &["8.8.8.8"]);
            load_arrives("eth0");
            let leaks = inside("outside").listen_for_leaks("any");
            killed += u32::from(is_killed_after(&["down"], moment));
            netns(&["down"]).success();
            drop(load);
            leaks.were_none();
        }
        assert_ne!(killed, 0, "each command had ended before");
    });
}
