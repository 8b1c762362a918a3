//! Contention in the flow table: keys that share a bucket of its index, and CPUs that insert and
//! remove the same flows at the same time.

use std::{
    sync::atomic::{AtomicBool, Ordering},
    thread,
};

use netns_common::{
    abi::{DropReason, FlowKey, Ip4, Port, Protocol},
    datapath::BucketPair,
    model::{Hook, Places, VecPacket, address, ipv4},
};
use netns_tests::programs::{Kernel, router};

const DNS: u16 = 53;

/// Ticks after which every flow has expired.
const LONG_AGO: u32 = 1 << 20;

/// The action "redirect" (linux/pkt_cls.h).
const REDIRECTED: u32 = 7;

fn query(places: &Places, source: Ip4, port: u16) -> VecPacket {
    let (mac, link) = if source == address::RED {
        (places.red_mac, places.red_port)
    } else {
        (places.blue_mac, places.blue_port)
    };
    let packet = ipv4(source, address::FAR).dont_fragment().udp(port, DNS).payload(8);
    packet.frame(mac, places.bridge.mac, link)
}

/// The key of the flow of a query of red.
const fn key(port: u16) -> FlowKey {
    let (remote, external) = (address::FAR, address::HOST);
    FlowKey::new(remote, Port::new(DNS), external, Port::new(port), Protocol::Udp.number())
}

fn answer(places: &Places, port: u16) -> VecPacket {
    let packet = ipv4(address::FAR, address::HOST).dont_fragment().udp(DNS, port).payload(8);
    packet.frame(places.lan_mac, places.uplink.mac, places.uplink.index)
}

#[test]
fn flows_that_share_a_bucket_are_found_and_removed() {
    const FLOWS: usize = 60;
    let (_sandbox, places) = router();
    let mut kernel = Kernel::install(&places, 1024);
    let layout = kernel.flow_layout();
    let bucket_of = |port: u16| BucketPair::of_flow(&layout, &key(port)).first;
    let ports: Vec<u16> = (10_000..).filter(|port| bucket_of(*port) == 7).take(FLOWS).collect();
    assert_eq!(ports.len(), FLOWS);
    for port in &ports {
        let began = kernel.run(Hook::FromNamespace, &query(&places, address::RED, *port));
        assert_eq!(began.action, REDIRECTED, "{port}");
    }
    assert_eq!(kernel.flows().len(), FLOWS);
    assert!(kernel.overflow_count() >= FLOWS - 14, "a bucket has room for 14");
    // Every flow is found from both sides, and none is inserted twice.
    for port in &ports {
        let again = kernel.run(Hook::FromNamespace, &query(&places, address::RED, *port));
        assert_eq!(again.action, REDIRECTED, "{port}");
        assert_eq!(kernel.run(Hook::FromUplink, &answer(&places, *port)).action, REDIRECTED);
    }
    let flows = kernel.flows();
    assert_eq!(flows.len(), FLOWS);
    assert!(flows.values().all(|flow| (flow.packets_out, flow.packets_in) == (2, 1)), "{flows:?}");
    // The ports of blue are translated, and indexed by blue's own ports as well.
    for port in &ports {
        kernel.run(Hook::FromNamespace, &query(&places, address::BLUE, *port));
        kernel.run(Hook::FromNamespace, &query(&places, address::BLUE, *port));
    }
    assert_eq!((kernel.flows().len(), kernel.moved_flows().len()), (2 * FLOWS, FLOWS));
    // The flush also asserts that nothing is left.
    kernel.flush();
}

#[test]
fn every_record_of_the_flow_table_can_be_used_and_reused() {
    // The last word of the bitmap has bits without a record.
    const CAPACITY: usize = 1_000;
    let (_sandbox, places) = router();
    let mut kernel = Kernel::install(&places, u32::try_from(CAPACITY).expect("few"));
    let begins = |kernel: &Kernel, source, port| {
        kernel.run(Hook::FromNamespace, &query(&places, source, port)).action == REDIRECTED
    };
    let is_refused = |kernel: &Kernel| {
        let refused = || kernel.drop_counter(DropReason::TableFull).packets;
        let before = refused();
        begins(kernel, address::RED, 9_000);
        refused() == before + 1
    };
    // Answered flows of one namespace may fill the whole table.
    let mut ports = (10_000_u16..).filter(|port| {
        let begun = begins(&kernel, address::RED, *port);
        begun && kernel.run(Hook::FromUplink, &answer(&places, *port)).action == REDIRECTED
    });
    let last = ports.nth(CAPACITY - 1).expect("a port");
    assert_eq!(last, 10_000 + 999, "none was refused");
    assert_eq!(kernel.flows().len(), CAPACITY);
    kernel.assert_summed_up();
    assert!(is_refused(&kernel));
    // An expired record is reused only by a new flow with the same key.
    for over in [10_000, 10_063, 10_500, last] {
        kernel.edit_flows(|flow| {
            if flow.inside_port == Port::new(over) {
                flow.last_seen = flow.last_seen.wrapping_sub(LONG_AGO);
            }
        });
        assert!(begins(&kernel, address::RED, over), "{over}");
        assert_eq!(kernel.flows()[&key(over)].packets_out, 1, "{over} has begun anew");
        kernel.assert_summed_up();
        assert!(is_refused(&kernel));
    }
    kernel.flush();
}

#[test]
fn cpus_that_insert_and_remove_the_same_flows_at_once_leave_nothing_behind() {
    const ROUNDS: usize = 40;
    // More than the table holds, so that CPUs compete for its last records as well.
    const PORTS: std::ops::Range<u16> = 20_000..20_090;
    let (_sandbox, places) = router();
    let mut kernel = Kernel::install(&places, 128);
    let is_over = AtomicBool::new(false);
    let begin = |source: Ip4| {
        for port in PORTS.cycle().take(ROUNDS * PORTS.len()) {
            kernel.run(Hook::FromNamespace, &query(&places, source, port));
        }
    };
    thread::scope(|scope| {
        let begin = &begin;
        // Two threads with the same packets, one with translated ports, and one that removes flows.
        let beginners = [address::RED, address::RED, address::BLUE];
        let beginners = beginners.map(|source| scope.spawn(move || begin(source)));
        scope.spawn(|| {
            while !is_over.load(Ordering::Relaxed) {
                kernel.forget_all();
            }
        });
        let ends = beginners.map(thread::ScopedJoinHandle::join);
        // Set even after a failure: otherwise the fourth thread would never end.
        is_over.store(true, Ordering::Relaxed);
        for end in ends {
            end.expect("packets");
        }
    });
    let flows = kernel.records();
    let mut keys: Vec<_> = flows.iter().map(|(key, _)| key.to_bytes()).collect();
    keys.sort_unstable();
    keys.dedup();
    assert_eq!(keys.len(), flows.len(), "no key is there twice");
    kernel.assert_summed_up();
    kernel.flush();
}
