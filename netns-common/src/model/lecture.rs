//! The lecture's lab:
//!
//! ```text
//! red  192.168.15.1 ── red_port  ┐
//!                                ├─ bridge 192.168.15.5/24  [router]  uplink 192.168.1.10/24 ── lan 192.168.1.1 ── 8.8.8.8
//! blue 192.168.15.2 ── blue_port ┘
//! masquerade 192.168.15.0/24 out of the uplink
//! forward tcp 80 and 8080 -> blue:80, udp 5353 -> blue:53, sctp 5060 -> blue:5061
//! ```

use std::collections::HashMap;

use super::{
    routes::{Routes, Way},
    tables::MemoryTables,
};
use crate::abi::{
    BridgePort, Endpoint, Forward, Ip4, LinkRole, Mac, Masquerade, Prefix, Protocol, Settings,
    Timeouts,
};

/// The addresses of the lab.
pub mod address {
    use crate::abi::Ip4;

    pub const RED: Ip4 = Ip4::new(192, 168, 15, 1);
    pub const BLUE: Ip4 = Ip4::new(192, 168, 15, 2);
    /// The router, as the namespaces know it.
    pub const BRIDGE: Ip4 = Ip4::new(192, 168, 15, 5);
    /// The router, as the outside knows it.
    pub const HOST: Ip4 = Ip4::new(192, 168, 1, 10);
    /// The broadcast addresses of both.
    pub const BROADCASTS: [Ip4; 2] = [Ip4::new(192, 168, 15, 255), Ip4::new(192, 168, 1, 255)];
    /// The next hop outside.
    pub const LAN: Ip4 = Ip4::new(192, 168, 1, 1);
    /// Somewhere beyond it.
    pub const FAR: Ip4 = Ip4::new(8, 8, 8, 8);
    /// An address of the network that [`super::add_rules`] excludes from the masquerade.
    pub const EXCLUDED: Ip4 = Ip4::new(203, 0, 113, 5);
}

/// Ids of the rules, in the order in which they are added.
pub mod rules {
    use crate::abi::RuleId;

    pub const MASQUERADE: RuleId = 1;
    pub const TCP_80: RuleId = 2;
    pub const TCP_8080: RuleId = 3;
    pub const UDP_5353: RuleId = 4;
    pub const SCTP_5060: RuleId = 5;
    /// The rules of [`super::add_rules`].
    pub const TCP_RANGE: RuleId = 6;
    pub const UDP_RANGE: RuleId = 7;
    pub const UDP_OF_HOST: RuleId = 8;
    pub const TCP_RESTRICTED: RuleId = 9;
    /// The last of all.
    pub const LAST: RuleId = TCP_RESTRICTED;
}

/// A network device.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Device {
    pub index: u32,
    pub mac: Mac,
}

/// Indexes and Ethernet addresses of the lab's devices.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Places {
    /// The host sides of the cables.
    pub red_port: u32,
    pub blue_port: u32,
    /// The far ends of the cables.
    pub red_mac: Mac,
    pub blue_mac: Mac,
    pub bridge: Device,
    pub uplink: Device,
    pub lan_mac: Mac,
    /// Index of the link to the reassembler.
    pub reassembler: u32,
}

impl Default for Places {
    fn default() -> Self {
        let mac = |last| [0x02, 0, 0, 0, 0, last];
        Self {
            red_port: 11,
            blue_port: 12,
            red_mac: mac(1),
            blue_mac: mac(2),
            bridge: Device { index: 10, mac: mac(5) },
            uplink: Device { index: 3, mac: mac(10) },
            lan_mac: mac(11),
            reassembler: 20,
        }
    }
}

