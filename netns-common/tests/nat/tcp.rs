//! TCP: whom the NAT believes that a connection is over, and how it goes on.

use netns_common::{abi::FlowState, abi::ticks, model::Datagram};

use crate::lab::{ACK, BLUE, FAR, FIN, HOST, LAN, Lab, RED, RST, SYN, ipv4};

/// First sequence numbers of red and of far.
const RED_FIRST: u32 = 0x1234_5678;
const FAR_FIRST: u32 = 0xffff_8000;

fn from_red(flags: u8, sequence: u32, acknowledged: u32) -> Datagram {
    ipv4(RED, FAR).tcp(40_000, 443, flags).numbers(sequence, acknowledged)
}

fn from_far(flags: u8, sequence: u32, acknowledged: u32) -> Datagram {
    ipv4(FAR, HOST).tcp(443, 40_000, flags).numbers(sequence, acknowledged)
}

/// Red opens a connection to far and asks; far sends as many bytes, which red acknowledges
/// all but the last 100,000 of. Returns what both would send next.
fn open(lab: &mut Lab, bytes: u32) -> (u32, u32) {
    let (red, mut far) = (RED_FIRST.wrapping_add(1), FAR_FIRST.wrapping_add(1));
    lab.red(&from_red(SYN, RED_FIRST, 0));
    lab.outside(&from_far(SYN | ACK, FAR_FIRST, red));
    lab.red(&from_red(ACK, red, far));
    assert_eq!(lab.only_state(), FlowState::Established);
    let end = far.wrapping_add(bytes);
    while far != end {
        let length = end.wrapping_sub(far).min(60_000);
        lab.outside(&from_far(ACK, far, red));
        far = far.wrapping_add(length);
        if end.wrapping_sub(far) >= 100_000 {
            lab.red(&from_red(ACK, red, far));
        }
    }
    (red, far)
}

#[test]
fn rfc5961_a_rst_outside_the_window_is_forwarded_without_a_state_change() {
    let mut lab = Lab::new();
    let (red, far) = open(&mut lab, 5_000_000);
    let before = lab.only_flow().1;
    lab.router.wait(60);
    for distance in [0x0010_0000_u32, 0x4000_0000, 0x8000_0000, 0xc000_0000, 0xff00_0000] {
        let forged = lab.outside(&from_far(RST, far.wrapping_add(distance), 0));
        forged.reached(RED, (FAR, 443), (RED, 40_000));
        let outward = lab.red(&from_red(RST, red.wrapping_add(distance), 0));
        outward.left_as((HOST, 40_000), (FAR, 443));
        assert_eq!(lab.only_state(), FlowState::Established, "{distance:#x}");
    }
    let after = lab.only_flow().1;
    assert_eq!(after.last_seen, before.last_seen, "it keeps nothing alive either");
    assert_eq!(after.tail.sequences, before.tail.sequences);
}

#[test]
fn rfc7857_rst_within_the_window_starts_the_closing_timer() {
    // At the end of what was sent, at what was acknowledged last, and in between.
    for back in [0, 50_000, 100_000] {
        let mut lab = Lab::new();
        let (_, far) = open(&mut lab, 5_000_000);
        lab.outside(&from_far(RST, far.wrapping_sub(back), 0));
        assert_eq!(lab.only_state(), FlowState::Reset, "{back}");
    }
    let mut lab = Lab::new();
    let (red, _) = open(&mut lab, 70_000);
    lab.red(&from_red(RST, red, 0));
    assert_eq!(lab.only_state(), FlowState::Reset);
}

