//! The topology file as it is written: text with positions, nothing checked yet.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

pub(super) use super::choices::{GatewayFile, MssClampFile, PortsFile, RoutersFile};
use super::schema::{
    Address, Count, Destination, FlowTable, Interface, Metric, Mtu, Network, Protocol, Quota,
    Subnet, Target, Timeout,
};
use crate::rules::{Filtering, Mapping};

/// Text, and where it stands.
pub(super) type Text = Spanned<String>;

/// A number, and where it stands. Wider than any key's range: the range is checked later, with
/// words of its own.
pub(super) type Number = Spanned<i64>;

/// A lab: namespaces, cables, bridges, routers and rules.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(title = "netns topology file")]
pub(super) struct TopologyFile {
    /// Name of the lab, unique on the machine: letters, digits, '-' and '_'.
    #[schemars(with = "String")]
    pub(super) name: Text,
    /// What routes between bridges and uplinks: one table, or several. Without it, the machine
    /// itself.
    #[serde(default)]
    pub(super) router: RoutersFile,
    /// Settings of the address translation.
    #[serde(default)]
    pub(super) nat: NatFile,
    /// Interfaces of routers that lead out of their networks.
    #[serde(default, rename = "uplink")]
    pub(super) uplinks: Vec<UplinkFile>,
    /// Switches inside routers.
    #[serde(default, rename = "bridge")]
    pub(super) bridges: Vec<BridgeFile>,
    /// Namespaces, most with a cable to a bridge.
    #[serde(default, rename = "namespace")]
    pub(super) namespaces: Vec<NamespaceFile>,
    /// Keys that several namespaces share, by a name of the template.
    #[serde(default, rename = "template")]
    #[schemars(with = "BTreeMap<String, TemplateFile>")]
    pub(super) templates: BTreeMap<Text, TemplateFile>,
    /// Cables between two namespaces.
    #[serde(default, rename = "cable")]
    pub(super) cables: Vec<CableFile>,
    /// Source translation towards uplinks.
    #[serde(default, rename = "masquerade")]
    pub(super) masquerades: Vec<MasqueradeFile>,
    /// Ports of routers that lead to namespaces inside.
    #[serde(default, rename = "forward")]
    pub(super) forwards: Vec<ForwardFile>,
}

/// What routes between bridges and uplinks, and translates addresses on the way.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "router")]
pub(super) struct RouterFile {
    /// Name of a namespace that is made for the router. Without it, the machine itself routes;
    /// only the first router can be the machine.
    #[serde(default)]
    #[schemars(with = "String")]
    pub(super) namespace: Option<Text>,
    /// Routes of the router, besides those by its uplinks.
    #[serde(default)]
    #[schemars(with = "Vec<RouteFile>")]
    pub(super) routes: Vec<Spanned<RouteFile>>,
}

/// Settings of the address translation.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "nat")]
pub(super) struct NatFile {
    /// How many connections each router tracks at a time.
    #[serde(default)]
    #[schemars(with = "FlowTable")]
    pub(super) flow_table: Option<Number>,
    /// How many of them each namespace may have, where it does not say it, and each uplink of
    /// what comes from outside; without it, half of the flow table.
    #[serde(default)]
    #[schemars(with = "Quota")]
    pub(super) quota: Option<Number>,
    /// How many connections without an answer each namespace and each uplink may have; without
    /// it, an eighth of the flow table.
    #[serde(default)]
    #[schemars(with = "Quota")]
    pub(super) unreplied: Option<Number>,
    /// Whether a cable carries only what bears its own namespace's Ethernet and IPv4 address,
    /// where the namespace does not say it.
    #[serde(default)]
    #[schemars(with = "bool")]
    pub(super) source_check: Option<bool>,
    /// Whether translated packets take the way through the kernel's stack, where netfilter and
    /// tcpdump see them, instead of the short one.
    #[serde(default)]
    #[schemars(with = "bool")]
    pub(super) via_stack: Option<bool>,
    /// Where ports are chosen for connections that cannot keep theirs, as "1024-65535".
    #[serde(default)]
    #[schemars(with = "PortsFile")]
    pub(super) ports: Option<Spanned<PortsFile>>,
    /// Whether an even port becomes an even one, and an odd port an odd one (RFC 4787 REQ-4).
    #[serde(default)]
    #[schemars(with = "bool")]
    pub(super) keep_parity: Option<bool>,
    /// Whether a port below 1024 becomes one below 1024, and no other does (RFC 4787 REQ-3a).
    #[serde(default)]
    #[schemars(with = "bool")]
    pub(super) keep_class: Option<bool>,
    /// How long connections may be idle.
    #[serde(default)]
    pub(super) timeouts: TimeoutsFile,
}

