//! The stages as functions, and the dispatch that runs them one after the other, both from the
//! table in abi/stage.rs ([`for_each_stage!`](crate::for_each_stage)).

use crate::{
    abi::{Stage, Tick},
    datapath::{
        context::{packet_context::run_stage, scratch::Scratch, verdict::Outcome},
        hooks,
        packet::access::Packet,
        tables::kernel::Tables,
    },
    for_each_stage,
};

macro_rules! define_functions {
    ($($(#[doc = $doc:literal])+ $variant:ident = $name:ident,
        from [$($from:ident),+ $(,)?], runs $runs:literal, budget $budget:literal;)+) => {
        $(define_functions!(@one $variant $name);)+

        /// Runs a stage. The kernel side has a program for each stage instead.
        pub fn run<P: Packet, T: Tables>(
            stage: Stage,
            packet: &mut P,
            tables: &T,
            scratch: &mut Scratch,
            now: Tick,
        ) -> Outcome {
            match stage { $(Stage::$variant => $name(packet, tables, scratch, now),)+ }
        }
    };
    // These two read the packet themselves, because its headers may not be in the scratch memory.
    (@one $variant:ident other_frame) => {
        pub use hooks::from_namespace::other_frame;
    };
    (@one $variant:ident egress_guard) => {
        pub use hooks::to_uplink::egress_guard::egress_guard;
    };
    (@one $variant:ident $name:ident) => {
        #[doc = concat!("[`Stage::", stringify!($variant), "`].")]
        #[inline(always)]
        pub fn $name<P: Packet, T: Tables>(
            packet: &mut P,
            tables: &T,
            scratch: &mut Scratch,
            now: Tick,
        ) -> Outcome {
            run_stage(packet, tables, scratch, now, |context| context.$name())
        }
    };
}

for_each_stage!(define_functions);
