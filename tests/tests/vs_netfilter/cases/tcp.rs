//! TCP connections: their states, resets, sequence numbers and checksums.

use netns_common::model::{
    address::{BLUE, FAR, HOST, LAN, RED},
    flags::{ACK, FIN, RST, SYN},
};

use crate::{
    exchange::Exchange,
    labs::At::{Blue, Lan, Red},
    packet::{Ip, segment},
};

const PSH: u8 = 0x08;
const URG: u8 = 0x20;
const ECE: u8 = 0x40;
const CWR: u8 = 0x80;

/// A segment from red with this source port.
fn out(port: u16, flags: u8, numbers: (u32, u32), payload: usize) -> Ip {
    segment((RED, port), (LAN, 7000), flags, numbers, payload)
}

/// A segment back to red.
fn back(port: u16, flags: u8, numbers: (u32, u32), payload: usize) -> Ip {
    segment((LAN, 7000), (HOST, port), flags, numbers, payload)
}

/// Opens a connection. The next sequence numbers are 101 from inside and 501 from outside.
fn open(x: &mut Exchange, port: u16) {
    x.send("syn", Red, out(port, SYN, (100, 0), 0));
    x.send("syn+ack", Lan, back(port, SYN | ACK, (500, 101), 0));
    x.send("ack", Red, out(port, ACK, (101, 501), 0));
}

pub(super) fn whole(x: &mut Exchange) {
    open(x, 20_001);
    let mut sequence = 101;
    for size in [1, 3, 536, 1459, 1460] {
        x.send("data", Red, out(20_001, ACK | PSH, (sequence, 501), size));
        sequence += u32::try_from(size).expect("a size");
        x.send("ack of data", Lan, back(20_001, ACK, (501, sequence), 0));
    }
    x.send("data back", Lan, back(20_001, ACK | PSH, (501, sequence), 1459));
    x.send("fin", Red, out(20_001, FIN | ACK, (sequence, 1960), 0));
    x.send("fin back", Lan, back(20_001, FIN | ACK, (1960, sequence + 1), 0));
    x.send("last ack", Red, out(20_001, ACK, (sequence + 1, 1961), 0));
    x.send("fin back again", Lan, back(20_001, FIN | ACK, (1960, sequence + 1), 0));
}

pub(super) fn options(x: &mut Exchange) {
    let of_syn = [2, 4, 5, 180, 4, 2, 8, 10, 0, 0, 0, 1, 0, 0, 0, 0, 1, 3, 3, 7];
    x.send("syn", Red, out(20_002, SYN | ECE | CWR, (100, 0), 0).tcp_options(&of_syn));
    let answer = back(20_002, SYN | ACK | ECE, (500, 101), 0).tcp_options(&of_syn);
    x.send("syn+ack", Lan, answer);
    let stamps = [1, 1, 8, 10, 0, 0, 0, 2, 0, 0, 0, 1];
    let data = out(20_002, ACK | PSH | URG | CWR, (101, 501), 100).tcp_options(&stamps);
    // Reserved bits and the urgent pointer.
    let urgent = data.l4() + 18;
    x.send("data", Red, data.with(urgent, &[0, 7]));
    let selective = [1, 1, 5, 10, 0, 0, 0, 150, 0, 0, 0, 200];
    x.send("selective ack", Lan, back(20_002, ACK, (501, 101), 0).tcp_options(&selective));
}

pub(super) fn reset_from_outside(x: &mut Exchange) {
    open(x, 20_003);
    x.send("rst", Lan, back(20_003, RST, (501, 0), 0));
    x.send("rst again", Lan, back(20_003, RST, (501, 0), 0));
}

pub(super) fn reset_from_inside(x: &mut Exchange) {
    open(x, 20_004);
    x.send("rst", Red, out(20_004, RST | ACK, (101, 501), 0));
    x.send("rst again", Red, out(20_004, RST, (101, 0), 0));
}

pub(super) fn reset_out_of_window(x: &mut Exchange) {
    open(x, 20_005);
    x.send("rst", Lan, back(20_005, RST, (3_000_000_000, 0), 0));
    x.send("data", Red, out(20_005, ACK | PSH, (101, 501), 10));
    x.send("ack of data", Lan, back(20_005, ACK, (501, 111), 0));
}

pub(super) fn refused(x: &mut Exchange) {
    x.send("syn", Red, out(20_006, SYN, (100, 0), 0));
    x.send("rst", Lan, back(20_006, RST | ACK, (0, 101), 0));
}

