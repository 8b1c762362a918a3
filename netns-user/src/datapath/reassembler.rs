//! The reassembler of a router: made and removed with its datapath.
//!
//! It needs no name and no process. Its netfilter link is pinned with the datapath and keeps the
//! namespace alive; with the namespace, both ends of its cable disappear.

use std::os::fd::OwnedFd;

use aya::{
    Ebpf,
    maps::{Array, MapData},
    programs::TcAttachType,
};
use netns_common::{
    abi::{Settings, maps, programs},
    datapath::{REASSEMBLER_MEMORY, RESPITE_SECONDS},
};
use nix::net::if_::if_nametoindex;

use super::{
    Datapath,
    attach::{self, Hook},
    error::{DatapathError, map_error},
    probe,
};
use crate::net::{Link, Mac, Reassembler, ReassemblerLimits, VETH};

/// The hook on the link to the reassembler.
const HOOK: Hook = Hook { program: programs::FROM_REASSEMBLER, direction: TcAttachType::Ingress };

/// The name of its netfilter link's pin.
const LINK: &str = "reassembler";

/// The state of a reassembler.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reassembly {
    /// Fragments may come in any order.
    AnyOrder,
    /// The kernel could not reassemble fragments when the lab was made
    /// (`CONFIG_NETFILTER_BPF_LINK`, or its defragmentation, was missing): fragments are translated
    /// only after the first one of their datagram.
    InOrder,
    /// A part of the reassembler is missing.
    Broken,
}

/// Name and Ethernet address of the link to a reassembler, made from the datapath's name: the
/// machine's own namespace may have links of several labs.
fn link_of(lab: &str) -> (String, Mac) {
    let mac = Mac::from_names(&[lab, LINK]);
    (name_of(mac), mac)
}

fn name_of(mac: Mac) -> String {
    let [.., a, b, c, d] = mac.0;
    format!("frag-{a:02x}{b:02x}{c:02x}{d:02x}")
}

/// Whether a link leads from a router to its reassembler, of any lab.
pub fn is_reassemblers(link: &Link) -> bool {
    link.is(VETH) && link.mac.is_some_and(|mac| name_of(mac) == link.name)
}

impl Datapath {
    /// Makes the reassembler, if the kernel supports it, and tells the programs. Must run inside
    /// the router's namespace.
    pub(super) fn make_reassembler(&self, object: &mut Ebpf) -> Result<(), DatapathError> {
        let (link, mac) = link_of(&self.lab);
        let reassembler = Reassembler { link: &link, mac };
        let limits = ReassemblerLimits { memory: REASSEMBLER_MEMORY, respite: RESPITE_SECONDS };
        let path = self.pins.link(LINK, 0);
        let pin = |link: OwnedFd| {
            probe::pin(&link, &path)
                .map_err(|cause| super::pins::pin_error("pin the netfilter link at", &path, cause))
        };
        let made = reassembler
            .make(limits, || probe::netfilter_link().ok().map(pin))
            .map_err(DatapathError::Namespace)?;
        let Some(pinned) = made else { return Ok(()) };
        pinned?;
        let index =
            if_nametoindex(link.as_str()).map_err(|_| DatapathError::NoInterface(link.clone()))?;
        attach::attach(object, &self.pins, HOOK, &link, index)?;
        let mut settings = self.settings()?;
        settings.reassembler = index;
        let mut map: Array<MapData, Settings> = self.map(maps::SETTINGS)?;
        map.set(0, settings, 0).map_err(map_error(maps::SETTINGS))
    }

    /// Removes the remains of the reassembler, and makes it again.
    pub(super) fn remake_reassembler(&self, object: &mut Ebpf) -> Result<(), DatapathError> {
        let old = attach::pinned_links(&self.pins, HOOK.program)?;
        for path in old.into_iter().chain([self.pins.link(LINK, 0)]) {
            match std::fs::remove_file(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(super::pins::pin_error("remove the pin", &path, error));
                }
                _ => {}
            }
        }
        self.make_reassembler(object)
    }

    /// How fragments are reassembled. Must run inside the router's namespace.
    pub fn reassembly(&self) -> Result<Reassembly, DatapathError> {
        let index = self.settings()?.reassembler;
        if index == 0 {
            return Ok(Reassembly::InOrder);
        }
        let (link, _) = link_of(&self.lab);
        let is_there = if_nametoindex(link.as_str()).is_ok_and(|there| there == index)
            && self.pins.link(LINK, 0).exists()
            && self.watches(HOOK, &link);
        Ok(if is_there { Reassembly::AnyOrder } else { Reassembly::Broken })
    }
}

/// Deletes the link to a lab's reassembler, if it is in the calling thread's namespace: the kernel
/// would do so some time later.
pub(super) fn remove_link(lab: &str) -> Result<(), DatapathError> {
    let (link, mac) = link_of(lab);
    Reassembler { link: &link, mac }.remove().map_err(DatapathError::Namespace)
}
