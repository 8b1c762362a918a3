//! The quotas of each namespace, and of the outside, in the flow table.

use netns_common::{
    abi::{DropReason, Limits, Load, WHOLE_TABLE, ticks},
    datapath::{FlowTable as _, UsageTable as _, Verdict},
};

use crate::lab::{ACK, BLUE, BRIDGE, FAR, FIN, HOST, LAN, Lab, RED, RST, SYN, ipv4};

/// Communication administratively prohibited.
const PROHIBITED: (u8, u8) = (3, 13);

/// A lab with room for 1,000 flows, and these limits.
fn limited(quota: u32, unreplied: u32, unreplied_share: u32) -> Lab {
    let mut lab = Lab::new();
    lab.router.tables.settings.limits =
        Limits { quota, unreplied, unreplied_share, half_open: unreplied, ..Limits::default() };
    lab
}

impl Lab {
    fn load_of(&self, link: u32) -> (u64, u64) {
        let Load { flows, unreplied } = self.router.tables.load(link);
        (flows, unreplied)
    }

    /// The load of red's cable, blue's cable, the uplink and all together.
    fn loads(&self) -> [(u64, u64); 4] {
        let places = self.places;
        [places.red_port, places.blue_port, places.uplink.index, WHOLE_TABLE]
            .map(|link| self.load_of(link))
    }

    /// Checks that the counts match the table.
    #[track_caller]
    fn counts_are_right(&self) {
        let expected = self.router.tables.loads();
        for (link, usage) in self.router.tables.usage() {
            let load = expected.get(&link).copied().unwrap_or_default();
            assert_eq!(usage.load(), load, "link {link}");
        }
        for link in expected.keys() {
            assert!(self.router.tables.usage().contains_key(link), "link {link}");
        }
    }
}

#[test]
fn rfc6888_req4_a_namespace_has_at_most_its_quota_of_connections() {
    let mut lab = limited(10, 1000, 1000);
    let sent: Vec<_> = (0..10).map(|n| lab.red(&ipv4(RED, FAR).udp(40_000 + n, 53))).collect();
    for (port, sent) in (40_000..).zip(&sent) {
        lab.answer(sent).reached(RED, (FAR, 53), (RED, port));
    }
    for packet in [
        ipv4(RED, FAR).udp(41_000, 53),
        ipv4(RED, LAN).tcp(41_000, 443, SYN),
        ipv4(RED, LAN).echo_request(1),
        ipv4(RED, HOST).tcp(41_000, 80, SYN),
    ] {
        let refused = lab.red(&packet);
        assert_eq!(refused.refused(DropReason::Quota, BRIDGE), (PROHIBITED, 0));
    }
    assert_eq!((lab.flow_count(), lab.drops(DropReason::Quota)), (10, 4));
    // Its flows continue, and others may begin flows.
    for (port, sent) in (40_000..).zip(&sent) {
        lab.red(&ipv4(RED, FAR).udp(port, 53)).left_as((HOST, port), (FAR, 53));
        lab.answer(sent).reached(RED, (FAR, 53), (RED, port));
    }
    lab.blue(&ipv4(BLUE, FAR).udp(41_000, 53)).left_as((HOST, 41_000), (FAR, 53));
    lab.outside(&ipv4(FAR, HOST).tcp(41_000, 80, SYN)).reached(BLUE, (FAR, 41_000), (BLUE, 80));
    assert_eq!(lab.loads(), [(10, 0), (1, 1), (1, 1), (12, 1)]);
}

#[test]
fn rfc6888_req4_a_namespace_may_have_a_quota_of_its_own() {
    let mut lab = limited(3, 1000, 1000);
    let red = lab.places.red_port;
    lab.router.tables.bridge_ports.get_mut(&red).expect("red's port").quota = 5;
    let begun = |lab: &mut Lab, is_red: bool| {
        let began = (0..10).map(|n| {
            let source = if is_red { RED } else { BLUE };
            let packet = ipv4(source, FAR).udp(40_000 + n, 53);
            if is_red { lab.red(&packet) } else { lab.blue(&packet) }
        });
        began.filter(|sent| matches!(sent.verdict, Verdict::Redirect(_))).count()
    };
    assert_eq!((begun(&mut lab, true), begun(&mut lab, false)), (5, 3));
}

#[test]
fn a_closed_connection_frees_its_share_of_the_quota() {
    let mut lab = limited(1, 1000, 1000);
    lab.red(&ipv4(RED, FAR).udp(40_000, 53)).left_as((HOST, 40_000), (FAR, 53));
    lab.red(&ipv4(RED, FAR).udp(40_001, 53)).dropped(DropReason::Quota);
    lab.router.wait(121);
    lab.router.tables.sweep(lab.router.now);
    assert_eq!(lab.loads(), [(0, 0); 4]);
    lab.red(&ipv4(RED, FAR).udp(40_001, 53)).left_as((HOST, 40_001), (FAR, 53));
}