pub(super) fn simultaneous_open(x: &mut Exchange) {
    x.send("syn", Red, out(20_007, SYN, (100, 0), 0));
    x.send("syn back", Lan, back(20_007, SYN, (500, 0), 0));
    x.send("syn+ack", Red, out(20_007, SYN | ACK, (100, 501), 0));
    x.send("syn+ack back", Lan, back(20_007, SYN | ACK, (500, 101), 0));
    x.send("data", Red, out(20_007, ACK | PSH, (101, 501), 10));
    x.send("data back", Lan, back(20_007, ACK | PSH, (501, 111), 10));
}

pub(super) fn same_port_twice(x: &mut Exchange) {
    open(x, 20_008);
    let blue =
        |flags, numbers, payload| segment((BLUE, 20_008), (LAN, 7000), flags, numbers, payload);
    x.send("blue's syn", Blue, blue(SYN, (100, 0), 0));
    let back = |flags, numbers, payload| {
        move |syn: &Ip| segment((LAN, 7000), (HOST, syn.source_port()), flags, numbers, payload)
    };
    x.answer("syn+ack", Lan, back(SYN | ACK, (500, 101), 0));
    x.send("blue's data", Blue, blue(ACK | PSH, (101, 501), 33));
    x.answer("data back", Lan, back(ACK | PSH, (501, 134), 35));
    x.send("red's data", Red, out(20_008, ACK | PSH, (101, 501), 10));
}

pub(super) fn two_servers(x: &mut Exchange) {
    open(x, 20_009);
    x.send("syn", Red, segment((RED, 20_009), (FAR, 443), SYN, (100, 0), 0));
    x.send("syn+ack", Lan, segment((FAR, 443), (HOST, 20_009), SYN | ACK, (500, 101), 0));
}

pub(super) fn reused(x: &mut Exchange) {
    open(x, 20_010);
    x.send("fin", Red, out(20_010, FIN | ACK, (101, 501), 0));
    x.send("fin back", Lan, back(20_010, FIN | ACK, (501, 102), 0));
    x.send("last ack", Red, out(20_010, ACK, (102, 502), 0));
    x.send("syn", Red, out(20_010, SYN, (900_000, 0), 0));
    x.send("syn+ack", Lan, back(20_010, SYN | ACK, (700_000, 900_001), 0));
    x.send("data", Red, out(20_010, ACK | PSH, (900_001, 700_001), 10));
}

pub(super) fn mid_flow(x: &mut Exchange) {
    x.send("data", Red, out(20_011, ACK | PSH, (5000, 9000), 100));
    x.send("ack of data", Lan, back(20_011, ACK, (9000, 5100), 0));
    x.send("data back", Lan, back(20_011, ACK | PSH, (9000, 5100), 50));
}

pub(super) fn reset_of_nothing(x: &mut Exchange) {
    x.send("rst from red", Red, out(20_012, RST, (100, 0), 0));
    x.send("rst from lan", Lan, back(20_012, RST, (100, 0), 0));
    x.send("ack from lan", Lan, back(20_013, ACK, (100, 7), 0));
}

pub(super) fn syn_ack_of_nothing(x: &mut Exchange) {
    x.send("from red", Red, out(20_014, SYN | ACK, (100, 77), 0));
    x.send("from lan", Lan, back(20_015, SYN | ACK, (100, 77), 0));
}

pub(super) fn strange_flags(x: &mut Exchange) {
    for (step, flags) in [
        ("none", 0),
        ("syn+fin", SYN | FIN),
        ("syn+rst", SYN | RST),
        ("fin", FIN),
        ("all", FIN | SYN | RST | PSH | ACK | URG),
    ] {
        x.send(step, Red, out(20_016 + u16::from(flags), flags, (100, 0), 0));
    }
    open(x, 20_100);
    x.send("none, in a connection", Red, out(20_100, 0, (101, 501), 0));
    x.send("fin without ack, in a connection", Red, out(20_100, FIN, (101, 501), 0));
}

pub(super) fn wrong_checksum(x: &mut Exchange) {
    open(x, 20_101);
    x.send("data", Red, out(20_101, ACK | PSH, (101, 501), 10).wrong_checksum());
    x.send("data back", Lan, back(20_101, ACK | PSH, (501, 101), 10).wrong_checksum());
    x.send("good data", Red, out(20_101, ACK | PSH, (101, 501), 10));
}

pub(super) fn out_of_window(x: &mut Exchange) {
    open(x, 20_102);
    x.send("data", Red, out(20_102, ACK | PSH, (2_000_000_000, 501), 10));
    x.send("data back", Lan, back(20_102, ACK | PSH, (2_000_000_000, 101), 10));
}

pub(super) fn port_0(x: &mut Exchange) {
    x.send("from port 0", Red, out(0, SYN, (100, 0), 0));
    x.send("to port 0", Red, segment((RED, 20_103), (LAN, 0), SYN, (100, 0), 0));
}
