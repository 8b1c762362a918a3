//! Which connections give way when every external port towards a remote is taken.

use netns_common::{abi::DropReason, model::Datagram};

use crate::lab::{ACK, BLUE, FAR, FIN, HOST, LAN, Lab, RED, RST, SYN, Sent, ipv4};

/// A lab with one port to give besides each connection's own.
fn narrow() -> Lab {
    let mut lab = Lab::new();
    (lab.router.tables.settings.port_min, lab.router.tables.settings.port_max) = (50_000, 50_000);
    lab
}

/// A segment from red's port 50000, which so takes the one port to give.
fn red(flags: u8) -> Datagram {
    ipv4(RED, FAR).tcp(50_000, 443, flags).numbers(0x0001_0000, 0)
}

/// Red's connection from its port 50000.
fn open(lab: &mut Lab) {
    lab.red(&red(SYN)).left_as((HOST, 50_000), (FAR, 443));
    lab.outside(&ipv4(FAR, HOST).tcp(443, 50_000, SYN | ACK).numbers(1, 0x0001_0001));
    lab.red(&red(ACK));
}

/// Blue begins a connection from port 443, which is the forwarded one of nobody, but taken.
fn blue(lab: &mut Lab, sequence: u32) -> Sent {
    lab.blue(&ipv4(BLUE, FAR).tcp(40_000, 443, SYN).numbers(sequence, 0))
}

/// A lab in which red's connections have both ports that blue's could have.
fn full() -> Lab {
    let mut lab = narrow();
    open(&mut lab);
    lab.red(&ipv4(RED, FAR).tcp(40_000, 443, SYN)).left_as((HOST, 40_000), (FAR, 443));
    lab.outside(&ipv4(FAR, HOST).tcp(443, 40_000, SYN | ACK));
    lab.red(&ipv4(RED, FAR).tcp(40_000, 443, ACK));
    lab
}

const LATER: u32 = 0x0009_0000;

#[test]
fn an_established_connection_is_never_reclaimed() {
    let mut lab = full();
    lab.router.wait(3_000);
    blue(&mut lab, LATER).dropped(DropReason::PortsExhausted);
}

#[test]
fn a_connection_closed_by_both_ends_is_reclaimed_at_once() {
    let mut lab = full();
    lab.red(&red(FIN | ACK));
    lab.outside(&ipv4(FAR, HOST).tcp(443, 50_000, FIN | ACK).numbers(2, 0x0001_0002));
    let sent = blue(&mut lab, LATER);
    sent.left_as((HOST, 50_000), (FAR, 443));
    lab.answer(&sent).reached(BLUE, (FAR, 443), (BLUE, 40_000));
    assert_eq!(lab.flow_count(), 2);
}

#[test]
fn a_port_is_reused_towards_a_remote_only_if_sequence_numbers_advanced() {
    let mut lab = full();
    lab.red(&red(FIN | ACK));
    lab.outside(&ipv4(FAR, HOST).tcp(443, 50_000, FIN | ACK).numbers(2, 0x0001_0002));
    for sequence in [0x0000_0100, 0x0001_ffff, 0x9000_0000] {
        blue(&mut lab, sequence).dropped(DropReason::PortsExhausted);
    }
    blue(&mut lab, 0x0002_0000).left_as((HOST, 50_000), (FAR, 443));
}

#[test]
fn a_half_closed_or_reset_connection_is_reclaimed_after_some_time_without_data() {
    for (flags, seconds) in [(FIN | ACK, 10), (RST, 20)] {
        let mut lab = full();
        lab.red(&red(flags));
        lab.router.wait(seconds - 1);
        blue(&mut lab, LATER).dropped(DropReason::PortsExhausted);
        lab.router.wait(2);
        blue(&mut lab, LATER).left_as((HOST, 50_000), (FAR, 443));
    }
}

#[test]
fn a_connection_with_a_forged_reset_is_not_reclaimed_while_data_flows() {
    let mut lab = full();
    lab.red(&red(RST));
    for number in 0..12 {
        lab.router.wait(3);
        let data = ipv4(FAR, HOST).tcp(443, 50_000, ACK).numbers(2 + number, 0x0001_0001);
        lab.outside(&data.payload(1));
        blue(&mut lab, LATER).dropped(DropReason::PortsExhausted);
    }
}

#[test]
fn a_refused_connection_is_reclaimed_at_once_and_an_unanswered_datagram_after_half_a_minute() {
    let mut lab = narrow();
    lab.red(&ipv4(RED, FAR).tcp(40_000, 443, SYN));
    lab.outside(&ipv4(FAR, HOST).tcp(443, 40_000, SYN | ACK));
    lab.red(&red(SYN));
    blue(&mut lab, LATER).dropped(DropReason::PortsExhausted);
    lab.outside(&ipv4(FAR, HOST).tcp(443, 50_000, RST | ACK).numbers(0, 0x0001_0001));
    blue(&mut lab, LATER).left_as((HOST, 50_000), (FAR, 443));

    let mut lab = narrow();
    lab.red(&ipv4(RED, LAN).udp(40_000, 5300));
    lab.answer_to_lan(5300, 40_000);
    lab.red(&ipv4(RED, LAN).udp(50_000, 5300));
    lab.blue(&ipv4(BLUE, LAN).udp(40_000, 5300)).dropped(DropReason::PortsExhausted);
    lab.router.wait(28);
    lab.blue(&ipv4(BLUE, LAN).udp(40_000, 5300)).dropped(DropReason::PortsExhausted);
    lab.router.wait(4);
    lab.blue(&ipv4(BLUE, LAN).udp(40_000, 5300)).left_as((HOST, 50_000), (LAN, 5300));
    // That one is answered, and stays.
    lab.answer_to_lan(5300, 50_000);
    lab.router.wait(60);
    lab.red(&ipv4(RED, LAN).udp(50_000, 5300)).dropped(DropReason::PortsExhausted);
}

impl Lab {
    /// The LAN's host answers to a port of the router.
    fn answer_to_lan(&mut self, service: u16, port: u16) {
        self.outside(&ipv4(LAN, HOST).udp(service, port));
    }
}

#[test]
fn the_oldest_closed_connection_is_reclaimed() {
    let mut lab = Lab::new();
    (lab.router.tables.settings.port_min, lab.router.tables.settings.port_max) = (50_000, 50_003);
    for port in [40_000, 50_000, 50_001, 50_002, 50_003] {
        lab.red(&ipv4(RED, FAR).udp(port, 5300)).left_as((HOST, port), (FAR, 5300));
        if port == 40_000 {
            lab.outside(&ipv4(FAR, HOST).udp(5300, port));
        }
        lab.router.wait(10);
    }
    // Its sample may miss one of four ports, hardly ever the oldest two.
    let (from, _) = lab.blue(&ipv4(BLUE, FAR).udp(40_000, 5300)).ends();
    assert!([50_000, 50_001].contains(&from.1), "{from:?}");
}
