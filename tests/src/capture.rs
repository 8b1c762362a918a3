//! Records the packets that pass an interface, with tcpdump.

use nix::sys::signal::Signal;
use socket2::{Domain, Protocol, Socket, Type};

use crate::{Inside, Running, bind_to_interface};

/// The first EtherType for experiments (IEEE 802): no stack answers it.
const EXPERIMENT: [u8; 2] = [0x88, 0xb5];

/// How tcpdump prints that type.
const TOLD: &str = "(0x88b5)";

/// The shortest frame that Ethernet allows, without its check sequence, in bytes.
const SHORTEST: usize = 60;

/// Records up to 2,048 bytes of a packet, with a buffer of 8 MiB for 4,096 packets. The default
/// buffer holds eight.
const ROOM: [&str; 4] = ["-s", "2048", "-B", "8192"];

/// A running tcpdump that prints one line for each packet.
#[derive(Debug)]
pub struct Capture {
    tcpdump: Running,
    /// Sends the last frame, even if the namespace has lost its name since.
    last: Socket,
}

impl Inside {
    /// Starts to record the packets of an interface, without IPv6. Every packet sent after this
    /// returns is recorded. `any` is every interface.
    #[track_caller]
    #[must_use]
    pub fn capture(&self, interface: &str) -> Capture {
        self.capture_with(interface, &[])
    }

    /// The same with further arguments of tcpdump, such as `-vv`.
    #[track_caller]
    #[must_use]
    pub fn capture_with(&self, interface: &str, more: &[&str]) -> Capture {
        let always = ["-n", "-l", "--immediate-mode", "-Z", "root", "-i", interface];
        let arguments = [&always[..], &ROOM, more, &["not ip6"]].concat();
        let mut tcpdump = self.start("tcpdump", &arguments);
        tcpdump.wait_for("listening on");
        let interface = if interface == "any" { "lo" } else { interface };
        Capture { tcpdump, last: self.run(|| socket_on(interface)) }
    }
}

impl Capture {
    /// Waits for a packet.
    #[track_caller]
    pub fn wait_for(&mut self, part: &str) -> String {
        self.tcpdump.wait_for(part)
    }

    /// Ends the recording and returns every packet from before this call. At its end tcpdump drops
    /// packets that it has not read yet. Therefore this sends a frame of its own and waits until
    /// tcpdump has read it.
    ///
    /// # Panics
    /// When the frame cannot be sent, for example because the interface is down.
    #[track_caller]
    #[must_use]
    pub fn stop(mut self) -> Vec<String> {
        send_the_last(&self.last);
        self.tcpdump.wait_for(TOLD);
        self.tcpdump.signal(Signal::SIGINT);
        let (_, stdout, _) = self.tcpdump.finish();
        let before = stdout.lines().take_while(|line| !line.contains(TOLD));
        before.map(str::to_owned).collect()
    }
}

#[track_caller]
fn socket_on(interface: &str) -> Socket {
    let socket = Socket::new(Domain::PACKET, Type::RAW, None::<Protocol>).expect("a socket");
    bind_to_interface(&socket, interface, 0)
        .unwrap_or_else(|error| panic!("a socket on {interface}: {error}"));
    socket
}

#[track_caller]
fn send_the_last(socket: &Socket) {
    let mut frame = [0; SHORTEST];
    frame[12..14].copy_from_slice(&EXPERIMENT);
    socket.send(&frame).unwrap_or_else(|error| panic!("the last frame: {error}"));
}