/// How long connections may be idle before they are forgotten, in seconds.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "timeouts")]
pub(super) struct TimeoutsFile {
    /// TCP before both sides have spoken; RFC 5382 asks for 240 at least.
    #[schemars(with = "Timeout")]
    pub(super) tcp_opening: Option<Number>,
    /// TCP in use; RFC 5382 asks for 7440 at least.
    #[schemars(with = "Timeout")]
    pub(super) tcp_established: Option<Number>,
    /// TCP after a FIN or RST; RFC 5382 asks for 240 at least.
    #[schemars(with = "Timeout")]
    pub(super) tcp_closing: Option<Number>,
    /// UDP before an answer; RFC 4787 asks for 120 at least.
    #[schemars(with = "Timeout")]
    pub(super) udp_unreplied: Option<Number>,
    /// UDP; RFC 4787 asks for 120 at least and recommends 300.
    #[schemars(with = "Timeout")]
    pub(super) udp: Option<Number>,
    /// ICMP queries; RFC 5508 asks for 60 at least.
    #[schemars(with = "Timeout")]
    pub(super) icmp: Option<Number>,
    /// SCTP before an answer.
    #[schemars(with = "Timeout")]
    pub(super) sctp_unreplied: Option<Number>,
    /// SCTP.
    #[schemars(with = "Timeout")]
    pub(super) sctp: Option<Number>,
    /// Protocols without ports before an answer.
    #[schemars(with = "Timeout")]
    pub(super) other_unreplied: Option<Number>,
    /// Protocols without ports.
    #[schemars(with = "Timeout")]
    pub(super) other: Option<Number>,
}

/// An interface of a router that leads out of its networks.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "uplink")]
pub(super) struct UplinkFile {
    /// Name of the interface in the router, unique in the lab. "auto" is the interface of the
    /// machine's default route.
    #[schemars(with = "Interface")]
    pub(super) name: Text,
    /// Namespace of the router that it belongs to; without it, the first router.
    #[serde(default)]
    #[schemars(with = "String")]
    pub(super) router: Option<Text>,
    /// Its address, with the length of its subnet. Only where the lab makes the uplink.
    #[serde(default)]
    #[schemars(with = "Subnet")]
    pub(super) address: Option<Text>,
    /// Where the router's default route leads. Without it, the uplink has none.
    #[serde(default)]
    #[schemars(with = "Address")]
    pub(super) gateway: Option<Text>,
    /// Most bytes of a packet, at both ends of the cable; without it, that of the bridge it is
    /// plugged into, or the kernel's default.
    #[serde(default)]
    #[schemars(with = "Mtu")]
    pub(super) mtu: Option<Number>,
    /// A simulated network at the far end of its cable.
    #[serde(default)]
    #[schemars(with = "OutsideFile")]
    pub(super) outside: Option<Spanned<OutsideFile>>,
    /// Another router's bridge at the far end of its cable.
    #[serde(default)]
    #[schemars(with = "PlugFile")]
    pub(super) plug: Option<Spanned<PlugFile>>,
}

/// A simulated network at the far end of an uplink.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "outside")]
pub(super) struct OutsideFile {
    /// Name of the namespace that plays it. Several uplinks may lead to one.
    #[schemars(with = "String")]
    pub(super) namespace: Text,
    /// Name of the cable's end there.
    #[schemars(with = "Interface")]
    pub(super) interface: Text,
    /// Address of the cable's end there, in the subnet of the uplink.
    #[schemars(with = "Subnet")]
    pub(super) address: Text,
    /// Further addresses that the outside answers for.
    #[serde(default)]
    #[schemars(with = "Vec<Address>")]
    pub(super) answers: Vec<Text>,
}

/// Where an uplink is plugged in at another router.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "plug")]
pub(super) struct PlugFile {
    /// Name of a bridge of another router.
    #[schemars(with = "String")]
    pub(super) bridge: Text,
    /// Name of the cable's end on that bridge; without it, veth-NAME-br.
    #[serde(default)]
    #[schemars(with = "Interface")]
    pub(super) port: Option<Text>,
    /// Whether its cable carries only what bears the uplink's addresses; without it, as `nat`
    /// says.
    #[serde(default)]
    #[schemars(with = "bool")]
    pub(super) source_check: Option<bool>,
}

