//! The result of the work on a packet: a verdict, or the stage that goes on with it.

use crate::abi::{DropReason, Ip4, Stage};

/// The verdict on a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It goes on to the kernel's stack, untouched.
    Pass,
    /// It was rewritten and leaves by an exit.
    Redirect(Exit),
    /// It is dropped and counted.
    Drop(DropReason),
    /// It is dropped and counted, and an ICMP error leaves in its place.
    Answer(DropReason, Exit),
}

/// The result of one program's work on a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The packet has its verdict.
    Decided(Verdict),
    /// A stage goes on with the packet; its headers are in [`Scratch`](crate::datapath::Scratch).
    Continue(Stage),
}

/// How a rewritten packet leaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exit {
    /// By `link` to the neighbour `next_hop`; the kernel resolves it and writes the Ethernet
    /// addresses. If `next_hop` is unspecified, the kernel uses the next hop of its own route.
    Neighbour { link: u32, next_hop: Ip4 },
    /// Into the namespace at the far end of a cable.
    Peer { cable: u32 },
    /// Into the ingress of `link` again.
    Ingress { link: u32 },
    /// Onward in its direction: into the kernel's stack at ingress, out of the link at egress.
    Onward,
}

impl Exit {
    /// Whether the packet skips the kernel's stack, which would have decremented the TTL.
    #[inline(always)]
    pub(crate) const fn skips_stack(self) -> bool {
        !matches!(self, Self::Onward)
    }
}
