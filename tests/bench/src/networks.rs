//! The networks to measure in, by mode and kind. Each is built when it is first needed.

use std::collections::HashMap;

use anyhow::{Context as _, Result};

use crate::{
    modes::Mode,
    network::{Network, NetworkKind},
    tools::tool,
    topology::{bridge_netfilter, cable, disable_offloads, lab, routed},
};

/// Every network that was asked for, or the reason why it cannot be built.
#[derive(Debug, Default)]
pub(crate) struct Networks {
    built: HashMap<(Mode, NetworkKind), Result<Network, String>>,
}

impl Networks {
    /// The network of a mode and kind.
    ///
    /// # Errors
    /// When this machine cannot build it; the text names what is missing.
    pub(crate) fn get(&mut self, mode: Mode, kind: NetworkKind) -> Result<&Network, &str> {
        let network = self.built.entry((mode, kind)).or_insert_with(|| {
            let network = Network::new(mode, kind);
            build(&network).map_err(|error| format!("{error:#}"))?;
            Ok(network)
        });
        network.as_ref().map_err(String::as_str)
    }

    /// The networks of these modes that have been built.
    pub(crate) fn built(
        &self,
        modes: &[Mode],
        kind: NetworkKind,
    ) -> impl Iterator<Item = &Network> {
        modes.iter().filter_map(move |mode| self.built.get(&(*mode, kind))?.as_ref().ok())
    }
}

/// Builds a network.
///
/// # Errors
/// When this machine cannot have it; the text names what is missing.
fn build(network: &Network) -> Result<()> {
    build_mode(network)?;
    match network.kind {
        NetworkKind::Default | NetworkKind::LargeTable => Ok(()),
        NetworkKind::OffloadsOff => disable_offloads(network),
    }
}

/// Builds the packet path of its mode.
fn build_mode(network: &Network) -> Result<()> {
    match network.mode {
        Mode::Cable => cable(network),
        Mode::Ours | Mode::OursPeer => lab(network),
        Mode::OursViaStack => {
            lab(network)?;
            bridge_netfilter(network, true)
        }
        Mode::Routed => {
            routed(network)?;
            bridge_netfilter(network, false)
        }
        Mode::IptablesNft => iptables(network, "iptables-nft", true),
        Mode::IptablesNftNoBrNetfilter => iptables(network, "iptables-nft", false),
        Mode::IptablesLegacy => iptables(network, "iptables-legacy", true),
        Mode::Nftables => nftables(network, &[], true),
        Mode::Flowtable => nftables(network, &FLOWTABLE, false)
            .context("this needs a kernel with CONFIG_NF_FLOW_TABLE and CONFIG_NFT_FLOW_OFFLOAD"),
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
