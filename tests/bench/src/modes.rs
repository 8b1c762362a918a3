//! The modes: the packet paths that are compared.

use anyhow::{Context as _, Result};

use crate::{
    networks::{Network, NetworkKind},
    tools::{set, tool},
    topology::{cable, lab, routed},
};

/// One packet path from the client to the server.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Mode {
    Cable,
    Routed,
    IptablesNft,
    IptablesNftNoBrNetfilter,
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
        Self::IptablesNftNoBrNetfilter,
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
            Self::IptablesNftNoBrNetfilter => "iptables-nft-nobrnf",
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
            Self::IptablesNftNoBrNetfilter => "iptables-nft MASQUERADE, br_netfilter off",
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
    /// When this machine cannot have the mode; the text names what is missing.
    pub(crate) fn build(self, network: &Network) -> Result<()> {
        match self {
            Self::Cable => cable(network),
            Self::Ours | Self::OursPeer => lab(network),
            Self::OursViaStack => {
                lab(network)?;
                bridge_netfilter(network, true)
            }
            Self::Routed => {
                routed(network)?;
                bridge_netfilter(network, false)
            }
            Self::IptablesNft => iptables(network, "iptables-nft", true),
            Self::IptablesNftNoBrNetfilter => iptables(network, "iptables-nft", false),
            Self::IptablesLegacy => iptables(network, "iptables-legacy", true),
            Self::Nftables => nftables(network, &[], true),
            Self::Flowtable => nftables(network, &FLOWTABLE, false).context(
                "this needs a kernel with CONFIG_NF_FLOW_TABLE and CONFIG_NFT_FLOW_OFFLOAD",
            ),
        }
    }

    /// The keys under `[nat]` in the file of a lab of ours.
    pub(crate) fn nat_keys(self, kind: NetworkKind) -> String {
        let via_stack = if self == Self::OursViaStack { "via_stack = true" } else { "" };
        format!("{}\n{via_stack}", kind.nat_keys())
    }

    /// The keys of the uplink, besides its addresses.
    pub(crate) fn uplink_keys(self) -> &'static str {
        if self == Self::OursPeer { "redirect_peer = true" } else { "" }
    }
}

/// The devices include the client's bridge port, so that the flowtable bypasses both the bridge and
/// the stack (Documentation/networking/nf_flowtable.rst, "Bridge and IP forwarding").
const FLOWTABLE: [&str; 3] = [
    "add flowtable ip nat f { hook ingress priority 0; devices = { red, ens3 }; }",
    "add chain ip nat forward { type filter hook forward priority 0; }",
    "add rule ip nat forward meta l4proto { tcp, udp } flow add @f",
];

fn iptables(network: &Network, program: &str, bridged: bool) -> Result<()> {
    routed(network)?;
    let rule = "-t nat -A POSTROUTING -s 192.168.15.0/24 -o ens3 -j MASQUERADE";
    tool(&network.router, program, rule)?;
    bridge_netfilter(network, bridged)
}

fn nftables(network: &Network, more: &[&str], bridged: bool) -> Result<()> {
    routed(network)?;
    let rules = [
        "add table ip nat",
        "add chain ip nat post { type nat hook postrouting priority 100; }",
        "add rule ip nat post ip saddr 192.168.15.0/24 oif ens3 masquerade",
    ];
    for rule in rules.iter().chain(more) {
        tool(&network.router, "nft", rule)?;
    }
    bridge_netfilter(network, bridged)
}

/// Sets whether bridged packets go through netfilter. A kernel without br_netfilter counts as off.
pub(crate) fn bridge_netfilter(network: &Network, on: bool) -> Result<()> {
    const KEY: &str = "bridge/bridge-nf-call-iptables";
    let path = format!("/proc/sys/net/{KEY}");
    if !on && !std::path::Path::new(&path).exists() {
        return Ok(());
    }
    set(&network.router, KEY, if on { "1" } else { "0" })
        .context("br_netfilter is not there: `modprobe br_netfilter`")
}