/// A switch inside a router.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "bridge")]
pub(super) struct BridgeFile {
    /// Name of the interface in the router, unique in the lab.
    #[schemars(with = "Interface")]
    pub(super) name: Text,
    /// Namespace of the router that it is in; without it, the first router.
    #[serde(default)]
    #[schemars(with = "String")]
    pub(super) router: Option<Text>,
    /// The router's address on it, with the length of the subnet of all that is plugged in.
    #[schemars(with = "Subnet")]
    pub(super) address: Text,
    /// Most bytes of a packet on the bridge and on what is plugged in; without it, the kernel's
    /// default.
    #[serde(default)]
    #[schemars(with = "Mtu")]
    pub(super) mtu: Option<Number>,
    /// Name servers of the namespaces on it that name none themselves.
    #[serde(default)]
    #[schemars(with = "Vec<Address>")]
    pub(super) dns: Vec<Text>,
}

/// A namespace, or several alike.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "namespace")]
pub(super) struct NamespaceFile {
    /// Name of the namespace. With `count`, {} in it stands for the number of each; without {},
    /// -1, -2 and so on are appended.
    #[schemars(with = "String")]
    pub(super) name: Text,
    /// How many to make.
    #[serde(default)]
    #[schemars(with = "Count")]
    pub(super) count: Option<Number>,
    /// Name of the template whose keys it takes over, but for those that it gives itself.
    #[serde(default)]
    #[schemars(with = "String")]
    pub(super) template: Option<Text>,
    /// Bridge that its cable leads to; without it, there is no cable.
    #[serde(default)]
    #[schemars(with = "String")]
    pub(super) bridge: Option<Text>,
    /// Its address, with the length of the bridge's subnet. Without it, the next free one of the
    /// subnet is handed out. With `count`, that of the first one; the others follow upwards.
    #[serde(default)]
    #[schemars(with = "Subnet")]
    pub(super) address: Option<Text>,
    /// Name of the cable's end in the namespace; without it, veth-NAME.
    #[serde(default)]
    #[schemars(with = "String")]
    pub(super) interface: Option<Text>,
    /// Name of the cable's end on the bridge; without it, veth-NAME-br.
    #[serde(default)]
    #[schemars(with = "String")]
    pub(super) port: Option<Text>,
    /// Where its default route leads; without it, to the bridge's address. False: it has none.
    #[serde(default)]
    #[schemars(with = "GatewayFile")]
    pub(super) gateway: Option<Spanned<GatewayFile>>,
    /// Most bytes of a packet, at both ends of the cable; without it, that of the bridge.
    #[serde(default)]
    #[schemars(with = "Mtu")]
    pub(super) mtu: Option<Number>,
    /// Whether its cable carries only what bears its own addresses; without it, as `nat` says.
    #[serde(default)]
    #[schemars(with = "bool")]
    pub(super) source_check: Option<Spanned<bool>>,
    /// How many connections it may have at a time; without it, as `nat` says.
    #[serde(default)]
    #[schemars(with = "Quota")]
    pub(super) quota: Option<Number>,
    /// Name servers, for /etc/netns/NAME/resolv.conf; without it, those of the bridge.
    #[serde(default)]
    #[schemars(with = "Vec<Address>")]
    pub(super) dns: Option<Vec<Text>>,
    /// Whether it forwards packets between its interfaces, as a router without translation.
    #[serde(default)]
    #[schemars(with = "bool")]
    pub(super) forwarding: Option<bool>,
    /// Routes of the namespace, besides the default route by its gateway.
    #[serde(default)]
    #[schemars(with = "Vec<RouteFile>")]
    pub(super) routes: Option<Vec<Spanned<RouteFile>>>,
}

/// Keys that several namespaces share.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "template")]
pub(super) struct TemplateFile {
    /// Bridge that the cables of the namespaces lead to.
    #[serde(default)]
    #[schemars(with = "String")]
    pub(super) bridge: Option<Text>,
    /// Address of the namespaces; of use for one that is used with one `count`.
    #[serde(default)]
    #[schemars(with = "Subnet")]
    pub(super) address: Option<Text>,
    /// Name of the cable's end in the namespace.
    #[serde(default)]
    #[schemars(with = "String")]
    pub(super) interface: Option<Text>,
    /// Name of the cable's end on the bridge.
    #[serde(default)]
    #[schemars(with = "String")]
    pub(super) port: Option<Text>,
    /// Where the default route leads. False: there is none.
    #[serde(default)]
    #[schemars(with = "GatewayFile")]
    pub(super) gateway: Option<Spanned<GatewayFile>>,
    /// Most bytes of a packet, at both ends of the cable.
    #[serde(default)]
    #[schemars(with = "Mtu")]
    pub(super) mtu: Option<Number>,
    /// Whether the cables carry only what bears their own namespace's addresses.
    #[serde(default)]
    #[schemars(with = "bool")]
    pub(super) source_check: Option<Spanned<bool>>,
    /// How many connections each of the namespaces may have at a time.
    #[serde(default)]
    #[schemars(with = "Quota")]
    pub(super) quota: Option<Number>,
    /// Name servers.
    #[serde(default)]
    #[schemars(with = "Vec<Address>")]
    pub(super) dns: Option<Vec<Text>>,
    /// Whether the namespaces forward packets between their interfaces.
    #[serde(default)]
    #[schemars(with = "bool")]
    pub(super) forwarding: Option<bool>,
    /// Routes of the namespaces.
    #[serde(default)]
    #[schemars(with = "Vec<RouteFile>")]
    pub(super) routes: Option<Vec<Spanned<RouteFile>>>,
}

