//! The reasons why the datapath drops packets, with number, name and meaning.

macro_rules! drop_reasons {
    ($($(#[doc = $doc:literal])+ $variant:ident = $number:literal, $name:literal;)+) => {
        /// Why a packet was dropped. The number is its index in the counters.
        #[repr(u32)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum DropReason {
            $($(#[doc = $doc])+ $variant = $number,)+
        }

        impl DropReason {
            /// Every reason, in the order of their numbers.
            pub const ALL: [Self; [$($number),+].len()] = [$(Self::$variant),+];

            /// How many counters there have to be: numbers rise, and may have gaps.
            pub const SLOTS: u32 = Self::ALL[Self::ALL.len() - 1] as u32 + 1;

            /// The reason of a number; the last one for a number that none has.
            #[inline(always)]
            pub const fn from_number(number: u32) -> Self {
                match number {
                    $($number => Self::$variant,)+
                    _ => Self::ALL[Self::ALL.len() - 1],
                }
            }

            /// The reason's name, as `netns nat` shows it.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => $name,)+ }
            }

            /// What it means, in a sentence.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),+),)+ }
            }
        }
    };
}

drop_reasons! {
    /// The IPv4 header is invalid, or the packet is shorter than its headers say.
    Malformed = 0, "malformed";
    /// A fragment that must be translated, but its first fragment, which has the ports, is missing;
    /// or an SCTP fragment, whose ports cannot be rewritten.
    Fragment = 1, "fragment";
    /// To an uplink, with a protocol that NAT would break: it authenticates the addresses, or its
    /// checksum covers them in its own way.
    UnsupportedProtocol = 2, "unsupported-protocol";
    /// An ICMP message from inside that belongs to no translated connection or query.
    UnrelatedIcmp = 3, "unrelated-icmp";
    /// The source address is not one of the namespace at the end of this cable.
    SpoofedSource = 4, "spoofed-source";
    /// No masquerade rule matches this source and this uplink.
    NoMasquerade = 5, "no-masquerade";
    /// Every external port that was tried is in use.
    PortsExhausted = 6, "ports-exhausted";
    /// The flow table is full.
    TableFull = 7, "table-full";
    /// From an uplink, with an inside address as destination.
    InsideDestination = 8, "inside-destination";
    /// From an uplink, with an inside address as source.
    InsideSource = 9, "inside-source";
    /// Would have left by an uplink without translation.
    Leak = 10, "leak";
    /// The time to live of a packet of a translated connection expired.
    TtlExceeded = 11, "ttl-exceeded";
    /// The kernel has no route to the destination, or the route forbids it.
    NoRoute = 12, "no-route";
    /// The kernel refused to rewrite the packet.
    RewriteFailed = 13, "rewrite-failed";
    /// The packet belongs to no known connection and cannot begin one.
    NoFlow = 14, "no-flow";
    /// The source address is invalid on a network: unspecified, loopback, multicast, reserved,
    /// broadcast, or one of the host's own.
    Martian = 15, "martian";
    /// A fragment that came before the first one of its datagram, from a source with too many
    /// incomplete datagrams.
    FragmentFlood = 16, "fragment-flood";
    /// The kernel routes it out of an interface that is not an uplink of the lab.
    NoUplink = 17, "no-uplink";
    /// An IPv6 packet: labs have only IPv4.
    Ipv6 = 18, "ipv6";
    /// The sender asks for a checksum at an offset where the transport header has none.
    ChecksumOffset = 19, "checksum-offset";
    /// An ICMP error about a translated connection, with a wrong checksum of its own or of the IPv4
    /// header inside.
    BadIcmpChecksum = 20, "bad-icmp-checksum";
    /// One ICMP error too many: a "fragmentation needed" from outside, or an error that the NAT
    /// would have sent itself (then the dropped packet is counted too).
    IcmpRateLimit = 21, "icmp-rate-limit";
    /// A "fragmentation needed" that cannot be true of the connection that it names.
    ForgedTooBig = 22, "forged-too-big";
    /// Larger than the MTU of the cable to its namespace, with "don't fragment" set.
    TooLarge = 23, "too-large";
    /// A new connection beyond the quota of its namespace or, from outside, of its uplink.
    Quota = 24, "quota";
    /// A new connection, but too many of this namespace are unanswered, or too many from outside by
    /// this uplink are half-open.
    UnrepliedQuota = 25, "unreplied-quota";
    /// The limit for unanswered connections is reached, and this namespace has used its share.
    UnrepliedShare = 26, "unreplied-share";
    /// To an endpoint-independent mapping, from a remote endpoint that its filtering does not
    /// admit.
    Filtered = 27, "filtered";
    /// A new connection while the flow table was being resized.
    Resizing = 28, "resizing";
    /// Counted, not dropped: a packet of another NAT on this machine without a record of its
    /// connection. The limit of such records is reached, or a connection of the lab uses the port.
    OtherNatUnrecorded = 29, "other-nat-unrecorded";
    /// The port is detached from its bridge, or the bridge or the port is down.
    PortClosed = 30, "port-closed";
    /// Counted, not dropped: the first packet of a connection that took the record of an older one,
    /// which was closed or unanswered.
    Evicted = 31, "evicted";
    /// The program that was to go on with the packet could not be run: its tail call failed, as
    /// while a lab is being taken down.
    TailCallFailed = 32, "tail-call-failed";
    /// The Ethernet source is not that of the namespace at the end of this cable.
    SpoofedMac = 36, "spoofed-mac";
    /// An ARP packet with a sender address that the namespace at the end of this cable does not
    /// have.
    SpoofedArp = 37, "spoofed-arp";
    /// The checksum of the IPv4 header is wrong.
    BadChecksum = 38, "bad-checksum";
    /// The packet has an IPv4 source route option.
    SourceRoute = 39, "source-route";
    /// Another namespace already has a flow of this protocol, which has no ports, with that remote.
    ProtocolTaken = 40, "protocol-taken";
    /// The destination is a loopback address or an unspecified one.
    MartianDestination = 41, "martian-destination";
    /// The packet arrived with a time to live of 0.
    NoTimeToLive = 42, "no-time-to-live";
}

const _: () = assert!(do_numbers_rise(), "the rows are not in the order of their numbers");

const fn do_numbers_rise() -> bool {
    let mut at = 1;
    while at < DropReason::ALL.len() {
        if DropReason::ALL[at - 1] as u32 >= DropReason::ALL[at] as u32 {
            return false;
        }
        at += 1;
    }
    true
}
