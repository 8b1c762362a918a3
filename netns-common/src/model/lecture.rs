//! The lecture's lab:
//!
//! ```text
//! red  192.168.15.1 ── red_port  ┐
//!                                ├─ bridge 192.168.15.5/24  [router]  uplink 192.168.1.10/24 ── lan 192.168.1.1 ── 8.8.8.8
//! blue 192.168.15.2 ── blue_port ┘
//! masquerade 192.168.15.0/24 out of the uplink · forward tcp 80 and 8080 -> blue:80, udp 5353 -> blue:53
//! ```

use std::collections::HashMap;

use super::{
    routes::{Routes, Way},
    tables::MemoryTables,
};
use crate::abi::{
    BridgePort, Endpoint, Forward, Ip4, Mac, Masquerade, Prefix, Protocol, Settings,
    Timeouts,
};

/// Who has which address.
pub mod address {
    use crate::abi::Ip4;

    pub const RED: Ip4 = Ip4::new(192, 168, 15, 1);
    pub const BLUE: Ip4 = Ip4::new(192, 168, 15, 2);
    /// The router, as the namespaces know it.
    pub const BRIDGE: Ip4 = Ip4::new(192, 168, 15, 5);
    /// The router, as the outside knows it.
    pub const HOST: Ip4 = Ip4::new(192, 168, 1, 10);
    /// The next hop outside.
    pub const LAN: Ip4 = Ip4::new(192, 168, 1, 1);
    /// Somewhere beyond it.
    pub const FAR: Ip4 = Ip4::new(8, 8, 8, 8);
}

/// Ids of the rules, in the order in which they are added.
pub mod rules {
    use crate::abi::RuleId;

    pub const MASQUERADE: RuleId = 1;
    pub const TCP_80: RuleId = 2;
    pub const TCP_8080: RuleId = 3;
    pub const UDP_5353: RuleId = 4;
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
        }
    }
}

/// The lab's tables as its datapath is configured, with room for `capacity` flows.
pub fn tables(places: &Places, capacity: usize) -> MemoryTables {
    let Places { bridge, uplink, .. } = *places;
    let mut settings = Settings {
        seed: [0x0123_4567_89ab_cdef, 0xfedc_ba98_7654_3210],
        timeouts: Timeouts::default(),
        port_min: 1024,
        port_max: u16::MAX,
        source_check: 1,
        inside_count: 1,
        uplink_count: 1,
        ..Settings::default()
    };
    settings.inside[0] = Prefix::new(address::BRIDGE, 24);
    settings.uplinks[0] = uplink.index;
    let port = BridgePort { bridge: bridge.index, bridge_mac: bridge.mac, padding: [0; 2] };
    let end = |cable, mac| Endpoint { cable, mac, padding: [0; 2] };
    let masquerade = Masquerade { rule: rules::MASQUERADE, length: 24, ..Masquerade::default() };
    let mut tables = MemoryTables::default();
    tables.settings = settings;
    tables.masquerades = [(Prefix::new(address::BRIDGE, 24), uplink.index, masquerade)].into();
    tables.forwards = HashMap::from([
        (rules::TCP_80, forward(Protocol::Tcp, 80, 80)),
        (rules::TCP_8080, forward(Protocol::Tcp, 8080, 80)),
        (rules::UDP_5353, forward(Protocol::Udp, 5353, 53)),
    ]);
    tables.endpoints = HashMap::from([
        (address::RED, end(places.red_port, places.red_mac)),
        (address::BLUE, end(places.blue_port, places.blue_mac)),
    ]);
    tables.bridge_ports = HashMap::from([(places.red_port, port), (places.blue_port, port)]);
    tables.host_addresses = [address::BRIDGE, address::HOST].into();
    tables.routes = routes(places);
    tables.capacity = capacity;
    tables
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

/// What the kernel makes of the lab's addresses and its default route.
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
