//! The topology file as it is written: text with positions, nothing checked yet.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

pub(super) use super::choices::{GatewayFile, RoutersFile};

/// Text, and where it stands.
pub(super) type Text = Spanned<String>;

/// A number, and where it stands. Wider than any key's range: the range is checked later, with
/// words of its own.
pub(super) type Number = Spanned<i64>;

/// A lab: namespaces, cables, bridges, routers and rules.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TopologyFile {
    /// Name of the lab, unique on the machine: letters, digits, '-' and '_'.
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
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RouterFile {
    /// Name of a namespace that is made for the router. Without it, the machine itself routes;
    /// only the first router can be the machine.
    pub(super) namespace: Option<Text>,
    /// Routes of the router, besides those by its uplinks.
    #[serde(default)]
    pub(super) routes: Vec<Spanned<RouteFile>>,
}

/// Settings of the address translation.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NatFile {
    /// How many connections each router tracks at a time.
    pub(super) flow_table: Option<Number>,
    /// Whether a cable carries only packets from its own namespace's address.
    pub(super) source_check: Option<bool>,
}

/// An interface of a router that leads out of its networks.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct UplinkFile {
    /// Name of the interface in the router, unique in the lab. "auto" is the interface of the
    /// machine's default route.
    pub(super) name: Text,
    /// Namespace of the router that it belongs to; without it, the first router.
    pub(super) router: Option<Text>,
    /// Its address, with the length of its subnet. Only where the lab makes the uplink.
    pub(super) address: Option<Text>,
    /// Where the router's default route leads. Without it, the uplink has none.
    pub(super) gateway: Option<Text>,
    /// Most bytes of a packet, at both ends of the cable; without it, that of the bridge it is
    /// plugged into, or the kernel's default.
    pub(super) mtu: Option<Number>,
    /// A simulated network at the far end of its cable.
    pub(super) outside: Option<Spanned<OutsideFile>>,
    /// Another router's bridge at the far end of its cable.
    pub(super) plug: Option<Spanned<PlugFile>>,
}

/// A simulated network at the far end of an uplink.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct OutsideFile {
    /// Name of the namespace that plays it. Several uplinks may lead to one.
    pub(super) namespace: Text,
    /// Name of the cable's end there.
    pub(super) interface: Text,
    /// Address of the cable's end there, in the subnet of the uplink.
    pub(super) address: Text,
    /// Further addresses that the outside answers for.
    #[serde(default)]
    pub(super) answers: Vec<Text>,
}

/// Where an uplink is plugged in at another router.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct PlugFile {
    /// Name of a bridge of another router.
    pub(super) bridge: Text,
    /// Name of the cable's end on that bridge; without it, veth-NAME-br.
    pub(super) port: Option<Text>,
}

/// A switch inside a router.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct BridgeFile {
    /// Name of the interface in the router, unique in the lab.
    pub(super) name: Text,
    /// Namespace of the router that it is in; without it, the first router.
    pub(super) router: Option<Text>,
    /// The router's address on it, with the length of the subnet of all that is plugged in.
    pub(super) address: Text,
    /// Most bytes of a packet on the bridge and on what is plugged in; without it, the kernel's
    /// default.
    pub(super) mtu: Option<Number>,
    /// Name servers of the namespaces on it that name none themselves.
    #[serde(default)]
    pub(super) dns: Vec<Text>,
}

