//! The lecture's lab as the tests speak of it.

use std::ops::RangeInclusive;

use netns_common::{
    abi::{
        Counter, DropReason, Flow, FlowKey, FlowState, Forward, Ip4, Masquerade, Prefix, Protocol,
        RuleId,
    },
    datapath::{Exit, Headers, Packet as _, Verdict},
    model::{Datagram, Field, Hook, Places, Router, VecPacket, address, wrong_checksums},
};

pub(crate) use netns_common::model::{
    address::{BLUE, BRIDGE, FAR, HOST, LAN, RED},
    flags::{ACK, FIN, RST, SYN},
    ipv4,
};

/// The lecture's lab.
pub(crate) struct Lab {
    pub(crate) router: Router,
    pub(crate) places: Places,
}

/// A packet and what became of it.
#[derive(Debug)]
pub(crate) struct Sent {
    pub(crate) verdict: Verdict,
    pub(crate) before: VecPacket,
    pub(crate) after: VecPacket,
    places: Places,
}

impl Lab {
    pub(crate) fn new() -> Self {
        Self { router: Router::lecture(), places: Places::default() }
    }

    /// A namespace sends a packet by way of the router.
    pub(crate) fn red(&mut self, packet: &Datagram) -> Sent {
        let Places { red_mac, red_port, bridge, .. } = self.places;
        self.send(Hook::FromNamespace, packet.frame(red_mac, bridge.mac, red_port))
    }

    pub(crate) fn blue(&mut self, packet: &Datagram) -> Sent {
        let Places { blue_mac, blue_port, bridge, .. } = self.places;
        self.send(Hook::FromNamespace, packet.frame(blue_mac, bridge.mac, blue_port))
    }

    /// The outside sends a packet to the router.
    pub(crate) fn outside(&mut self, packet: &Datagram) -> Sent {
        let Places { lan_mac, uplink, .. } = self.places;
        self.send(Hook::FromUplink, packet.frame(lan_mac, uplink.mac, uplink.index))
    }

    /// The router's stack sends a packet out of the uplink.
    pub(crate) fn stack(&mut self, packet: &Datagram) -> Sent {
        let Places { lan_mac, uplink, .. } = self.places;
        self.send(Hook::ToUplink, packet.frame(uplink.mac, lan_mac, uplink.index))
    }

    /// The receiver of a packet answers it.
    pub(crate) fn answer(&mut self, sent: &Sent) -> Sent {
        let answer = Datagram::answer_to(&sent.after).expect("a packet that is answered");
        self.answer_with(sent, &answer)
    }

    /// A packet comes back from where another one went.
    pub(crate) fn answer_with(&mut self, sent: &Sent, packet: &Datagram) -> Sent {
        match sent.verdict {
            Verdict::Redirect(Exit::Neighbour { .. }) => self.outside(packet),
            Verdict::Redirect(Exit::Peer { cable }) if cable == self.places.red_port => {
                self.red(packet)
            }
            Verdict::Redirect(Exit::Peer { .. }) => self.blue(packet),
            Verdict::Pass
            | Verdict::Drop(_)
            | Verdict::Answer(..)
            | Verdict::Redirect(Exit::Ingress { .. } | Exit::Onward) => {
                panic!("nobody got {sent:#?}")
            }
        }
    }

    pub(crate) fn send(&mut self, hook: Hook, before: VecPacket) -> Sent {
        let mut after = before.clone();
        let verdict = self.router.run(hook, &mut after);
        Sent { verdict, before, after, places: self.places }
    }

    /// The one record of the flow table.
    pub(crate) fn only_flow(&self) -> (FlowKey, Flow) {
        let flows = self.router.tables.flows();
        assert_eq!(flows.len(), 1, "{flows:#?}");
        flows.into_iter().next().expect("one flow")
    }

    pub(crate) fn only_state(&self) -> FlowState {
        FlowState::from_number(self.only_flow().1.state)
    }

    pub(crate) fn flow_count(&self) -> usize {
        self.router.tables.flows().len()
    }

    pub(crate) fn drops(&self, reason: DropReason) -> u64 {
        self.router.tables.drop_counter(reason).packets
    }

    pub(crate) fn forward(&mut self, rule: RuleId, forward: Forward) {
        self.router.tables.forwards.insert(rule, forward);
    }

    /// Adds a CIDR to a rule.
    pub(crate) fn prefix(&mut self, rule: RuleId, address: Ip4, length: u8) {
        self.router.tables.rule_prefixes.push((rule, Prefix::new(address, length)));
    }

    /// The one masquerade rule.
    pub(crate) fn masquerade(&mut self) -> &mut Masquerade {
        &mut self.router.tables.masquerades[0].2
    }

    pub(crate) fn rule(&self, rule: RuleId) -> Counter {
        self.router.tables.rule_counter(rule)
    }
}

/// Ports of the host that lead to blue's, from `to` upwards.
pub(crate) fn tcp(ports: RangeInclusive<u16>, to: u16) -> Forward {
    Forward {
        target: BLUE,
        first: *ports.start(),
        last: *ports.end(),
        target_first: to,
        protocol: Protocol::Tcp.number(),
        ..Forward::default()
    }
}

