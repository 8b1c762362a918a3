//! A lab with its reassembler, through which frames go on wherever they are sent.

use netns_common::{
    datapath::{Exit, Verdict},
    model::{Datagram, Hook, Places, Reassembler, VecPacket, join, wrong_checksums},
};

use crate::lab::Lab;

/// Bytes of payload of a fragment.
pub(crate) const PIECE: usize = 64;

/// The path of translated packets: redirected, or through the stack.
pub(crate) const SHORT: u8 = 0;
pub(crate) const VIA_STACK: u8 = 1;

/// The lab and its reassembler.
pub(crate) struct Way {
    pub(crate) lab: Lab,
    pub(crate) reassembler: Reassembler,
    /// The packets that came out, with their exits.
    pub(crate) out: Vec<(Exit, VecPacket)>,
    /// The packets that were left to the stack.
    pub(crate) passed: Vec<VecPacket>,
}

impl Way {
    pub(crate) fn new() -> Self {
        Self::in_mode(SHORT)
    }

    pub(crate) fn in_mode(via_stack: u8) -> Self {
        let (mut lab, reassembler) = (Lab::new(), Reassembler::default());
        lab.router.tables.settings.via_stack = via_stack;
        Self { lab, reassembler, out: Vec::new(), passed: Vec::new() }
    }

    /// Sends frames through the hook, and what they cause through others.
    pub(crate) fn send(&mut self, hook: Hook, frames: impl IntoIterator<Item = VecPacket>) {
        let Places { reassembler, uplink, .. } = self.lab.places;
        for frame in frames {
            let mut ways = std::collections::VecDeque::from([(hook, frame)]);
            while let Some((hook, frame)) = ways.pop_front() {
                let sent = self.lab.send(hook, frame);
                match sent.verdict {
                    Verdict::Redirect(Exit::Peer { cable }) if cable == reassembler => {
                        let link =
                            |frame: VecPacket| VecPacket::new(frame.bytes().to_vec(), reassembler);
                        let back = self.reassembler.take(sent.after).into_iter();
                        ways.extend(back.map(|frame| (Hook::FromReassembler, link(frame))));
                    }
                    Verdict::Redirect(Exit::Ingress { link }) => {
                        let hook = if link == uplink.index {
                            Hook::FromUplink
                        } else {
                            Hook::FromNamespace
                        };
                        ways.push_back((hook, VecPacket::new(sent.after.bytes().to_vec(), link)));
                    }
                    Verdict::Redirect(exit) => self.out.push((exit, sent.after)),
                    Verdict::Pass if hook == Hook::FromNamespace && self.is_via_stack() => {
                        let frame = VecPacket::new(sent.after.bytes().to_vec(), uplink.index);
                        ways.push_back((Hook::ToUplink, frame));
                    }
                    Verdict::Pass => {
                        assert_eq!(sent.before.bytes(), sent.after.bytes(), "passed untouched");
                        self.passed.push(sent.after);
                    }
                    Verdict::Drop(_) | Verdict::Answer(..) => {}
                }
            }
        }
    }

    fn is_via_stack(&self) -> bool {
        self.lab.router.tables.settings.via_stack == VIA_STACK
    }

    pub(crate) fn red(&self, packet: &Datagram) -> VecPacket {
        let Places { red_mac, red_port, bridge, .. } = self.lab.places;
        packet.frame(red_mac, bridge.mac, red_port)
    }

    pub(crate) fn blue(&self, packet: &Datagram) -> VecPacket {
        let Places { blue_mac, blue_port, bridge, .. } = self.lab.places;
        packet.frame(blue_mac, bridge.mac, blue_port)
    }

    pub(crate) fn outside(&self, packet: &Datagram) -> VecPacket {
        let Places { lan_mac, uplink, .. } = self.lab.places;
        packet.frame(lan_mac, uplink.mac, uplink.index)
    }

    /// The packets that came out since the last call, reassembled.
    #[track_caller]
    pub(crate) fn whole(&mut self) -> (Exit, VecPacket) {
        let out = std::mem::take(&mut self.out);
        let exit = out.first().unwrap_or_else(|| panic!("nothing: {:?}", self.lab.router)).0;
        assert!(out.iter().all(|(other, _)| *other == exit), "{out:?}");
        let frames: Vec<_> = out.into_iter().map(|(_, frame)| frame).collect();
        for frame in &frames {
            assert_eq!(wrong_checksums(frame.network()), []);
        }
        let whole = join(&frames).unwrap_or_else(|| panic!("not whole: {frames:?}"));
        assert_eq!(wrong_checksums(whole.network()), []);
        (exit, whole)
    }

    /// The same packet through a lab of its own, unfragmented.
    pub(crate) fn alone(&self, hook: Hook, frames: &[VecPacket]) -> Vec<(Exit, VecPacket)> {
        let mut other = Self::in_mode(self.lab.router.tables.settings.via_stack);
        for frame in frames {
            other.send(hook, [frame.clone()]);
        }
        other.out
    }
}