/// A namespace, or several alike.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct NamespaceFile {
    /// Name of the namespace. With `count`, {} in it stands for the number of each; without {},
    /// -1, -2 and so on are appended.
    pub(super) name: Text,
    /// How many to make.
    pub(super) count: Option<Number>,
    /// Name of the template whose keys it takes over, but for those that it gives itself.
    pub(super) template: Option<Text>,
    /// Bridge that its cable leads to; without it, there is no cable.
    pub(super) bridge: Option<Text>,
    /// Its address, with the length of the bridge's subnet. Without it, the next free one of the
    /// subnet is handed out. With `count`, that of the first one; the others follow upwards.
    pub(super) address: Option<Text>,
    /// Name of the cable's end in the namespace; without it, veth-NAME.
    pub(super) interface: Option<Text>,
    /// Name of the cable's end on the bridge; without it, veth-NAME-br.
    pub(super) port: Option<Text>,
    /// Where its default route leads; without it, to the bridge's address. False: it has none.
    pub(super) gateway: Option<Spanned<GatewayFile>>,
    /// Most bytes of a packet, at both ends of the cable; without it, that of the bridge.
    pub(super) mtu: Option<Number>,
    /// Name servers, for /etc/netns/NAME/resolv.conf; without it, those of the bridge.
    pub(super) dns: Option<Vec<Text>>,
    /// Whether it forwards packets between its interfaces, as a router without translation.
    pub(super) forwarding: Option<bool>,
    /// Routes of the namespace, besides the default route by its gateway.
    pub(super) routes: Option<Vec<Spanned<RouteFile>>>,
}

/// Keys that several namespaces share.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct TemplateFile {
    /// Bridge that the cables of the namespaces lead to.
    pub(super) bridge: Option<Text>,
    /// Address of the namespaces; of use for one that is used with one `count`.
    pub(super) address: Option<Text>,
    /// Name of the cable's end in the namespace.
    pub(super) interface: Option<Text>,
    /// Name of the cable's end on the bridge.
    pub(super) port: Option<Text>,
    /// Where the default route leads. False: there is none.
    pub(super) gateway: Option<Spanned<GatewayFile>>,
    /// Most bytes of a packet, at both ends of the cable.
    pub(super) mtu: Option<Number>,
    /// Name servers.
    pub(super) dns: Option<Vec<Text>>,
    /// Whether the namespaces forward packets between their interfaces.
    pub(super) forwarding: Option<bool>,
    /// Routes of the namespaces.
    pub(super) routes: Option<Vec<Spanned<RouteFile>>>,
}

/// A route of a namespace or a router. It has a `via`, an `interface` or both.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RouteFile {
    /// The subnet that it leads to; "default" for all that no other route has.
    pub(super) to: Text,
    /// Address of the next router, in a subnet of the namespace.
    pub(super) via: Option<Text>,
    /// Interface that it leads out of.
    pub(super) interface: Option<Text>,
    /// Of several routes to one subnet, that with the lowest metric counts.
    pub(super) metric: Option<Number>,
}

/// A cable between two namespaces of the lab, of whatever role.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CableFile {
    /// One end.
    pub(super) a: Spanned<CableEndFile>,
    /// The other end.
    pub(super) b: Spanned<CableEndFile>,
    /// Most bytes of a packet, at both ends; without it, the kernel's default.
    pub(super) mtu: Option<Number>,
}

/// One end of a cable.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CableEndFile {
    /// Namespace that the end is in.
    pub(super) namespace: Text,
    /// Name of the end there.
    pub(super) interface: Text,
    /// Its address, with the length of its subnet; it can do without.
    pub(super) address: Option<Text>,
}

/// Source translation: what a subnet sends out of an uplink bears the uplink's address.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct MasqueradeFile {
    /// A subnet inside, or one address with /32.
    pub(super) source: Text,
    /// Name of the uplink; without it, all uplinks of the routers that have the subnet.
    pub(super) uplink: Option<Text>,
}

/// Destination translation: what reaches a port of the router goes to a namespace.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ForwardFile {
    /// "tcp" or "udp".
    pub(super) protocol: Text,
    /// The router's address that it is for; without it, all of them.
    pub(super) address: Option<Text>,
    /// The router's port.
    pub(super) port: Number,
    /// Where to, as ADDRESS:PORT: the address of a namespace, or of an uplink that is plugged
    /// into a bridge.
    pub(super) target: Text,
}