#[test]
fn pitfall_flood_unreplied_connections_of_one_namespace_do_not_affect_others() {
    let mut lab = limited(500, 100, 400);
    let old = lab.blue(&ipv4(BLUE, FAR).tcp(40_000, 443, SYN));
    lab.answer(&old);
    let answered = lab.red(&ipv4(RED, FAR).udp(39_999, 53));
    lab.answer(&answered);
    for port in 1..=2000 {
        lab.red(&ipv4(RED, FAR).tcp(port, 443, SYN));
        lab.red(&ipv4(RED, LAN).udp(port, 9));
    }
    assert_eq!(lab.load_of(lab.places.red_port), (101, 100));
    assert_eq!(lab.drops(DropReason::UnrepliedQuota), 3900);
    lab.blue(&ipv4(BLUE, FAR).tcp(40_000, 443, ACK)).left_as((HOST, 40_000), (FAR, 443));
    for port in 41_000..41_050 {
        let new = lab.blue(&ipv4(BLUE, FAR).tcp(port, 443, SYN));
        lab.answer(&new).reached(BLUE, (FAR, 443), (BLUE, port));
    }
    // Red's own that was answered is left alone too.
    lab.answer(&answered).reached(RED, (FAR, 53), (RED, 39_999));
    lab.counts_are_right();
}

#[test]
fn pitfall_flood_from_outside_does_not_affect_connections_of_namespaces() {
    let mut lab = limited(500, 100, 400);
    for port in 1..=2000 {
        lab.outside(&ipv4(FAR, HOST).tcp(port, 80, SYN));
    }
    assert_eq!(lab.load_of(lab.places.uplink.index), (100, 100));
    let refused = lab.outside(&ipv4(LAN, HOST).tcp(7, 80, SYN));
    // A caller from outside gets no error (RFC 5508 requires one only towards the inside).
    assert_eq!(refused.verdict, Verdict::Drop(DropReason::UnrepliedQuota));
    lab.blue(&ipv4(BLUE, FAR).udp(40_000, 53)).left_as((HOST, 40_000), (FAR, 53));
    lab.red(&ipv4(RED, HOST).tcp(40_000, 80, SYN)).reached(BLUE, (HOST, 40_000), (BLUE, 80));
}

#[test]
fn pitfall_flood_of_several_senders_leaves_half_of_the_table_to_answered_connections() {
    let mut lab = limited(500, 160, 150);
    for port in 1..=500 {
        lab.red(&ipv4(RED, FAR).udp(port, 53));
        lab.outside(&ipv4(FAR, HOST).tcp(port, 80, SYN));
    }
    // Calls have a share of their own.
    assert_eq!(lab.load_of(WHOLE_TABLE), (310, 150));
    assert!(lab.drops(DropReason::UnrepliedShare) > 0);
    // A namespace with few of these is not refused because of others.
    for port in 1..=20 {
        lab.blue(&ipv4(BLUE, FAR).udp(40_000 + port, 53)).left_as((HOST, 40_000 + port), (FAR, 53));
    }
    lab.blue(&ipv4(BLUE, FAR).udp(41_000, 53)).dropped(DropReason::UnrepliedShare);
    let answered = lab.blue(&ipv4(BLUE, FAR).udp(40_001, 53));
    lab.answer(&answered);
    lab.blue(&ipv4(BLUE, FAR).udp(41_000, 53)).left_as((HOST, 41_000), (FAR, 53));
    lab.counts_are_right();
}

#[test]
fn pitfall_flood_a_reset_by_the_caller_does_not_count_as_an_answer() {
    let mut lab = limited(500, 10, 400);
    for port in 1..=100 {
        lab.red(&ipv4(RED, FAR).tcp(port, 443, SYN));
        lab.red(&ipv4(RED, FAR).tcp(port, 443, RST | ACK));
        lab.red(&ipv4(RED, LAN).tcp(port, 443, ACK));
        lab.red(&ipv4(RED, LAN).tcp(port, 443, FIN | ACK));
    }
    assert_eq!(lab.load_of(lab.places.red_port), (10, 10));
    lab.counts_are_right();
}

