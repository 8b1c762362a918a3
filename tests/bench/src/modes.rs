//! The modes: the packet paths that are compared.

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
}
