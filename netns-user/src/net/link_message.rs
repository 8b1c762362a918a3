//! Links, read from the kernel's messages.

use rtnetlink::packet_route::link::{
    AfSpecInet, AfSpecInet6, AfSpecUnspec, BridgePortState, BridgeStpState, InfoBridge,
    InfoBridgePort, InfoData, InfoPortData, LinkAttribute, LinkFlags, LinkInfo, LinkMessage,
    LinkXdp, State, XdpAttached,
};

use super::{
    Link, Mac, VETH,
    link::{Peer, PortState},
};

impl Link {
    /// Adds the settings of an address family.
    fn add(&mut self, family: &AfSpecUnspec) {
        match family {
            AfSpecUnspec::Inet(facts) => {
                for fact in facts {
                    if let AfSpecInet::DevConf(settings) = fact {
                        self.forwarding = Some(settings.forwarding != 0);
                    }
                }
            }
            AfSpecUnspec::Inet6(facts) => {
                for fact in facts {
                    if let AfSpecInet6::DevConf(settings) = fact {
                        self.ipv6 = Some(settings.disable_ipv6 == 0);
                    }
                }
            }
            _ => {}
        }
    }
}

impl From<LinkMessage> for Link {
    fn from(message: LinkMessage) -> Self {
        let mut link = Self {
            index: message.header.index,
            up: message.header.flags.contains(LinkFlags::Up),
            state: State::Unknown.to_string().to_lowercase(),
            carrier: message.header.flags.contains(LinkFlags::LowerUp),
            ..Self::default()
        };
        let mut below = None;
        let mut namespace = None;
        for attribute in message.attributes {
            match attribute {
                LinkAttribute::IfName(name) => link.name = name,
                LinkAttribute::Address(bytes) => link.mac = bytes.try_into().ok().map(Mac),
                LinkAttribute::Mtu(mtu) => link.mtu = mtu,
                LinkAttribute::OperState(state) => link.state = state.to_string().to_lowercase(),
                LinkAttribute::Controller(index) => link.bridge = Some(index),
                LinkAttribute::Link(index) => below = Some(index),
                LinkAttribute::LinkNetNsId(number) => namespace = Some(number),
                LinkAttribute::Qdisc(kind) => link.queue = Some(kind),
                LinkAttribute::Xdp(facts) => link.xdp = facts.iter().any(is_attached),
                LinkAttribute::AfSpecUnspec(families) => {
                    families.iter().for_each(|family| link.add(family));
                }
                LinkAttribute::MinMtu(mtu) => link.mtu_limits.0 = Some(mtu),
                // 0: the driver has no limit of its own.
                LinkAttribute::MaxMtu(mtu) => link.mtu_limits.1 = Some(mtu).filter(|mtu| *mtu > 0),
                LinkAttribute::LinkInfo(infos) => {
                    for info in infos {
                        match info {
                            LinkInfo::Kind(kind) => link.kind = Some(kind.to_string()),
                            LinkInfo::PortData(InfoPortData::BridgePort(port)) => {
                                link.port_state = port_state(&port);
                            }
                            LinkInfo::Data(InfoData::Bridge(settings)) => {
                                link.spanning_tree = settings.iter().any(runs_spanning_tree);
                            }
                            _ => {}
                        }
                    }
                }
                _ => {}
            }
        }
        if link.is(VETH) {
            link.peer = below.map(|index| Peer { index, namespace });
        }
        link
    }
}

fn is_attached(fact: &LinkXdp) -> bool {
    matches!(fact, LinkXdp::Attached(how) if *how != XdpAttached::None)
}

fn runs_spanning_tree(setting: &InfoBridge) -> bool {
    matches!(setting, InfoBridge::StpState(state) if *state != BridgeStpState::Disabled)
}

fn port_state(attributes: &[InfoBridgePort]) -> Option<PortState> {
    attributes.iter().find_map(|attribute| match attribute {
        InfoBridgePort::State(BridgePortState::Forwarding) => Some(PortState::Forwarding),
        InfoBridgePort::State(_) => Some(PortState::Closed),
        _ => None,
    })
}
