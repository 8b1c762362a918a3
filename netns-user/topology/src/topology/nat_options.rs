//! Settings of the address translation, as data.

use netns_common::abi::{Timeouts, seconds, ticks};
use serde::Serialize;

use crate::rules::Ports;

/// Settings of the address translation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct NatOptions {
    /// How many connections each router tracks at a time.
    pub flow_table: u32,
    /// How many of them each namespace can have, and each uplink for connections from outside.
    pub quota: u32,
    /// How many of these can be unanswered.
    pub unreplied: u32,
    /// Whether packets that do not have their own namespace's Ethernet and IPv4 address as their
    /// source are dropped. A namespace can set it for itself.
    pub source_check: bool,
    /// Whether translated packets pass through the kernel's stack.
    pub via_stack: bool,
    /// The ports for connections that cannot keep their own.
    pub ports: Ports,
    /// Whether an even port is translated to an even port, and an odd port to an odd one.
    pub keep_parity: bool,
    /// Whether a port below 1024 is translated to a port below 1024, and no other port is.
    pub keep_class: bool,
    pub timeouts: NatTimeouts,
}

impl NatOptions {
    /// The defaults for a flow table of this size. One namespace leaves half of the table to the
    /// others, and most of it as long as its connections are unanswered.
    pub fn of_table(flow_table: u32) -> Self {
        Self {
            flow_table,
            quota: flow_table / 2,
            unreplied: flow_table / 8,
            source_check: true,
            via_stack: false,
            ports: Ports::UNPRIVILEGED,
            keep_parity: false,
            keep_class: false,
            timeouts: NatTimeouts::default(),
        }
    }
}

impl Default for NatOptions {
    fn default() -> Self {
        Self::of_table(131_072)
    }
}

/// Declares the timeouts from the keys of the file, each with the field of [`Timeouts`] that it
/// sets.
macro_rules! timeouts {
    ($($key:ident: $field:ident,)+) => {
        /// How long connections can be idle, in seconds.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
        pub struct NatTimeouts {
            $(pub $key: u32,)+
        }

        impl NatTimeouts {
            /// Each timeout with its key in the file.
            pub fn named(&self) -> [(&'static str, u32); 11] {
                [$((stringify!($key), self.$key),)+]
            }
        }

        /// In whole seconds.
        impl From<&Timeouts> for NatTimeouts {
            fn from(timeouts: &Timeouts) -> Self {
                Self { $($key: seconds(timeouts.$field),)+ }
            }
        }

        /// In ticks of the kernel, never shorter than asked for.
        impl From<&NatTimeouts> for Timeouts {
            fn from(timeouts: &NatTimeouts) -> Self {
                Self { $($field: ticks(timeouts.$key),)+ }
            }
        }
    };
}

timeouts! {
    tcp_opening: tcp_opening,
    tcp_established: tcp_established,
    tcp_closing: tcp_closing,
    udp_unreplied: udp_unreplied,
    udp: udp,
    udp_question: udp_question,
    icmp: icmp,
    sctp_unreplied: sctp_unreplied,
    sctp: sctp,
    other_unreplied: portless_unreplied,
    other: portless,
}

impl Default for NatTimeouts {
    fn default() -> Self {
        Self::from(&Timeouts::default())
    }
}