#[test]
fn pitfall_redan_resets_with_guessed_numbers_remove_no_flow() {
    let mut lab = Lab::new();
    let (red, far) = open(&mut lab, 1_000_000);
    // Every number that is not within four units of 64 KiB, 4096 of them.
    let mut hits = 0;
    for guess in 0..4096_u32 {
        let number = guess << 20;
        let distance = far.wrapping_sub(number);
        if !(0x0008_0000..=0xfff8_0000).contains(&distance) {
            hits += 1;
            continue;
        }
        lab.outside(&from_far(RST, number, 0));
        lab.outside(&from_far(RST | ACK, number, red));
        lab.outside(&from_far(FIN | ACK, far, number));
        assert_eq!(lab.only_state(), FlowState::Established, "{number:#x}");
    }
    assert!(hits <= 2, "{hits} numbers were left out");
    assert_eq!(lab.flow_count(), 1);
    lab.outside(&from_far(ACK, far, red)).reached(RED, (FAR, 443), (RED, 40_000));
}

#[test]
fn pitfall_redan_forged_data_does_not_move_the_window_for_a_reset() {
    let mut lab = Lab::new();
    let (_, far) = open(&mut lab, 1_000_000);
    let number = far.wrapping_add(0x3000_0000);
    for guess in 1..256_u32 {
        lab.outside(&from_far(ACK, number, RED_FIRST.wrapping_add(guess << 24)));
    }
    lab.outside(&from_far(RST, number, 0));
    assert_eq!(lab.only_state(), FlowState::Established);
}

#[test]
fn rfc7857_a_connection_that_continues_after_a_rst_is_kept() {
    let mut lab = Lab::new();
    let (red, far) = open(&mut lab, 0);
    lab.outside(&from_far(RST, far, 0));
    let at = lab.only_flow().1.last_seen;
    // Stragglers of a connection that is really over.
    lab.router.wait(2);
    lab.outside(&from_far(ACK, far, red)).reached(RED, (FAR, 443), (RED, 40_000));
    assert_eq!(lab.only_state(), FlowState::Reset);
    assert_eq!(lab.only_flow().1.last_seen, at);
    lab.router.wait(200);
    lab.red(&from_red(ACK, red, far)).left_as((HOST, 40_000), (FAR, 443));
    assert_eq!(lab.only_state(), FlowState::Established);
    lab.router.wait(7_000);
    lab.outside(&from_far(ACK, far, red)).reached(RED, (FAR, 443), (RED, 40_000));
}

#[test]
fn pitfall_redan_a_forged_fin_does_not_close_a_connection_that_still_sends() {
    for is_inside in [true, false] {
        let mut lab = Lab::new();
        let (red, far) = open(&mut lab, 500_000);
        let segment = |flags, beyond: u32, bytes| {
            let numbers = if is_inside { (red, far) } else { (far, red) };
            let (sequence, acknowledged) = (numbers.0.wrapping_add(beyond), numbers.1);
            let packet = if is_inside { from_red } else { from_far };
            packet(flags, sequence, acknowledged).payload(bytes)
        };
        let send = |lab: &mut Lab, packet: &Datagram| {
            if is_inside {
                lab.red(packet)
            } else {
                lab.outside(packet)
            };
        };
        send(&mut lab, &segment(FIN | ACK, 0, 0));
        let closed = if is_inside { FlowState::InsideClosed } else { FlowState::RemoteClosed };
        assert_eq!(lab.only_state(), closed);
        // The end of a real one: it acknowledges, sends nothing more, and repeats what was lost.
        send(&mut lab, &segment(ACK, 1, 0));
        send(&mut lab, &segment(ACK, 0x0001_0000_u32.wrapping_neg(), 1000));
        assert_eq!(lab.only_state(), closed);
        // The other end may go on for long.
        let other = if is_inside {
            from_far(ACK, far.wrapping_add(0x0002_0000), red)
        } else {
            from_red(ACK, red.wrapping_add(0x0002_0000), far)
        };
        let other = other.payload(1000);
        if is_inside {
            lab.outside(&other)
        } else {
            lab.red(&other)
        };
        assert_eq!(lab.only_state(), closed);
        // That of a forged one goes on with data.
        send(&mut lab, &segment(ACK, 0x0002_0000, 1000));
        assert_eq!(lab.only_state(), FlowState::Established);
    }
}