/// An end of a connection; the port of an echo is its identifier, at the asking end.
pub(crate) type End = (Ip4, u16);

impl Sent {
    pub(crate) fn head(&self) -> Headers {
        Headers::read(&self.after).expect("an IPv4 packet")
    }

    /// Source and destination afterwards.
    pub(crate) fn ends(&self) -> (End, End) {
        let head = self.head();
        (
            (head.source, head.source_port.number()),
            (head.destination, head.destination_port.number()),
        )
    }

    /// It left by the uplink, towards the LAN's next hop, bearing these ends.
    #[track_caller]
    pub(crate) fn left_as(&self, source: End, destination: End) -> &Self {
        let next_hop = if destination.0 == LAN { destination.0 } else { address::LAN };
        let exit = Exit::Neighbour { link: self.places.uplink.index, next_hop };
        assert_eq!(self.verdict, Verdict::Redirect(exit));
        assert_eq!(self.ends(), (source, destination));
        self.is_one_hop_further()
    }

    /// It went into a namespace, with the right Ethernet addresses, bearing these ends.
    #[track_caller]
    pub(crate) fn reached(&self, namespace: Ip4, source: End, destination: End) -> &Self {
        let Places { red_port, red_mac, blue_port, blue_mac, .. } = self.places;
        let (cable, mac) =
            if namespace == RED { (red_port, red_mac) } else { (blue_port, blue_mac) };
        assert_eq!(self.verdict, Verdict::Redirect(Exit::Peer { cable }));
        assert_eq!(self.ends(), (source, destination));
        assert_eq!(self.after.destination_mac(), Some(mac));
        assert_eq!(self.after.source_mac(), self.before.destination_mac());
        self.is_one_hop_further()
    }

    /// It goes on through the stack, or out of the uplink from there, bearing these ends.
    #[track_caller]
    pub(crate) fn went_on_as(&self, source: End, destination: End) -> &Self {
        assert_eq!(self.verdict, Verdict::Redirect(Exit::Onward));
        assert_eq!(self.ends(), (source, destination));
        let before = Headers::read(&self.before).expect("an IPv4 packet");
        assert_eq!(self.head().ttl, before.ttl, "the stack counts hops");
        assert_eq!(self.before.bytes()[..14], self.after.bytes()[..14], "Ethernet is the stack's");
        assert_eq!(self.before.bytes().len(), self.after.bytes().len());
        assert_eq!(wrong_checksums(self.after.network()), []);
        self
    }

    /// Time to live counted down, every checksum right, nothing lost.
    #[track_caller]
    pub(crate) fn is_one_hop_further(&self) -> &Self {
        let before = Headers::read(&self.before).expect("an IPv4 packet");
        assert_eq!(self.head().ttl, before.ttl - 1);
        assert_eq!(wrong_checksums(self.after.network()), []);
        assert_eq!(self.before.bytes().len(), self.after.bytes().len());
        self
    }

    #[track_caller]
    pub(crate) fn passed(&self) {
        assert_eq!(self.verdict, Verdict::Pass);
        assert_eq!(self.before.bytes(), self.after.bytes(), "passed untouched");
    }

    /// Checks that it was dropped, and that its sender gets an ICMP error from `source` which
    /// quotes the packet as it was sent. Returns that error's type and code, and the MTU it names.
    #[track_caller]
    pub(crate) fn refused(&self, reason: DropReason, source: Ip4) -> ((u8, u8), u16) {
        let Verdict::Answer(counted, exit) = self.verdict else { panic!("no answer: {self:#?}") };
        assert_eq!(counted, reason);
        let sender = Headers::read(&self.before).expect("an IPv4 packet").source;
        let back = match self.before.link() {
            // The stack had forwarded it.
            link if link == self.places.uplink.index && [RED, BLUE].contains(&sender) => {
                Exit::Neighbour { link: self.places.bridge.index, next_hop: Ip4::UNSPECIFIED }
            }
            link if link == self.places.uplink.index => {
                Exit::Neighbour { link, next_hop: address::LAN }
            }
            cable => Exit::Peer { cable },
        };
        assert_eq!(exit, back);
        assert_eq!((self.head().source, self.head().destination), (source, sender));
        assert_eq!(self.after.destination_mac(), self.before.source_mac());
        assert_eq!(self.after.source_mac(), self.before.destination_mac());
        let wrong = wrong_checksums(self.after.network());
        assert!(wrong.iter().all(|field| *field == Field::QuotedTransport), "{wrong:?}");
        let error = self.after.network();
        assert!(error.len() <= 576, "{} bytes", error.len());
        let quoted = self.before.network().len().min(576 - 28);
        assert_eq!(&error[28..], &self.before.network()[..quoted]);
        ((error[20], error[21]), u16::from_be_bytes([error[26], error[27]]))
    }

    /// Checks that it was dropped, with or without an ICMP error.
    #[track_caller]
    pub(crate) fn dropped(&self, reason: DropReason) {
        let (Verdict::Drop(counted) | Verdict::Answer(counted, _)) = self.verdict else {
            panic!("not dropped: {self:#?}");
        };
        assert_eq!(counted, reason);
    }
}
