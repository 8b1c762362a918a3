//! The table of stages: the programs that a packet goes through after an entry program.
//!
//! Each stage is a separate program, reached by a tail call. It has the kernel's 512 bytes of stack
//! to itself, and the verifier follows it once, not once for each path that leads to it.
//!
//! [`for_each_stage!`](crate::for_each_stage) hands the table to a macro. From it come [`Stage`],
//! the datapath's function for each stage, the programs, and their verifier budgets.

/// Hands the table of stages to a macro.
///
/// A row has the purpose of the stage, its variant of [`Stage`](crate::abi::Stage), the name of its
/// program (the kernel keeps 15 bytes), the programs that go on with it, how often one packet may
/// run it, and its budget: how many instructions the verifier may follow, on the reference kernel
/// of the budget test.
#[macro_export]
macro_rules! for_each_stage {
    ($macro:path) => {
        $macro! {
            /// A packet of a namespace that may be for another namespace on its bridge.
            SameBridge = same_bridge, from [from_namespace], runs 1, budget 2_000;
            /// A fragment that a namespace sends.
            OutboundFragment = outbound_fragment, from [from_namespace], runs 1, budget 12_000;
            /// A packet of a namespace that the fast path does not handle: with IP options, a
            /// fragment, of another protocol, or one that changes the state of its flow.
            OutboundSlow = outbound_slow,
                from [from_namespace, same_bridge, outbound_fragment], runs 1, budget 16_500;
            /// A packet of a namespace for its own bridge, or of a flow with a translated port.
            OutboundLookup = outbound_lookup,
                from [from_namespace, outbound_slow], runs 1, budget 12_000;
            /// A packet of a known hairpin connection that the fast path does not handle.
            HairpinForward = hairpin_forward,
                from [outbound_slow, outbound_lookup], runs 1, budget 11_000;
            /// The first packet of a flow that a namespace begins.
            OutboundBegin = outbound_begin,
                from [outbound_lookup, hairpin_forward, evict], runs 1, budget 34_500;
            /// An ICMP error that a namespace sends.
            OutboundError = outbound_error, from [outbound_begin], runs 1, budget 10_500;
            /// A frame of a namespace or an uplink without an IPv4 packet, or from a cable that is
            /// not in its bridge.
            OtherFrame = other_frame, from [from_namespace, from_uplink], runs 1, budget 1_000;
            /// A fragment from an uplink.
            InboundFragment = inbound_fragment, from [from_uplink], runs 1, budget 12_000;
            /// A packet from an uplink that the fast path does not handle.
            InboundSlow = inbound_slow,
                from [from_uplink, inbound_fragment], runs 1, budget 15_500;
            /// An answer to a connection of another NAT on the machine.
            OtherNatIn = other_nat_in,
                from [from_uplink, inbound_slow], runs 1, budget 6_500;
            /// A packet from an uplink that belongs to no flow.
            InboundBegin = inbound_begin,
                from [from_uplink, inbound_slow, other_nat_in], runs 1,
                budget 10_500;
            /// An ICMP error that came in by an uplink.
            InboundError = inbound_error, from [inbound_begin], runs 1, budget 14_000;
            /// A packet of a known flow whose TTL has run out, or that is larger than the MTU of
            /// its cable.
            TtlOrMtu = ttl_or_mtu, from [from_uplink, inbound_slow], runs 1, budget 6_000;
            /// A packet at an uplink that the entry program of the egress guard cannot judge: its
            /// source is neither the first address of an uplink nor in an inside prefix, or a rule
            /// may let it leave untranslated.
            EgressGuard = egress_guard, from [to_uplink], runs 1, budget 8_500;
            /// A packet of another NAT on the machine that leaves by an uplink.
            OtherNatOut = other_nat_out, from [egress_guard], runs 1, budget 17_000;
            /// A packet of the lab that the stack forwarded to an uplink.
            EgressLookup = egress_lookup, from [to_uplink, egress_guard], runs 1, budget 19_500;
            /// The first packet of a flow that the stack forwarded to an uplink.
            EgressBegin = egress_begin, from [egress_lookup, evict], runs 1, budget 24_000;
            /// An ICMP error of a namespace that the stack forwarded to an uplink.
            EgressError = egress_error, from [egress_begin], runs 1, budget 9_000;
            /// An ICMP error of the router itself that leaves by an uplink.
            OwnError = own_error, from [to_uplink, other_nat_out], runs 1, budget 6_500;
            /// An ICMP query of the router itself with an identifier that a namespace uses.
            HostQuery = host_query, from [to_uplink], runs 1, budget 6_000;
            /// Endpoint-independent filtering: a packet to an external port that may have a
            /// mapping.
            EifAdmit = eif_admit, from [outbound_begin, inbound_begin], runs 1, budget 2_000;
            /// DNAT: records the flow of a caller outside to the target of a forward or mapping.
            Dnat = dnat, from [inbound_begin, eif_admit, evict], runs 5, budget 48_500;
            /// Records the caller's flow of a hairpin connection, from one namespace to a forward
            /// of another.
            HairpinCaller = hairpin_caller,
                from [outbound_begin, eif_admit, evict], runs 1, budget 12_000;
            /// Gives a new flow its external port if a masquerade of the lab is
            /// endpoint-independent.
            AllocateEim = allocate_eim,
                from [outbound_begin, egress_begin, other_nat_out, evict], runs 13,
                budget 40_000;
            /// Gives a new flow a free external port.
            AllocatePort = allocate_port,
                from [outbound_begin, egress_begin, other_nat_out, hairpin_caller, evict],
                runs 13, budget 32_500;
            /// Takes over the port of a closed or unanswered connection when every tried port is in
            /// use.
            Reclaim = reclaim, from [allocate_port], runs 2, budget 42_500;
            /// Records the target's flow of a hairpin connection, from one namespace to a forward
            /// of another.
            HairpinTarget = hairpin_target,
                from [hairpin_caller, allocate_port, reclaim, evict], runs 5, budget 22_000;
            /// Evicts an idle record when there is no room for a new flow.
            Evict = evict,
                from [outbound_begin, egress_begin, dnat, hairpin_caller, allocate_eim,
                    allocate_port, hairpin_target],
                runs 1, budget 16_000;
            /// Records how the first fragment of a datagram is translated, for the later ones.
            FirstFragment = first_fragment,
                from [outbound_slow, outbound_lookup, hairpin_forward, outbound_begin, inbound_slow,
                    inbound_begin, ttl_or_mtu, eif_admit, egress_lookup,
                    dnat, hairpin_target, allocate_eim, allocate_port, reclaim,
                    other_nat_out, other_nat_in],
                runs 1, budget 13_500;
            /// Applies the translation of a packet that another stage has decided.
            Translate = translate,
                from [outbound_slow, outbound_lookup, hairpin_forward, inbound_slow, ttl_or_mtu,
                    egress_lookup, dnat, hairpin_target, allocate_eim, allocate_port,
                    reclaim, other_nat_out, other_nat_in, first_fragment],
                runs 1, budget 6_500;
            /// Applies the translation of an ICMP error, and of the packet that it quotes.
            RewriteQuote = rewrite_quote,
                from [outbound_error, inbound_error, egress_error, own_error], runs 1,
                budget 7_000;
            /// Clamps the maximum segment size that a SYN announces.
            MssClamp = mss_clamp,
                from [from_namespace, from_uplink, to_uplink, translate], runs 1,
                budget 10_000;
            /// Drops a packet and sends an ICMP error with the reason to its sender.
            SendIcmpError = send_icmp_error,
                from [from_namespace, outbound_slow, outbound_lookup, hairpin_forward,
                    outbound_begin, egress_begin, dnat, hairpin_caller, hairpin_target,
                    allocate_eim, allocate_port, reclaim, ttl_or_mtu],
                runs 1, budget 10_000;
        }
    };
}

