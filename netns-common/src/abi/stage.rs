//! The stages: what a packet goes through when no record of its flow carries it.
//!
//! Each is a program of its own, reached by a tail call: it has the kernel's 512 bytes of
//! stack to itself, and the verifier looks at it once, not once for each way that leads to it.

macro_rules! stages {
    ($($(#[doc = $doc:literal])+ $variant:ident = $number:literal, $name:literal;)+) => {
        /// A part of the work on one packet. The number is its index in the table of programs.
        #[repr(u32)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Stage {
            $($(#[doc = $doc])+ $variant = $number,)+
        }

        impl Stage {
            /// Every stage.
            pub const ALL: [Self; [$($number),+].len()] = [$(Self::$variant),+];

            /// The name of its program; the kernel keeps 15 bytes.
            pub const fn program(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }
        }
    };
}

stages! {
    /// A packet of a namespace: carried if it is for another on its bridge, or if its flow could
    /// not keep its port.
    OutboundMoved = 0, "outbound_moved";
    /// A packet of a namespace that is of no flow.
    OutboundBegin = 1, "outbound_begin";
    /// An ICMP error that a namespace sends.
    OutboundError = 2, "outbound_error";
    /// Begins a connection from one namespace to a forward of another: the caller's record.
    Hairpin = 3, "hairpin";
    /// A packet from an uplink that is of no flow.
    InboundBegin = 4, "inbound_begin";
    /// An ICMP error that came in by an uplink.
    InboundError = 5, "inbound_error";
    /// Begins a flow to a forward's target.
    Enter = 6, "enter";
    /// Begins a flow to an inside end that has a mapping.
    Admit = 7, "admit";
    /// Records a masqueraded flow where some masquerade is endpoint-independent.
    Map = 8, "map";
    /// Records any other flow that is begun by the inside, under a port that is free.
    Claim = 9, "claim";
    /// Looks for an external port whose connection is over, once all that were tried are taken.
    Reclaim = 32, "reclaim";
    /// Forgets an older record where there is no room for a new flow.
    Evict = 31, "evict";
    /// The other end's record of a connection from one namespace to a forward of another.
    Meet = 10, "meet";
    /// A packet of a namespace that may be for another on its bridge.
    Neighbour = 11, "neighbour";
    /// A packet from an uplink that cannot go into its namespace as it is.
    Held = 12, "held";
    /// Tells the sender of a packet that is dropped.
    Refuse = 13, "refuse";
    /// A packet that the stack forwarded out of an uplink: carried if its flow could not keep
    /// its port.
    EgressMoved = 16, "egress_moved";
    /// A packet at an uplink that the first checks of the guard cannot decide about. Either its
    /// source is no first address of an uplink and in no inside prefix, or a rule lets it leave
    /// untranslated.
    EgressGuard = 26, "egress_guard";
    /// A packet of another NAT on the machine that leaves by an uplink.
    OtherNatOut = 27, "other_nat_out";
    /// An answer to one.
    OtherNatIn = 29, "other_nat_in";
    /// A packet that the stack forwarded out of an uplink, of no flow.
    EgressBegin = 17, "egress_begin";
    /// An ICMP error of a namespace that the stack forwarded out of an uplink.
    EgressError = 18, "egress_error";
    /// An ICMP error of the router itself that leaves by an uplink.
    OwnError = 19, "own_error";
    /// A query of the router itself that leaves by an uplink with an identifier that a namespace had.
    HostQuery = 30, "host_query";
    /// A frame of a namespace that holds no IPv4 packet.
    OtherFrame = 20, "other_frame";
    /// A packet of a namespace that is not as nearly all are: carried if its flow is known.
    OutboundRare = 21, "outbound_rare";
    /// The same for a packet from an uplink.
    InboundRare = 22, "inbound_rare";
    /// A fragment that a namespace sends.
    OutboundFragment = 14, "outbound_fragment";
    /// A fragment from an uplink.
    InboundFragment = 15, "inbound_fragment";
    /// Notes how the first fragment of a datagram is translated, for the others.
    FirstFragment = 23, "first_fragment";
    /// Translates a packet as another stage has decided.
    Translate = 24, "translate";
    /// Translates an ICMP error, and the packet that it quotes, as another stage has decided.
    Requote = 25, "requote";
    /// Lowers the segment size that a translated SYN announces.
    Clamp = 28, "mss_clamp";
}

/// Index of the program that writes the packet log, behind those of the stages; there is one
/// only while somebody listens.
pub const REPORT: u32 = 63;

/// Size of the table of programs.
pub const STAGE_SLOTS: u32 = 64;

const _: () = assert!(Stage::ALL.len() < REPORT as usize);
