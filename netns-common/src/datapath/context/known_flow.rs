//! The result of forwarding a packet by the record of a flow, and the next step for the packet.

use crate::{
    abi::{DropReason, RuleId, Stage},
    datapath::{
        context::{
            packet_context::PacketContext,
            pending::ParkedExit,
            verdict::{Exit, Outcome, Verdict},
        },
        packet::{
            access::Packet,
            rewrite::{self, FAST_PATH, Translation},
        },
        tables::kernel::Tables,
        verifier::verifier_barrier,
    },
};

/// The result of forwarding a packet by the record of a flow.
///
/// No variant has a payload: the compiler would copy it for the results that have none, and the
/// verifier refuses to copy what was never written. The hand-off has the payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KnownFlow {
    /// The record is not of this packet's connection, or is no longer valid: the look-up goes on.
    Miss,
    /// The packet is rewritten, and leaves by the exit of its flow. Only on the fast path.
    Rewritten,
    /// The packet passes to the kernel's stack, untouched.
    Pass,
    /// The packet is dropped and counted: see [`PacketContext::drop_known`].
    Drop,
    /// A stage goes on with the packet: see [`PacketContext::next`].
    Next,
}

/// Results as the numbers that a function of the kernel side may return.
mod code {
    pub(super) const NONE: u32 = 0;
    pub(super) const MISS: u32 = 1;
    pub(super) const REWRITTEN: u32 = 2;
    pub(super) const PASS: u32 = 3;
    pub(super) const DROP: u32 = 4;
    pub(super) const NEXT: u32 = 5;
}

impl<P: Packet, T: Tables> PacketContext<'_, P, T> {
    /// Does rare work in a separate function, so that the fast path uses few registers and little
    /// stack. The verifier permits a function to return only a number.
    #[inline(always)]
    pub(crate) fn out_of_line(
        &mut self,
        work: impl FnOnce(&mut Self) -> Option<KnownFlow>,
    ) -> Option<KnownFlow> {
        match self.out_of_line_code(work) {
            code::NONE => None,
            code::REWRITTEN => Some(KnownFlow::Rewritten),
            code::PASS => Some(KnownFlow::Pass),
            code::DROP => Some(KnownFlow::Drop),
            code::NEXT => Some(KnownFlow::Next),
            _ => Some(KnownFlow::Miss),
        }
    }

    #[inline(never)]
    fn out_of_line_code(&mut self, work: impl FnOnce(&mut Self) -> Option<KnownFlow>) -> u32 {
        match work(self) {
            None => code::NONE,
            Some(KnownFlow::Miss) => code::MISS,
            Some(KnownFlow::Rewritten) => code::REWRITTEN,
            Some(KnownFlow::Pass) => code::PASS,
            Some(KnownFlow::Drop) => code::DROP,
            Some(KnownFlow::Next) => code::NEXT,
        }
    }

    /// Drops the packet of a known flow and counts it.
    #[inline(always)]
    pub(crate) fn drop_known(&mut self, reason: DropReason) -> KnownFlow {
        self.drop(reason);
        self.handoff.dropped = reason as u32;
        KnownFlow::Drop
    }

    /// Finishes a packet by the result for its known flow, with the exit `exit`; `None` if the
    /// record is not of the packet's connection.
    #[inline(always)]
    pub(crate) fn finish_known(
        &mut self,
        known: KnownFlow,
        exit: impl FnOnce(&Self) -> Exit,
    ) -> Option<Outcome> {
        Some(match known {
            KnownFlow::Miss => return None,
            KnownFlow::Rewritten => {
                let exit = exit(self);
                self.finish(Verdict::Redirect(exit))
            }
            KnownFlow::Pass => Outcome::Decided(Verdict::Pass),
            KnownFlow::Drop => Outcome::Decided(self.dropped_verdict()),
            KnownFlow::Next => Outcome::Continue(verifier_barrier(&self.handoff.next)),
        })
    }

    /// As [`Self::finish_known`] on the slow path, where stages do the rewriting and where the
    /// packet may be a first fragment. The stage `otherwise` goes on if the record is not of the
    /// packet's connection.
    #[inline(always)]
    pub(crate) fn finish_or(&mut self, known: KnownFlow, otherwise: Stage) -> Outcome {
        match known {
            KnownFlow::Miss | KnownFlow::Rewritten => Outcome::Continue(otherwise),
            KnownFlow::Pass => self.record_passed_fragment(Outcome::Decided(Verdict::Pass)),
            KnownFlow::Drop => Outcome::Decided(self.dropped_verdict()),
            KnownFlow::Next => Outcome::Continue(verifier_barrier(&self.handoff.next)),
        }
    }

    #[inline(always)]
    fn dropped_verdict(&self) -> Verdict {
        Verdict::Drop(DropReason::from_number(verifier_barrier(&self.handoff.dropped)))
    }

    /// Leaves the packet of a known flow to a stage.
    #[inline(always)]
    pub(crate) fn next(&mut self, stage: Stage) -> KnownFlow {
        self.handoff.next = stage;
        KnownFlow::Next
    }

    /// Converts the outcome of a refusal or of a pending rewrite into the result for a known flow.
    #[inline(always)]
    pub(crate) fn known(&mut self, outcome: Outcome) -> KnownFlow {
        match outcome {
            Outcome::Continue(stage) => self.next(stage),
            Outcome::Decided(Verdict::Drop(reason)) => {
                self.handoff.dropped = reason as u32;
                KnownFlow::Drop
            }
            Outcome::Decided(_) => KnownFlow::Pass,
        }
    }

    /// Forwards a packet of a known flow by `exit`: rewrites it at once on the [`FAST_PATH`], and
    /// leaves the rewriting to a stage on the slow path.
    #[inline(always)]
    pub(crate) fn rewrite_known<const PATH: bool>(
        &mut self,
        to: &Translation,
        exit: Exit,
        rule: RuleId,
    ) -> KnownFlow {
        if PATH == FAST_PATH {
            self.tables.count_rule(rule, false, self.headers.bytes);
            let (id, is_hop) = (self.headers.id, exit.skips_stack());
            let rewritten = rewrite::apply::<_, PATH>(self.packet, self.headers, to, id, is_hop);
            return match rewritten {
                Some(()) => KnownFlow::Rewritten,
                None => self.drop_known(DropReason::RewriteFailed),
            };
        }
        let outcome = self.rewrite_by_stage(to, ParkedExit::park(exit), rule, false);
        self.known(outcome)
    }
}