#[test]
fn a_refusal_is_recognised_by_the_number_it_acknowledges() {
    for (flags, acknowledged, state) in [
        (RST | ACK, RED_FIRST.wrapping_add(1), FlowState::Aborted),
        (RST | ACK, RED_FIRST.wrapping_add(0x0100_0000), FlowState::SynSent),
        (RST, 0, FlowState::SynSent),
    ] {
        let mut lab = Lab::new();
        lab.red(&from_red(SYN, RED_FIRST, 0));
        let answer = lab.outside(&from_far(flags, 0, acknowledged));
        answer.reached(RED, (FAR, 443), (RED, 40_000));
        assert_eq!(lab.only_state(), state);
    }
}

#[test]
fn a_reset_right_after_the_syn_is_accepted() {
    let mut lab = Lab::new();
    lab.red(&from_red(SYN, RED_FIRST, 0));
    lab.red(&from_red(RST, RED_FIRST.wrapping_add(1), 0));
    assert_eq!(lab.only_state(), FlowState::Aborted);
}

#[test]
fn rfc5382_req2_simultaneous_open_tracks_both_sequence_numbers() {
    let mut lab = Lab::new();
    let (red, far) = (RED_FIRST.wrapping_add(1), FAR_FIRST.wrapping_add(1));
    lab.red(&from_red(SYN, RED_FIRST, 0));
    lab.outside(&from_far(SYN, FAR_FIRST, 0)).reached(RED, (FAR, 443), (RED, 40_000));
    lab.red(&from_red(SYN | ACK, RED_FIRST, far));
    lab.outside(&from_far(SYN | ACK, FAR_FIRST, red));
    lab.red(&from_red(ACK, red, far));
    assert_eq!(lab.only_state(), FlowState::Established);
    lab.outside(&from_far(RST, far, 0));
    assert_eq!(lab.only_state(), FlowState::Reset);
}

#[test]
fn a_syn_with_another_sequence_number_restarts_the_flow() {
    let mut lab = Lab::new();
    lab.red(&from_red(SYN, 0x7000_0000, 0));
    lab.red(&from_red(SYN, RED_FIRST, 0));
    let (red, far) = (RED_FIRST.wrapping_add(1), FAR_FIRST.wrapping_add(1));
    lab.outside(&from_far(SYN | ACK, FAR_FIRST, red));
    lab.red(&from_red(ACK, red, far));
    assert_eq!(lab.only_state(), FlowState::Established);
}

#[test]
fn a_connection_whose_record_was_lost_is_picked_up_without_a_reset() {
    let mut lab = Lab::new();
    let (red, far) = open(&mut lab, 5_000_000);
    lab.router.tables.flush();
    // From outside nothing is known of it.
    lab.outside(&from_far(ACK, far, red)).passed();
    lab.red(&from_red(ACK, red, far)).left_as((HOST, 40_000), (FAR, 443));
    assert_eq!(lab.only_state(), FlowState::PickedUp);
    lab.outside(&from_far(ACK, far, red)).reached(RED, (FAR, 443), (RED, 40_000));
    assert_eq!(lab.only_state(), FlowState::Established);
    lab.outside(&from_far(RST, far.wrapping_add(0x0100_0000), 0));
    assert_eq!(lab.only_state(), FlowState::Established);
    lab.outside(&from_far(RST, far, 0));
    assert_eq!(lab.only_state(), FlowState::Reset);
}

#[test]
fn a_peer_may_reset_a_picked_up_connection() {
    let mut lab = Lab::new();
    lab.red(&from_red(ACK, 0x0100_0000, 0x0200_0000));
    assert_eq!(lab.only_state(), FlowState::PickedUp);
    // Not a word of somebody who guesses establishes it.
    lab.outside(&from_far(ACK, 0x7000_0000, 0x7000_0000));
    assert_eq!(lab.only_state(), FlowState::PickedUp);
    lab.outside(&from_far(RST, 0x0200_0000, 0));
    assert_eq!(lab.only_state(), FlowState::Aborted);
}

