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
    /// A fragment of a packet that would have to be translated.
    Fragment = 1, "fragment";
    /// A protocol other than TCP, UDP and ICMP echo, bound for an uplink.
    UnsupportedProtocol = 2, "unsupported-protocol";
    /// An ICMP message from inside that belongs to no translated connection.
    UnrelatedIcmp = 3, "unrelated-icmp";
    /// The source is not an address of the namespace at the end of this cable.
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
    /// Would have left an uplink untranslated, with an inside source.
    Leak = 10, "leak";
    /// The time to live of an inbound packet of a translated connection ran out.
    TtlExceeded = 11, "ttl-exceeded";
    /// The kernel has no route to the destination or forbids it.
    NoRoute = 12, "no-route";
    /// The packet could not be rewritten.
    RewriteFailed = 13, "rewrite-failed";
    /// A packet of no known connection to a forwarded port that cannot begin one.
    NoFlow = 14, "no-flow";
    /// To a forwarded port, from an address that no packet from outside can have.
    Martian = 15, "martian";
}
