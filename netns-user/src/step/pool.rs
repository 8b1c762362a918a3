//! Connections to network namespaces, kept from one step to the next.

use std::collections::HashMap;

use crate::net::{Interface, Link, NetError, Netlink, Netns};

/// Netlink connections to the namespaces in which steps are done. It keeps only a few of them: a
/// process cannot have a thousand files open.
#[derive(Debug, Default)]
pub struct NetlinkPool {
    open: HashMap<Netns, Netlink>,
    /// The namespaces in `open`, the least recently used first.
    order: Vec<Netns>,
    /// Links that were looked up: several steps in a row concern the same link. The kernel deletes
    /// some links with others, so all of these are forgotten when one is deleted.
    links: HashMap<Interface, Link>,
}

/// How many connections are kept; each takes about four files.
const KEPT: usize = 16;

/// How many links are kept.
const KNOWN: usize = 64;

impl NetlinkPool {
    /// A pool without connections.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The connection to `netns`.
    ///
    /// # Errors
    /// When there is no such namespace or it cannot be entered.
    pub fn at(&mut self, netns: &Netns) -> Result<&Netlink, NetError> {
        if !self.open.contains_key(netns) {
            self.keep(netns, connect(netns)?);
        } else if self.order.last() != Some(netns) {
            self.order.retain(|other| other != netns);
            self.order.push(netns.clone());
        }
        Ok(&self.open[netns])
    }

    /// Adds a connection that was opened elsewhere.
    pub fn keep(&mut self, netns: &Netns, netlink: Netlink) {
        self.order.retain(|other| other != netns);
        if self.order.len() >= KEPT {
            let oldest = self.order.remove(0);
            self.open.remove(&oldest);
        }
        self.order.push(netns.clone());
        self.open.insert(netns.clone(), netlink);
    }

    /// Forgets the connection to a namespace that is about to be deleted, and all links.
    pub(super) fn forget(&mut self, netns: &Netns) {
        self.forget_links();
        self.open.remove(netns);
        self.order.retain(|other| other != netns);
    }

    /// Forgets all links, because one is about to be deleted.
    pub(super) fn forget_links(&mut self) {
        self.links.clear();
    }

    /// Does something to a link.
    pub(super) fn with_link(
        &mut self,
        interface: &Interface,
        work: impl FnOnce(&Netlink, &Link) -> Result<(), NetError>,
    ) -> Result<(), NetError> {
        let link = self.link(interface)?;
        work(self.at(&interface.netns)?, &link)
    }

    /// The link of that name.
    pub(super) fn link(&mut self, interface: &Interface) -> Result<Link, NetError> {
        if let Some(link) = self.links.get(interface) {
            return Ok(link.clone());
        }
        let link = self.at(&interface.netns)?.link(&interface.name)?;
        if self.links.len() >= KNOWN {
            self.links.clear();
        }
        self.links.insert(interface.clone(), link.clone());
        Ok(link)
    }

    /// The link of that name in `netns`, if a name is given.
    pub(super) fn link_at(
        &mut self,
        netns: &Netns,
        name: Option<&String>,
    ) -> Result<Option<Link>, NetError> {
        name.map(|name| self.link(&Interface::new(netns.clone(), name))).transpose()
    }
}

fn connect(netns: &Netns) -> Result<Netlink, NetError> {
    match netns {
        Netns::Machine => Netlink::open(),
        Netns::Named(name) => Netlink::open_in(name),
    }
}
