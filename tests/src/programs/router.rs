//! Builds the router of the lecture's lab without the other namespaces.

use std::fs;

use netns_common::{
    abi::Mac,
    model::{Device, Places},
};

use crate::{Sandbox, own};

/// Commands of `ip`. The far ends of the cables stay in the router's namespace: no packet is sent,
/// and the kernel's routes do not depend on them.
const LINES: &str = "\
link add v-net-0 type bridge
link add veth-red-br type veth peer name veth-red
link add veth-blue-br type veth peer name veth-blue
link add ens3 type veth peer name lan
link add reassembler type veth peer name assembler
link set veth-red-br master v-net-0
link set veth-blue-br master v-net-0
link set veth-red up
link set veth-blue up
link set lan up
link set veth-red-br up
link set veth-blue-br up
link set v-net-0 up
link set ens3 up
link set assembler up
link set reassembler up
address add 192.168.15.5/24 dev v-net-0
address add 192.168.1.10/24 dev ens3
route add default via 192.168.1.1";

/// Makes the calling thread the router until the sandbox is dropped.
pub fn router() -> (Sandbox, Places) {
    let sandbox = Sandbox::new();
    // /proc/sys/net shows the thread's own namespace.
    set("net/ipv6/conf/default/disable_ipv6", "1");
    set("net/ipv4/ip_forward", "1");
    for line in LINES.lines() {
        own().command("ip", &line.split(' ').collect::<Vec<_>>()).success();
    }
    (sandbox, places())
}

fn set(name: &str, value: &str) {
    fs::write(format!("/proc/sys/{name}"), value).unwrap_or_else(|error| panic!("{name}: {error}"));
}

fn places() -> Places {
    let device = |name: &str| Device { index: index(name), mac: mac(name) };
    Places {
        red_port: index("veth-red-br"),
        blue_port: index("veth-blue-br"),
        red_mac: mac("veth-red"),
        blue_mac: mac("veth-blue"),
        bridge: device("v-net-0"),
        uplink: device("ens3"),
        lan_mac: mac("lan"),
        reassembler: index("reassembler"),
    }
}

fn index(name: &str) -> u32 {
    nix::net::if_::if_nametoindex(name).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn mac(name: &str) -> Mac {
    let interfaces = nix::ifaddrs::getifaddrs().expect("the interfaces");
    let addresses = interfaces.filter(|entry| entry.interface_name == name);
    addresses
        .filter_map(|entry| entry.address?.as_link_addr()?.addr())
        .next()
        .unwrap_or_else(|| panic!("{name} has no Ethernet address"))
}