#[test]
fn every_kind_of_connection_counts_for_its_initiator() {
    let mut lab = Lab::new();
    let masqueraded = lab.red(&ipv4(RED, FAR).udp(40_000, 53));
    let forwarded = lab.outside(&ipv4(FAR, HOST).tcp(50_000, 80, SYN));
    let between = lab.red(&ipv4(RED, HOST).tcp(40_000, 80, SYN));
    lab.red(&ipv4(RED, FAR).protocol(47));
    // One to a forward of another namespace has two records, both of the caller.
    assert_eq!(lab.loads(), [(4, 4), (0, 0), (1, 1), (5, 4)]);
    for sent in [&masqueraded, &forwarded, &between] {
        // The second answer is none.
        lab.answer(sent);
        lab.answer(sent);
        lab.counts_are_right();
    }
    // A call is none of the whole table's that are without an answer, and none is answered by a
    // SYN-ACK.
    assert_eq!(lab.loads(), [(4, 1), (0, 0), (1, 1), (5, 1)]);
    lab.outside(&ipv4(FAR, HOST).tcp(50_000, 80, ACK));
    lab.counts_are_right();
    assert_eq!(lab.loads()[2], (1, 0));
    // A port that had to change is no other thing.
    lab.blue(&ipv4(BLUE, FAR).udp(40_000, 53));
    assert_eq!(lab.loads()[1], (1, 1));
    // A new connection in the place of a closing one counts once.
    lab.red(&ipv4(RED, LAN).tcp(42_000, 443, SYN));
    lab.red(&ipv4(RED, LAN).tcp(42_000, 443, RST | ACK));
    lab.red(&ipv4(RED, LAN).tcp(42_000, 443, SYN));
    assert_eq!(lab.loads()[0], (5, 2));
    lab.counts_are_right();
    lab.router.wait(8_000);
    lab.router.tables.sweep(lab.router.now);
    assert_eq!((lab.flow_count(), lab.loads()), (0, [(0, 0); 4]));
    assert_eq!(lab.router.tables.usage().len(), 1, "nothing is kept but of the whole table");
}

#[test]
fn a_udp_call_counts_as_answered_when_its_caller_sends_again() {
    let mut lab = Lab::new();
    let question = ipv4(FAR, HOST).udp(50_000, 5353);
    let sent = lab.outside(&question);
    lab.answer(&sent);
    lab.answer(&sent);
    assert_eq!(lab.loads()[2], (1, 1), "a forged source is answered too");
    lab.outside(&question);
    assert_eq!(lab.loads()[2], (1, 0));
    lab.outside(&question);
    lab.counts_are_right();
}

#[test]
fn a_connection_that_two_cpus_begin_at_once_counts_once() {
    let mut lab = Lab::new();
    lab.red(&ipv4(RED, FAR).udp(40_000, 53));
    let rival = lab.only_flow();
    lab.router.tables.remove_uncounted(&rival.0);
    lab.router.tables.rival.set(Some(rival));
    lab.red(&ipv4(RED, FAR).udp(40_000, 53)).left_as((HOST, 40_000), (FAR, 53));
    // The rival's own count is that of the first packet.
    assert_eq!(lab.load_of(lab.places.red_port), (1, 1));
    lab.counts_are_right();
}

#[test]
fn a_flow_that_finds_no_index_entry_for_its_translated_port_is_not_counted() {
    let mut lab = Lab::new();
    lab.red(&ipv4(RED, FAR).udp(40_000, 53));
    lab.blue(&ipv4(BLUE, FAR).udp(40_000, 53));
    // A port that blue had to change stays behind, and fills the table of these.
    for key in lab.router.tables.flows().keys() {
        lab.router.tables.remove_uncounted(key);
    }
    lab.router.tables.sweep(lab.router.now);
    lab.router.tables.capacity = 1;
    let refused = lab.red(&ipv4(RED, FAR).tcp(80, 443, SYN));
    refused.dropped(DropReason::TableFull);
    assert_eq!((lab.flow_count(), lab.loads()), (0, [(0, 0); 4]));
    lab.red(&ipv4(RED, FAR).tcp(40_000, 443, SYN)).left_as((HOST, 40_000), (FAR, 443));
    assert_eq!(lab.loads()[0], (1, 1));
}

/// Records that somebody removes who counts nothing.
#[test]
fn a_sweep_corrects_the_count_of_removed_records() {
    let mut lab = limited(10, 1000, 1000);
    for port in 40_000..40_010 {
        lab.red(&ipv4(RED, FAR).udp(port, 53));
    }
    for key in lab.router.tables.flows().keys() {
        lab.router.tables.remove_uncounted(key);
    }
    lab.red(&ipv4(RED, FAR).udp(41_000, 53)).dropped(DropReason::Quota);
    lab.router.tables.sweep(lab.router.now);
    assert_eq!(lab.loads(), [(0, 0); 4]);
    lab.red(&ipv4(RED, FAR).udp(41_000, 53)).left_as((HOST, 41_000), (FAR, 53));
    lab.counts_are_right();
    // Nor is a record that is there without having been counted lost.
    let (key, flow) = lab.only_flow();
    lab.router.tables.flush();
    lab.router.tables.insert_flow(&key, &flow).expect("room");
    lab.router.tables.sweep(lab.router.now);
    assert_eq!(lab.load_of(lab.places.red_port), (1, 1));
    lab.router.now += ticks(121);
    lab.router.tables.sweep(lab.router.now);
    assert_eq!(lab.loads(), [(0, 0); 4]);
}
