//! The first fragment of a datagram: the table records how it is translated, for the later ones.

use crate::{
    abi::{DropReason, FragmentPlace, FragmentState, Ip4, Stage},
    datapath::{
        context::{
            packet_context::PacketContext,
            verdict::{Exit, Outcome, Verdict},
        },
        fragments::table::find_note,
        packet::access::Packet,
        tables::kernel::Tables,
    },
};

impl<P: Packet, T: Tables> PacketContext<'_, P, T> {
    /// Records how a first fragment is translated, or that it passes, for the later ones.
    #[inline(always)]
    pub(crate) fn first_fragment(&mut self) -> Outcome {
        let pending_rewrite = self.handoff.pending_rewrite;
        let (to, exit, rule) =
            (pending_rewrite.translation(), pending_rewrite.exit.exit(), pending_rewrite.rule);
        if pending_rewrite.is_pass {
            if self.begin_fragment_note(FragmentState::Passed).is_some() {
                self.write_fragment_note();
            }
            return Outcome::Decided(Verdict::Pass);
        }
        let headers = self.headers;
        let is_leaving = matches!(exit, Exit::Onward) && to.source != headers.source;
        let place = if is_leaving { FragmentPlace::Leaving } else { self.fragment_place() };
        let id = self.fragment_id(to.source, place);
        if self.begin_fragment_note(FragmentState::Translated).is_none() {
            return Outcome::Decided(self.drop(DropReason::RewriteFailed));
        }
        let note = &mut self.handoff.fragment;
        note.new_source = to.source;
        note.new_destination = to.destination;
        note.new_id = id;
        note.rule = rule;
        note.place = place as u8;
        match exit {
            Exit::Onward => {}
            Exit::Neighbour { link, next_hop } => (note.exit, note.next_hop) = (link, next_hop),
            Exit::Peer { cable } | Exit::Ingress { link: cable } => note.exit = cable,
        }
        if let Some(mac) = to.mac {
            note.mac = mac;
        }
        self.write_fragment_note();
        self.handoff.pending_rewrite.set_id(id);
        Outcome::Continue(Stage::Translate)
    }

    /// The identification of the datagram behind `source`. If the first fragment came before, it is
    /// the one allocated then, because later fragments may already have left with it.
    #[inline(always)]
    fn fragment_id(&self, source: Ip4, place: FragmentPlace) -> u16 {
        let known = find_note(self.tables, self.settings, self.headers, self.now, place);
        match known {
            Some(note)
                if note.state == FragmentState::Translated as u8 && note.new_source == source =>
            {
                note.new_id
            }
            _ => self.id_behind(source),
        }
    }
}