#[test]
fn pitfall_a_reused_tuple_does_not_inherit_the_closing_timer() {
    let mut lab = Lab::new();
    let (red, far) = open(&mut lab, 0);
    lab.red(&from_red(FIN | ACK, red, far));
    lab.outside(&from_far(FIN | ACK, far, red.wrapping_add(1)));
    assert_eq!(lab.only_state(), FlowState::TimeWait);
    lab.router.wait(1);
    open(&mut lab, 0);
    lab.router.wait(7_000);
    lab.outside(&from_far(ACK, far, red)).reached(RED, (FAR, 443), (RED, 40_000));
    assert_eq!(lab.only_state(), FlowState::Established);
}

#[test]
fn pitfall_cilium_47425_a_late_packet_is_translated_and_never_leaks() {
    let mut lab = Lab::new();
    let (red, far) = open(&mut lab, 0);
    lab.red(&from_red(FIN | ACK, red, far));
    lab.outside(&from_far(FIN | ACK, far, red.wrapping_add(1)));
    lab.router.wait(300);
    // From outside: it makes no record.
    lab.outside(&from_far(ACK, far.wrapping_add(1), red.wrapping_add(1))).passed();
    assert_eq!(lab.flow_count(), 1, "the expired one");
    // From inside: picked up, with the host's address; and so is the next connection.
    let late = lab.red(&from_red(ACK, red.wrapping_add(1), far.wrapping_add(1)));
    late.left_as((HOST, 40_000), (FAR, 443));
    assert_eq!(lab.only_state(), FlowState::PickedUp);
    let next = lab.red(&from_red(SYN, 0x5555_0000, 0));
    next.left_as((HOST, 40_000), (FAR, 443));
    lab.outside(&from_far(SYN | ACK, 0x6666_0000, 0x5555_0001));
    lab.red(&from_red(ACK, 0x5555_0001, 0x6666_0001));
    assert_eq!(lab.only_state(), FlowState::Established);
}

#[test]
fn pitfall_cilium_8740_33074_a_closed_connection_does_not_block_its_port_for_other_destinations() {
    let mut lab = Lab::new();
    let (red, far) = open(&mut lab, 0);
    lab.red(&from_red(RST, red, 0));
    // For another destination at once.
    let elsewhere = lab.blue(&ipv4(BLUE, LAN).tcp(40_000, 443, SYN));
    elsewhere.left_as((HOST, 40_000), (LAN, 443));
    // For the same one once the connection is really over.
    let taken = lab.blue(&ipv4(BLUE, FAR).tcp(40_000, 443, SYN));
    assert_ne!(taken.head().source_port.number(), 40_000);
    let timeouts = lab.router.tables.settings.timeouts;
    lab.router.now = lab.router.now.wrapping_add(timeouts.tcp_closing + 1);
    let free = lab.blue(&ipv4(BLUE, FAR).tcp(40_000, 443, ACK).numbers(1, far));
    free.left_as((HOST, 40_000), (FAR, 443));
}

#[test]
fn timeouts_follow_the_settings() {
    let mut lab = Lab::new();
    let timeouts = &mut lab.router.tables.settings.timeouts;
    timeouts.tcp_opening = ticks(5);
    timeouts.tcp_established = ticks(50);
    timeouts.tcp_closing = ticks(10);
    lab.red(&from_red(SYN, RED_FIRST, 0));
    lab.router.wait(7);
    lab.outside(&from_far(SYN | ACK, FAR_FIRST, RED_FIRST.wrapping_add(1))).passed();
    let (red, far) = open(&mut lab, 0);
    lab.router.wait(45);
    lab.outside(&from_far(ACK, far, red)).reached(RED, (FAR, 443), (RED, 40_000));
    lab.outside(&from_far(FIN | ACK, far, red));
    assert_eq!(lab.only_state(), FlowState::RemoteClosed);
    lab.router.wait(12);
    lab.outside(&from_far(ACK, far, red)).passed();
}
