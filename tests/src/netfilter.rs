//! The reference lab: its router translates with iptables rules.

use crate::{Inside, inside, ip, own, set};

/// Builds the lecture's lab without `netns`, with these rules in the nat table of its router. Its
/// namespaces have the lecture's names with the prefix "t-": `t-host` is the router.
#[track_caller]
pub fn netfilter_lab(rules: &[&str]) {
    for name in ["t-host", "t-red", "t-blue", "t-lan"] {
        ip(&own(), &format!("netns add {name}"));
        ip(&inside(name), "link set lo up");
    }
    let router = inside("t-host");
    ip(&router, "link add v-net-0 type bridge");
    ip(&router, "addr add 192.168.15.5/24 dev v-net-0");
    ip(&router, "link set v-net-0 up");
    for (name, address) in [("red", "192.168.15.1"), ("blue", "192.168.15.2")] {
        let end = inside(&format!("t-{name}"));
        ip(&router, &format!("link add veth-{name}-br type veth peer veth-{name} netns t-{name}"));
        ip(&router, &format!("link set veth-{name}-br master v-net-0 up"));
        // Needed when a namespace connects to its own forward.
        ip(&router, &format!("link set veth-{name}-br type bridge_slave hairpin on"));
        ip(&end, &format!("addr add {address}/24 dev veth-{name}"));
        ip(&end, &format!("link set veth-{name} up"));
        ip(&end, "route add default via 192.168.15.5");
    }
    ip(&router, "link add ens3 type veth peer eth0 netns t-lan");
    ip(&router, "addr add 192.168.1.10/24 dev ens3");
    ip(&router, "link set ens3 up");
    ip(&inside("t-lan"), "addr add 192.168.1.1/24 dev eth0");
    ip(&inside("t-lan"), "link set eth0 up");
    ip(&router, "route add default via 192.168.1.1");
    router.run(|| set("ipv4/ip_forward", "1"));
    for rule in rules {
        netfilter_rule(&router, rule);
    }
}

/// Adds a rule of the nat table.
#[track_caller]
pub fn netfilter_rule(router: &Inside, rule: &str) {
    let words: Vec<&str> = ["-t", "nat"].into_iter().chain(rule.split(' ')).collect();
    router.command("iptables-nft", &words).success();
}
