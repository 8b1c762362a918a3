//! Floods of the lecture's lab: packets of many kinds from inside and from outside, at the full
//! rate of raw sockets, beside connections that must not notice.

use std::{
    net::TcpListener,
    sync::atomic::{AtomicBool, AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

use netns_common::{
    abi::Ip4,
    model::{
        Random,
        address::{BLUE, HOST, LAN, RED},
        flags::{ACK, RST, SYN},
        ipv4,
    },
};

use crate::{
    Stream, Wire, accept, connect_from, exchange, inside, mac_of, receive_stream, send_stream,
};

/// The server ports of the transfer and of the connection that stays open.
const TRANSFER: u16 = 7000;
const KEPT: u16 = 7001;

/// A generator of the packets of a flood.
type Next = fn(&mut Random) -> Vec<u8>;

/// An outside address that no host has.
fn nobody(random: &mut Random) -> Ip4 {
    Ip4::new(203, 0, 113, random.u8())
}

fn outside(random: &mut Random) -> Ip4 {
    if random.one_in(2) { LAN } else { nobody(random) }
}

/// Sets the sequence number in a packet without IP options, and updates the TCP checksum by the
/// difference.
fn with_sequence(mut packet: Vec<u8>, sequence: u32) -> Vec<u8> {
    let old = u16::from_be_bytes([packet[36], packet[37]]);
    let [a, b, c, d] = sequence.to_be_bytes();
    packet[24..28].copy_from_slice(&[a, b, c, d]);
    // RFC 1624: the old value was 1.
    let words = [!1, u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d])];
    let mut sum = u32::from(!old) + words.iter().map(|word| u32::from(*word)).sum::<u32>();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    let new = !u16::try_from(sum).expect("a half-word");
    packet[36..38].copy_from_slice(&new.to_be_bytes());
    packet
}

/// The packets that red sends; each kind alone would be a flood.
const FROM_RED: [Next; 8] = [
    |random| ipv4(RED, outside(random)).tcp(random.u16(), random.u16(), SYN).bytes(),
    |random| ipv4(RED, outside(random)).udp(random.u16(), random.u16()).payload(9).bytes(),
    |random| ipv4(RED, outside(random)).echo_request(random.u16()).bytes(),
    |random| ipv4(RED, LAN).udp(random.u16(), 9).payload(64).fragment(0, true).bytes(),
    |random| ipv4(RED, LAN).udp(1, 9).payload(64).fragment(random.u16() % 8000 + 1, true).bytes(),
    // Errors about packets that blue may have received, and resets with blue's address.
    |random| {
        let asked = ipv4(LAN, BLUE).tcp(TRANSFER, random.u16(), ACK).frame([0; 6], [0; 6], 1);
        ipv4(RED, LAN).error(3, 3, &asked, 20).bytes()
    },
    |random| ipv4(BLUE, LAN).tcp(random.u16(), TRANSFER, RST).bytes(),
    // To the forward at the router's address.
    |random| ipv4(RED, HOST).tcp(random.u16(), 80, SYN).bytes(),
];

/// The packets from outside, some of them with the address of the server that blue talks to.
const FROM_LAN: [Next; 8] = [
    |random| ipv4(nobody(random), HOST).tcp(random.u16(), 80, SYN).bytes(),
    |random| ipv4(nobody(random), HOST).tcp(random.u16(), random.u16(), SYN).bytes(),
    |random| ipv4(nobody(random), HOST).udp(random.u16(), random.u16()).payload(9).bytes(),
    |random| {
        let port = if random.one_in(2) { TRANSFER } else { KEPT };
        let reset = ipv4(LAN, HOST).tcp(port, random.u16(), RST).bytes();
        with_sequence(reset, random.next_u64() as u32)
    },
    |random| ipv4(LAN, HOST).tcp(TRANSFER, random.u16(), ACK).fragment(0, true).payload(64).bytes(),
    |random| {
        ipv4(LAN, HOST).tcp(1, 1, ACK).payload(64).fragment(random.u16() % 8000 + 1, true).bytes()
    },
    // Fragmentation needed with an MTU of 68, about connections that blue may have.
    |random| {
        let port = if random.one_in(2) { TRANSFER } else { KEPT };
        let sent = ipv4(HOST, LAN).tcp(random.u16(), port, ACK).frame([0; 6], [0; 6], 1);
        let error = ipv4(nobody(random), HOST).error(3, 4, &sent, 8).bytes();
        with_mtu(error, 68)
    },
    |random| {
        let sent = ipv4(HOST, LAN).tcp(random.u16(), KEPT, ACK).frame([0; 6], [0; 6], 1);
        ipv4(LAN, HOST).error(3, random.u8() % 16, &sent, 8).bytes()
    },
];

