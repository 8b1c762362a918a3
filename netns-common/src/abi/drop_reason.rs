//! Why the datapath dropped a packet: named, numbered, counted.

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

            /// How many counters there have to be: numbers may have gaps.
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
    /// The IPv4 header is damaged or the packet is shorter than its headers say.
    Malformed = 0, "malformed";
    /// A fragment of a packet that would have to be translated, without the one that has the
    /// ports, or of a protocol whose ports cannot be changed in fragments (SCTP).
    Fragment = 1, "fragment";
    /// A protocol that no address can be changed under, bound for an uplink: its checksum
    /// covers addresses in a way of its own, or it protects them.
    UnsupportedProtocol = 2, "unsupported-protocol";
    /// An ICMP message from inside that belongs to no translated connection.
    UnrelatedIcmp = 3, "unrelated-icmp";
    /// The IPv4 source is not an address of the namespace at the end of this cable.
    SpoofedSource = 4, "spoofed-source";
    /// No masquerade rule covers this source on this uplink.
    NoMasquerade = 5, "no-masquerade";
    /// Every external port that was tried is taken.
    PortsExhausted = 6, "ports-exhausted";
    /// The flow table is full.
    TableFull = 7, "table-full";
    /// From the uplink towards an inside address.
    InsideDestination = 8, "inside-destination";
    /// From the uplink with an inside source.
    InsideSource = 9, "inside-source";
    /// Would have left by an uplink untranslated.
    Leak = 10, "leak";
    /// The time to live of an inbound packet of a translated connection ran out.
    TtlExceeded = 11, "ttl-exceeded";
    /// The kernel has no route to the destination or forbids it.
    NoRoute = 12, "no-route";
    /// The packet could not be rewritten.
    RewriteFailed = 13, "rewrite-failed";
    /// A packet of no known connection to a forwarded port that cannot begin one.
    NoFlow = 14, "no-flow";
    /// From an address that no packet on a wire can have: of no network, loopback, multicast,
    /// reserved, broadcast, or the host's own.
    Martian = 15, "martian";
    /// A fragment before the first of its datagram, and its source has too many unfinished
    /// datagrams already.
    FragmentFlood = 16, "fragment-flood";
    /// The kernel routes the packet out of the lab by a link that is not an uplink of the lab.
    NoUplink = 17, "no-uplink";
    /// IPv6, which the lab does not speak.
    Ipv6 = 18, "ipv6";
    /// The sender asks for a checksum to be written where its transport header has none.
    ChecksumOffset = 19, "checksum-offset";
    /// An ICMP error about a translated connection whose checksum, or that of the IPv4
    /// header in it, is wrong.
    BadIcmpChecksum = 20, "bad-icmp-checksum";
    /// An ICMP error about packet sizes that came too often or, counted besides the packet it
    /// was about, an ICMP error that the NAT did not send because it had sent many.
    IcmpRateLimit = 21, "icmp-rate-limit";
    /// An ICMP error about packet sizes that cannot be true of the connection it names.
    ForgedTooBig = 22, "forged-too-big";
    /// Larger than the cable to its namespace carries, and not to be fragmented.
    TooLarge = 23, "too-large";
    /// A new connection beyond the quota of its namespace, or of its uplink if it comes from outside.
    Quota = 24, "quota";
    /// A new connection while too many of the same namespace have no answer, or too many calls from
    /// outside by the same uplink are half-open.
    UnrepliedQuota = 25, "unreplied-quota";
    /// A new connection while half of the flow table has no answer, and this namespace has its part of that.
    UnrepliedShare = 26, "unreplied-share";
    /// To an endpoint-independent mapping, from somebody whom its filtering keeps out.
    Filtered = 27, "filtered";
    /// A connection that began while the flow table was given another size: for a moment none can.
    Resizing = 28, "resizing";
    /// Not dropped, but counted: a packet of another NAT on the machine, whose connection has no
    /// record, since as many have one as may, or a connection of the lab has its port.
    OtherNatUnrecorded = 29, "other-nat-unrecorded";
    /// The cable is pulled out of its bridge, or the bridge or the port is switched off.
    PortClosed = 30, "port-closed";
    /// Not dropped, but counted: the first packet of a connection for which an older one, that was over or
    /// that nobody had answered, was forgotten.
    Evicted = 31, "evicted";
    /// The program that was to go on with the packet could not be run: its tail call failed, as while a
    /// lab is being taken down.
    TailCallFailed = 32, "tail-call-failed";
    /// The Ethernet source is not that of the namespace at the end of this cable.
    SpoofedMac = 36, "spoofed-mac";
    /// ARP that claims addresses which the namespace at the end of this cable does not have.
    SpoofedArp = 37, "spoofed-arp";
    /// The checksum of the IPv4 header is wrong.
    BadChecksum = 38, "bad-checksum";
    /// The sender names the routers that the packet is to pass (IPv4 source route).
    SourceRoute = 39, "source-route";
    /// Of a protocol without ports, towards a remote that another end has it with already.
    ProtocolTaken = 40, "protocol-taken";
    /// Towards a loopback address or one of no network.
    MartianDestination = 41, "martian-destination";
    /// The time to live was up before the packet was sent.
    NoTimeToLive = 42, "no-time-to-live";
}
