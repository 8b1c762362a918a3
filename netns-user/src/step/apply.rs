//! Doing steps.

use std::collections::HashMap;

use super::{End, Place, Step};
use crate::{
    lab::{LabError, resolver},
    net::{Cable, Link, NetError, Netlink, netns, sysctl},
};

/// Connections to the places where steps are done. Those of namespaces are few at a time: a
/// process has no thousand files.
#[derive(Debug, Default)]
pub struct Hands {
    open: HashMap<Place, Netlink>,
    /// The places in `open`, the one that was used longest ago first.
    order: Vec<Place>,
    /// Links that were looked for: several steps in a row are about one. Some go with others, so
    /// none of these is left when one is deleted.
    links: HashMap<End, Link>,
}

/// How many connections are kept; each takes about four files.
const KEPT: usize = 16;

/// How many links are remembered.
const KNOWN: usize = 64;

impl Hands {
    /// With no connection yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The connection to `place`.
    ///
    /// # Errors
    /// When there is no such namespace or it cannot be entered.
    pub fn at(&mut self, place: &Place) -> Result<&Netlink, NetError> {
        if !self.open.contains_key(place) {
            self.keep(place, connect(place)?);
        } else if self.order.last() != Some(place) {
            self.order.retain(|other| other != place);
            self.order.push(place.clone());
        }
        Ok(&self.open[place])
    }

    /// Takes over a connection that was made elsewhere.
    pub fn keep(&mut self, place: &Place, netlink: Netlink) {
        self.order.retain(|other| other != place);
        if self.order.len() >= KEPT {
            let oldest = self.order.remove(0);
            self.open.remove(&oldest);
        }
        self.order.push(place.clone());
        self.open.insert(place.clone(), netlink);
    }

    /// Does one step.
    ///
    /// # Errors
    /// When something is not there, or is there already, or the kernel refuses.
    pub fn apply(&mut self, step: &Step) -> Result<(), LabError> {
        match step {
            Step::AddNamespace { name } => Ok(netns::create(name)?),
            Step::DeleteNamespace { name } => {
                self.links.clear();
                let place = Place::namespace(name);
                self.open.remove(&place);
                self.order.retain(|other| *other != place);
                Ok(netns::delete(name)?)
            }
            Step::Set { place: Place::Machine, key, value } => Ok(set(key, value)?),
            Step::Set { place: Place::Namespace(name), key, value } => {
                Ok(netns::run_in(name, || set(key, value))??)
            }
            Step::SetResolver { namespace, servers } => resolver::install(namespace, servers),
            Step::DeleteResolver { namespace } => resolver::remove(namespace),
            Step::AddBridge { end, mac, mtu, up } => {
                Ok(self.at(&end.place)?.add_bridge(&end.interface, *mac, *mtu, *up)?)
            }
            Step::AddCable { near, far, mac, mtu, bridge, up } => {
                let namespace = match &far.place {
                    Place::Namespace(name) => netns::open(name)?,
                    Place::Machine => netns::open_own()?,
                };
                let bridge = self.link_at(&near.place, bridge.as_ref())?;
                Ok(self.at(&near.place)?.add_cable(&Cable {
                    here: &near.interface,
                    bridge: bridge.map(|bridge| bridge.index),
                    there: &far.interface,
                    namespace: &namespace,
                    mac: *mac,
                    mtu: *mtu,
                    up: *up,
                })?)
            }
            Step::DeleteLink { end } => {
                self.links.clear();
                Ok(self.at(&end.place)?.delete_link(&end.interface)?)
            }
            Step::Attach { end, bridge } => {
                let bridge = self.link(&End::new(end.place.clone(), bridge))?;
                self.with_link(end, |here, link| here.attach(link, &bridge))
            }
            Step::Detach { end } => self.with_link(end, Netlink::detach),
            Step::SetLink { end, up } => {
                self.with_link(
                    end,
                    |here, link| {
                        if *up { here.set_up(link) } else { here.set_down(link) }
                    },
                )
            }
            Step::SetForwarding { end, on } => {
                self.with_link(end, |here, link| here.set_forwarding(link, *on))
            }
            Step::SetMtu { end, mtu } => self.with_link(end, |here, link| here.set_mtu(link, *mtu)),
            Step::SetMac { end, mac } => self.with_link(end, |here, link| here.set_mac(link, *mac)),
            Step::AddAddress { end, address } => {
                self.with_link(end, |here, link| here.add_address(link, *address))
            }
            Step::DeleteAddress { end, address } => {
                self.with_link(end, |here, link| here.delete_address(link, *address))
            }
            Step::AddRoute { place, route } => {
                let link = self.link_at(place, route.interface.as_ref())?;
                Ok(self.at(place)?.add_route(route.to, route.via, link.as_ref(), route.metric)?)
            }
            Step::DeleteRoute { place, route } => {
                let link = self.link_at(place, route.interface.as_ref())?;
                Ok(self.at(place)?.delete_route(
                    route.to,
                    route.via,
                    link.as_ref(),
                    route.metric,
                )?)
            }
        }
    }

    fn with_link(
        &mut self,
        end: &End,
        work: impl FnOnce(&Netlink, &Link) -> Result<(), NetError>,
    ) -> Result<(), LabError> {
        let link = self.link(end)?;
        Ok(work(self.at(&end.place)?, &link)?)
    }

    fn link(&mut self, end: &End) -> Result<Link, NetError> {
        if let Some(link) = self.links.get(end) {
            return Ok(link.clone());
        }
        let link = self.at(&end.place)?.link(&end.interface)?;
        if self.links.len() >= KNOWN {
            self.links.clear();
        }
        self.links.insert(end.clone(), link.clone());
        Ok(link)
    }

    /// The link of that name at `place`, if one is named.
    fn link_at(&mut self, place: &Place, name: Option<&String>) -> Result<Option<Link>, NetError> {
        name.map(|name| self.link(&End::new(place.clone(), name))).transpose()
    }
}

/// A kernel without IPv6 has nothing to switch off.
fn set(key: &str, value: &str) -> Result<(), NetError> {
    if key.starts_with("ipv6/") {
        sysctl::write_if_there(key, value)
    } else {
        sysctl::write(key, value)
    }
}

fn connect(place: &Place) -> Result<Netlink, NetError> {
    match place {
        Place::Machine => Netlink::open(),
        Place::Namespace(name) => Netlink::open_in(name),
    }
}

/// Does all steps, or none: when one fails, those before it are taken back.
///
/// # Errors
/// Of the step that failed; and of those that could not be taken back.
pub fn apply_all(steps: &[Step]) -> Result<(), LabError> {
    let mut hands = Hands::new();
    for (done, step) in steps.iter().enumerate() {
        if let Err(error) = hands.apply(step) {
            let undone = steps[..done].iter().rev().filter_map(Step::undo);
            let failures = undone.filter_map(|step| hands.apply(&step).err()).collect();
            return Err(error.with(failures));
        }
    }
    Ok(())
}
