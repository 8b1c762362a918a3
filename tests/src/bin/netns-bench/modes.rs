//! What the packets go through.

use anyhow::{Context as _, Result};

use crate::{
    layout::{cable, lab, routed},
    places::{Kind, Place},
    tools::{set, tool},
};

/// One way from the client to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Mode {
    Cable,
    Routed,
    IptablesNft,
    IptablesNftPlainBridge,
    IptablesLegacy,
    Nftables,
    Flowtable,
    Ours,
    OursPeer,
    OursViaStack,
}

impl Mode {
    pub(crate) const ALL: [Self; 10] = [
        Self::Cable,
        Self::Routed,
        Self::IptablesNft,
        Self::IptablesNftPlainBridge,
        Self::IptablesLegacy,
        Self::Nftables,
        Self::Flowtable,
        Self::Ours,
        Self::OursPeer,
        Self::OursViaStack,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Cable => "cable",
            Self::Routed => "routed",
            Self::IptablesNft => "iptables-nft",
            Self::IptablesNftPlainBridge => "iptables-nft-nobrnf",
            Self::IptablesLegacy => "iptables-legacy",
            Self::Nftables => "nftables",
            Self::Flowtable => "nftables-flowtable",
            Self::Ours => "ours",
            Self::OursPeer => "ours-peer",
            Self::OursViaStack => "ours-via-stack",
        }
    }

    pub(crate) fn about(self) -> &'static str {
        match self {
            Self::Cable => "client and server on one cable: the limit",
            Self::Routed => "a router without NAT",
            Self::IptablesNft => "iptables-nft MASQUERADE, br_netfilter on",
            Self::IptablesNftPlainBridge => "iptables-nft MASQUERADE, br_netfilter off",
            Self::IptablesLegacy => "iptables-legacy MASQUERADE, br_netfilter on",
            Self::Nftables => "nftables masquerade, br_netfilter on",
            Self::Flowtable => "nftables masquerade with a flowtable, br_netfilter off",
            Self::Ours => "netns, from interface to interface",
            Self::OursPeer => "netns, entering the far end of the uplink (redirect_peer)",
            Self::OursViaStack => "netns, through the kernel's stack (via_stack), br_netfilter on",
        }
    }

    /// Builds the mode's network.
    ///
    /// # Errors
    /// With what is missing, where this machine cannot have this mode.
    pub(crate) fn build(self, place: &Place) -> Result<()> {
        match self {
            Self::Cable => cable(place),
            Self::Ours | Self::OursPeer => lab(place),
            Self::OursViaStack => {
                lab(place)?;
                bridge_netfilter(place, true)
            }
            Self::Routed => {
                routed(place)?;
                bridge_netfilter(place, false)
            }
            Self::IptablesNft => iptables(place, "iptables-nft", true),
            Self::IptablesNftPlainBridge => iptables(place, "iptables-nft", false),
            Self::IptablesLegacy => iptables(place, "iptables-legacy", true),
            Self::Nftables => nftables(place, &[], true),
            Self::Flowtable => nftables(place, &FLOWTABLE, false).context(
                "this needs a kernel with CONFIG_NF_FLOW_TABLE and CONFIG_NFT_FLOW_OFFLOAD",
            ),
        }
    }

    /// The keys of a lab of ours under `[nat]`.
    pub(crate) fn nat(self, kind: Kind) -> String {
        let via_stack = if self == Self::OursViaStack { "via_stack = true" } else { "" };
        format!("{}\n{via_stack}", kind.nat())
    }

    /// The keys of its uplink, besides its addresses.
    pub(crate) fn uplink(self) -> &'static str {
        if self == Self::OursPeer { "redirect_peer = true" } else { "" }
    }
}

/// With the client's own bridge port, by which packets pass the bridge as well as the stack
/// (Documentation/networking/nf_flowtable.rst, "Bridge and IP forwarding").
const FLOWTABLE: [&str; 3] = [
    "add flowtable ip nat f { hook ingress priority 0; devices = { red, ens3 }; }",
    "add chain ip nat forward { type filter hook forward priority 0; }",
    "add rule ip nat forward meta l4proto { tcp, udp } flow add @f",
];

fn iptables(place: &Place, program: &str, bridged: bool) -> Result<()> {
    routed(place)?;
    let rule = "-t nat -A POSTROUTING -s 192.168.15.0/24 -o ens3 -j MASQUERADE";
    tool(&place.router, program, rule)?;
    bridge_netfilter(place, bridged)
}

fn nftables(place: &Place, more: &[&str], bridged: bool) -> Result<()> {
    routed(place)?;
    let rules = [
        "add table ip nat",
        "add chain ip nat post { type nat hook postrouting priority 100; }",
        "add rule ip nat post ip saddr 192.168.15.0/24 oif ens3 masquerade",
    ];
    for rule in rules.iter().chain(more) {
        tool(&place.router, "nft", rule)?;
    }
    bridge_netfilter(place, bridged)
}

/// Whether bridged packets go through netfilter. Off is also where the kernel cannot do it.
pub(crate) fn bridge_netfilter(place: &Place, on: bool) -> Result<()> {
    const KEY: &str = "bridge/bridge-nf-call-iptables";
    let path = format!("/proc/sys/net/{KEY}");
    if !on && !std::path::Path::new(&path).exists() {
        return Ok(());
    }
    set(&place.router, KEY, if on { "1" } else { "0" })
        .context("br_netfilter is not there: `modprobe br_netfilter`")
}