/// The lab's tables as its datapath is configured, with room for `capacity` flows.
pub fn tables(places: &Places, capacity: usize) -> MemoryTables {
    let Places { bridge, uplink, reassembler, .. } = *places;
    let mut settings = Settings {
        seed: [0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210],
        timeouts: Timeouts::default(),
        other_nat_timeouts: Timeouts::OF_NETFILTER,
        port_min: 1024,
        port_max: u16::MAX,
        source_check: 1,
        inside_count: 1,
        reassembler,
        uplink_count: 1,
        ..Settings::default()
    };
    settings.inside[0] = Prefix::new(address::BRIDGE, 24);
    settings.uplinks[0] = uplink.index;
    settings.externals[0] = address::HOST;
    settings.own_namespace = 1;
    let port = |mac| BridgePort {
        bridge: bridge.index,
        bridge_mac: bridge.mac,
        mac,
        ..BridgePort::default()
    };
    let end = |cable, mac| Endpoint { cable, bridge: bridge.index, mac, padding: [0; 2] };
    let masquerade = Masquerade { rule: rules::MASQUERADE, length: 24, ..Masquerade::default() };
    let mut tables = MemoryTables::default();
    tables.settings = settings;
    tables.masquerades = [(Prefix::new(address::BRIDGE, 24), uplink.index, masquerade)].into();
    tables.forwards = HashMap::from([
        (rules::TCP_80, forward(Protocol::Tcp, 80, 80)),
        (rules::TCP_8080, forward(Protocol::Tcp, 8080, 80)),
        (rules::UDP_5353, forward(Protocol::Udp, 5353, 53)),
        (rules::SCTP_5060, forward(Protocol::Sctp, 5060, 5061)),
    ]);
    tables.endpoints = HashMap::from([
        (address::RED, end(places.red_port, places.red_mac)),
        (address::BLUE, end(places.blue_port, places.blue_mac)),
    ]);
    tables.bridge_ports = HashMap::from([
        (places.red_port, port(places.red_mac)),
        (places.blue_port, port(places.blue_mac)),
    ]);
    tables.host_addresses = [address::BRIDGE, address::HOST].into();
    tables.broadcast_addresses = address::BROADCASTS.into();
    tables.link_roles =
        HashMap::from([(bridge.index, LinkRole::Lab), (uplink.index, LinkRole::Uplink)]);
    tables.routes = routes(places);
    tables.capacity = capacity;
    tables
}

/// Adds rules of every kind: tcp 20000 to 29999 to blue:10000 and on; udp 400 to 499 to the same
/// of blue, of which the uplink's address has 443 for red; tcp 443 to blue, for the LAN's host and
/// for red. What goes to 203.0.113.0/24 is not masqueraded, and segments have 1,400 bytes at most.
pub fn add_rules(tables: &mut MemoryTables) {
    tables.settings.mss_clamp = 1;
    for (.., masquerade) in &mut tables.masquerades {
        (masquerade.mss, masquerade.excludes) = (1400, 1);
    }
    let range =
        |protocol, first, last, target| Forward { last, ..forward(protocol, first, target) };
    let of_host = Forward {
        address: address::HOST,
        target: address::RED,
        ..forward(Protocol::Udp, 443, 443)
    };
    let restricted = Forward { restricted: 1, ..forward(Protocol::Tcp, 443, 443) };
    tables.forwards.extend([
        (rules::TCP_RANGE, range(Protocol::Tcp, 20_000, 29_999, 10_000)),
        (rules::UDP_RANGE, range(Protocol::Udp, 400, 499, 400)),
        (rules::UDP_OF_HOST, of_host),
        (rules::TCP_RESTRICTED, restricted),
    ]);
    tables.rule_prefixes.extend([
        (rules::MASQUERADE, Prefix::new(address::EXCLUDED, 24)),
        (rules::TCP_RESTRICTED, Prefix::new(address::LAN, 32)),
        (rules::TCP_RESTRICTED, Prefix::new(address::RED, 32)),
    ]);
}

fn forward(protocol: Protocol, port: u16, target: u16) -> Forward {
    Forward {
        target: address::BLUE,
        first: port,
        last: port,
        target_first: target,
        protocol: protocol.number(),
        ..Forward::default()
    }
}

/// The routes that the kernel derives from the lab's addresses and its default route.
fn routes(places: &Places) -> Routes {
    let inside = Way::OnLink { egress: places.bridge.index, source: address::BRIDGE };
    let lan = Way::OnLink { egress: places.uplink.index, source: address::HOST };
    let default =
        Way::Via { egress: places.uplink.index, gateway: address::LAN, source: address::HOST };
    Routes::new(&[places.bridge.index, places.uplink.index, places.red_port, places.blue_port])
        .with(Ip4::UNSPECIFIED, 0, default)
        .with(address::BRIDGE, 24, inside)
        .with(address::HOST, 24, lan)
        .with(address::BRIDGE, 32, Way::Local)
        .with(address::HOST, 32, Way::Local)
        .with(Ip4::new(192, 168, 15, 255), 32, Way::Local)
        .with(Ip4::new(192, 168, 1, 255), 32, Way::Local)
        .with(Ip4::new(127, 0, 0, 0), 8, Way::Local)
}