/// A route of a namespace or a router. It has a `via`, an `interface` or both.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "route")]
pub(super) struct RouteFile {
    /// The subnet that it leads to; "default" for all that no other route has.
    #[schemars(with = "Destination")]
    pub(super) to: Text,
    /// Address of the next router, in a subnet of the namespace.
    #[serde(default)]
    #[schemars(with = "Address")]
    pub(super) via: Option<Text>,
    /// Interface that it leads out of.
    #[serde(default)]
    #[schemars(with = "String")]
    pub(super) interface: Option<Text>,
    /// Of several routes to one subnet, that with the lowest metric counts.
    #[serde(default)]
    #[schemars(with = "Metric")]
    pub(super) metric: Option<Number>,
}

/// A cable between two namespaces of the lab, of whatever role.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "cable")]
pub(super) struct CableFile {
    /// One end.
    #[schemars(with = "CableEndFile")]
    pub(super) a: Spanned<CableEndFile>,
    /// The other end.
    #[schemars(with = "CableEndFile")]
    pub(super) b: Spanned<CableEndFile>,
    /// Most bytes of a packet, at both ends; without it, the kernel's default.
    #[serde(default)]
    #[schemars(with = "Mtu")]
    pub(super) mtu: Option<Number>,
}

/// One end of a cable.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "cable-end")]
pub(super) struct CableEndFile {
    /// Namespace that the end is in.
    #[schemars(with = "String")]
    pub(super) namespace: Text,
    /// Name of the end there.
    #[schemars(with = "Interface")]
    pub(super) interface: Text,
    /// Its address, with the length of its subnet; it can do without.
    #[serde(default)]
    #[schemars(with = "Subnet")]
    pub(super) address: Option<Text>,
}

/// Source translation: what a subnet sends out of an uplink bears the uplink's address.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "masquerade")]
pub(super) struct MasqueradeFile {
    /// A subnet inside, or one address with /32.
    #[schemars(with = "Subnet")]
    pub(super) source: Text,
    /// Name of the uplink; without it, all uplinks of the routers that have the subnet.
    #[serde(default)]
    #[schemars(with = "String")]
    pub(super) uplink: Option<Text>,
    /// Destinations that are left alone: what goes there keeps its source.
    #[serde(default)]
    #[schemars(with = "Vec<Network>")]
    pub(super) except: Vec<Text>,
    /// The address that it bears, one of the router's at the uplink; without it, the one that
    /// the kernel chooses.
    #[serde(default)]
    #[schemars(with = "Address")]
    pub(super) to: Option<Text>,
    /// The largest segment that ends of TCP connections may announce, in bytes; "pmtu": what
    /// fits the uplink and the namespace's cable.
    #[serde(default)]
    #[schemars(with = "MssClampFile")]
    pub(super) mss_clamp: Option<Spanned<MssClampFile>>,
    /// Which outside port an inside port has: one for each remote address and port, or one.
    #[serde(default)]
    #[schemars(with = "Mapping")]
    pub(super) mapping: Option<Text>,
    /// Who outside may begin a connection to an endpoint-independent mapping.
    #[serde(default)]
    #[schemars(with = "Filtering")]
    pub(super) filtering: Option<Text>,
}

/// Destination translation: what reaches a port of the router goes to a namespace.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "forward")]
pub(super) struct ForwardFile {
    /// "tcp", "udp", "sctp" or "udplite".
    #[schemars(with = "Protocol")]
    pub(super) protocol: Text,
    /// The router's address that it is for; without it, all of them.
    #[serde(default)]
    #[schemars(with = "Address")]
    pub(super) address: Option<Text>,
    /// The router's port, or several, as "8000-17999".
    #[schemars(with = "PortsFile")]
    pub(super) port: Spanned<PortsFile>,
    /// Where to, as ADDRESS:PORT: the address of a namespace, or of an uplink that is plugged
    /// into a bridge. Of several ports, where the first leads.
    #[schemars(with = "Target")]
    pub(super) target: Text,
    /// Whom it is for; for others there is no forward. Without it, everybody.
    #[serde(default)]
    #[schemars(with = "Vec<Network>")]
    pub(super) from: Vec<Text>,
}