/// Sets the MTU of an ICMP error whose field is 0 (RFC 1191).
fn with_mtu(mut packet: Vec<u8>, mtu: u16) -> Vec<u8> {
    packet[26..28].copy_from_slice(&mtu.to_be_bytes());
    packet[22..24].fill(0);
    let sum = netns_common::model::checksum(&packet[20..]).to_be_bytes();
    packet[22..24].copy_from_slice(&sum);
    packet
}

fn flood(wire: &Wire, kinds: &[Next], seed: u64, goes_on: &AtomicBool, sent: &AtomicU64) {
    let mut random = Random::new(seed);
    while goes_on.load(Ordering::Relaxed) {
        for next in kinds {
            sent.fetch_add(u64::from(wire.try_send(&next(&mut random))), Ordering::Relaxed);
        }
    }
}

/// Ends the floods when it is dropped, even if an assertion fails.
struct Ending<'a>(&'a AtomicBool);

impl Drop for Ending<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

fn wire(namespace: &str, interface: &str, of_router: &str) -> Wire {
    Wire::open(&inside(namespace), interface, mac_of(&inside("host"), of_router))
}

/// Floods the lecture's lab from red and from the LAN for as long as `lasts` is true for the time
/// since the beginning and the number of packets so far. Meanwhile blue transfers a stream to the
/// LAN and exchanges words over a second connection. Returns the number of packets of the floods.
///
/// # Panics
/// When a connection is cut, or a byte of it changes.
#[track_caller]
pub fn connections_survive_floods(lasts: impl Fn(Duration, u64) -> bool + Sync) -> u64 {
    let listen = |port: u16| {
        let address = format!("192.168.1.1:{port}");
        inside("lan").run(|| TcpListener::bind(address)).expect("a listener")
    };
    let connect = |port: u16| {
        let address = format!("192.168.1.1:{port}");
        inside("blue").run(|| connect_from(0, &address)).expect("a connection")
    };
    let (listener, kept_listener) = (listen(TRANSFER), listen(KEPT));
    let mut kept = connect(KEPT);
    let (mut kept_server, _) = accept(&kept_listener).expect("a connection");
    let mut transfer = connect(TRANSFER);
    let (mut receiving, _) = accept(&listener).expect("a connection");
    let (red, lan) = (wire("red", "veth-red", "v-net-0"), wire("lan", "eth0", "ens3"));

    let content = Stream::new();
    let (goes_on, packets) = (AtomicBool::new(true), AtomicU64::new(0));
    let started = Instant::now();
    let is_going = || lasts(started.elapsed(), packets.load(Ordering::Relaxed));
    let (sent, received) = thread::scope(|scope| {
        let ending = Ending(&goes_on);
        scope.spawn(|| flood(&red, &FROM_RED, 1, &goes_on, &packets));
        scope.spawn(|| flood(&lan, &FROM_LAN, 2, &goes_on, &packets));
        let receiver = scope.spawn(|| receive_stream(&mut receiving, &content));
        let sender = scope.spawn(|| send_stream(&mut transfer, &content, |_| is_going()));
        while is_going() && !sender.is_finished() {
            exchange(&mut kept, &mut kept_server, b"here");
            thread::park_timeout(Duration::from_millis(100));
        }
        let sent = sender.join().expect("a sender").expect("the transfer is not cut");
        let received = receiver.join().expect("equal bytes").expect("the transfer is not cut");
        drop(ending);
        (sent, received)
    });
    assert_eq!(sent, received);
    assert!(received > 0, "nothing was transferred");
    exchange(&mut kept, &mut kept_server, b"here");
    packets.into_inner()
}
