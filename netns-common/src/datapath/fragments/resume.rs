//! A later fragment: it is translated as the first fragment of its datagram was.

use crate::{
    abi::{DropReason, Fragment, FragmentPlace, FragmentState, Ip4, Stage},
    datapath::{
        context::{
            packet_context::PacketContext,
            verdict::{Exit, Outcome, Verdict},
        },
        fragments::table::find_note,
        packet::{access::Packet, headers::Headers, ip_options, rewrite},
        tables::kernel::Tables,
    },
};

impl<P: Packet, T: Tables> PacketContext<'_, P, T> {
    /// Forwards a fragment by the record of its datagram. The stage `otherwise` goes on if there is
    /// none. `from_namespace` is as in [`Self::resume_fragment`].
    #[inline(always)]
    pub(crate) fn resume_or(&mut self, from_namespace: bool, otherwise: Stage) -> Outcome {
        if let Some(reason) = ip_options::fault(self.packet, self.headers) {
            return Outcome::Decided(self.drop(reason));
        }
        match self.resume_fragment(from_namespace) {
            // Nothing is clamped on the way to the reassembler: the first fragment takes the usual
            // path when it returns.
            Some(verdict) => Outcome::Decided(verdict),
            None => Outcome::Continue(otherwise),
        }
    }

    /// Forwards a fragment by the record of its datagram; `None` if there is none.
    /// `from_namespace`: it came by a cable, which must be the cable of the first fragment.
    #[inline(always)]
    fn resume_fragment(&mut self, from_namespace: bool) -> Option<Verdict> {
        let headers = self.headers;
        if headers.first_fragment && headers.is_tiny() {
            return Some(self.drop(DropReason::Malformed));
        }
        let place =
            if from_namespace { FragmentPlace::FromNamespace } else { FragmentPlace::FromUplink };
        let found = find_note(self.tables, self.settings, headers, self.now, place)?;
        if from_namespace && found.link != self.packet.link() {
            return None;
        }
        match FragmentState::from_number(found.state) {
            FragmentState::Detour => Some(self.redirect_to_reassembler()),
            _ if headers.first_fragment => None,
            FragmentState::Passed => Some(Verdict::Pass),
            FragmentState::Translated => {
                Some(self.translate_later_fragment(&found, from_namespace))
            }
            FragmentState::Assembled => Some(self.redirect_to_reassembler()),
        }
    }

    /// The same for a fragment that the kernel's stack sends out, where the first fragment comes
    /// first.
    #[inline(always)]
    pub(crate) fn resume_egress_fragment(&mut self) -> Option<Verdict> {
        let headers = self.headers;
        if headers.first_fragment {
            return if headers.is_tiny() { Some(self.drop(DropReason::Malformed)) } else { None };
        }
        if !headers.is_fragment() {
            return None;
        }
        let leaving = FragmentPlace::Leaving;
        let found = find_note(self.tables, self.settings, headers, self.now, leaving)?;
        self.tables.count_rule(found.rule, false, headers.bytes);
        // The record of a datagram at egress has no exit: its packets go onward.
        Some(match translate(self.packet, headers, &found) {
            Some(()) => Verdict::Redirect(Exit::Onward),
            None => self.drop(DropReason::RewriteFailed),
        })
    }

    /// Translates a later fragment as the first one was.
    #[inline(always)]
    fn translate_later_fragment(&mut self, found: &Fragment, from_namespace: bool) -> Verdict {
        let headers = self.headers;
        if headers.ttl <= 1 && found.exit != 0 {
            return if from_namespace { Verdict::Pass } else { self.drop(DropReason::TtlExceeded) };
        }
        let (link, next_hop) = (found.exit, found.next_hop);
        if next_hop != Ip4::UNSPECIFIED && self.packet.exceeds_mtu(link) {
            return Verdict::Pass;
        }
        self.tables.count_rule(found.rule, false, headers.bytes);
        if translate(self.packet, headers, found).is_none() {
            return self.drop(DropReason::RewriteFailed);
        }
        // Built as late as possible: the compiler copies fields that a variant does not have, and
        // the verifier refuses such a copy.
        Verdict::Redirect(if link == 0 {
            Exit::Onward
        } else if next_hop == Ip4::UNSPECIFIED {
            Exit::Peer { cable: link }
        } else {
            Exit::Neighbour { link, next_hop }
        })
    }
}

/// Writes the addresses and the identification of a later fragment. After `None` it is half written
/// and must be dropped.
#[inline(always)]
pub(crate) fn translate<P: Packet>(
    packet: &mut P,
    headers: &Headers,
    found: &Fragment,
) -> Option<()> {
    let skips_stack = found.exit != 0;
    let mac = (skips_stack && found.next_hop == Ip4::UNSPECIFIED).then_some(found.mac);
    let (source, destination) = (found.new_source, found.new_destination);
    rewrite::network(packet, headers, source, destination, found.new_id, mac, skips_stack).map(drop)
}