macro_rules! define_stages {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:ident,
        from [$($from:ident),+ $(,)?], runs $runs:literal, budget $budget:literal;)+) => {
        /// A part of the work on one packet. The number is its index in the table of programs.
        #[repr(u32)]
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        pub enum Stage {
            $($(#[doc = $doc])+ $variant,)+
        }

        impl Stage {
            /// Every stage, in the order of the numbers.
            pub const ALL: [Self; [$(stringify!($name)),+].len()] = [$(Self::$variant),+];

            /// The name of its program; the kernel keeps 15 bytes.
            pub const fn program(self) -> &'static str {
                match self { $(Self::$variant => stringify!($name),)+ }
            }

            /// The purpose of the stage, for people.
            pub const fn purpose(self) -> &'static str {
                match self { $(Self::$variant => concat!($($doc),+),)+ }
            }

            /// The programs that go on with it, besides itself.
            pub const fn from(self) -> &'static [&'static str] {
                match self { $(Self::$variant => &[$(stringify!($from)),+],)+ }
            }

            /// How often one packet may run it, without the run after an eviction.
            pub const fn runs(self) -> u32 {
                match self { $(Self::$variant => $runs,)+ }
            }

            /// How many instructions the verifier may follow in it.
            pub const fn budget(self) -> u32 {
                match self { $(Self::$variant => $budget,)+ }
            }
        }
    };
}

for_each_stage!(define_stages);

/// Index of the program that writes the packet log, after those of the stages. The slot is empty
/// while nobody reads the log.
pub const REPORT: u32 = 63;

/// Size of the table of programs.
pub const STAGE_SLOTS: u32 = 64;

/// How many tail calls the kernel lets one packet make (`MAX_TAIL_CALL_CNT` of linux/bpf.h).
const MAX_TAIL_CALLS: u32 = 33;

/// An eviction takes one tail call, and the stage that asked for it runs once more.
const TAIL_CALLS_OF_EVICTION: u32 = 2;

/// The packet log takes one more tail call.
const TAIL_CALLS_OF_REPORT: u32 = 1;

const _: () = {
    assert!(Stage::ALL.len() < REPORT as usize);
    assert!(longest_path() + TAIL_CALLS_OF_EVICTION + TAIL_CALLS_OF_REPORT <= MAX_TAIL_CALLS);
};

/// The most tail calls from an entry program to the end, without an eviction and the packet log.
const fn longest_path() -> u32 {
    let mut calls = [0; Stage::ALL.len()];
    let mut longest = 0;
    let mut at = 0;
    while at < Stage::ALL.len() {
        let stage = Stage::ALL[at];
        let mut before = 0;
        let mut index = 0;
        while index < stage.from().len() {
            let from = stage.from()[index];
            index += 1;
            if is_same(from, Stage::Evict.program()) {
                continue;
            }
            let mut other = 0;
            while other < Stage::ALL.len() {
                if is_same(from, Stage::ALL[other].program()) {
                    assert!(other < at, "a stage stands behind those that go on with it");
                    before = if calls[other] > before { calls[other] } else { before };
                }
                other += 1;
            }
        }
        calls[at] = before + stage.runs();
        longest = if calls[at] > longest { calls[at] } else { longest };
        at += 1;
    }
    longest
}

const fn is_same(one: &str, other: &str) -> bool {
    let (one, other) = (one.as_bytes(), other.as_bytes());
    let mut at = 0;
    while at < one.len() && at < other.len() && one[at] == other[at] {
        at += 1;
    }
    at == one.len() && at == other.len()
}
