//! Takes down labs whose record is missing or unreadable. They are recognised by the names of their
//! pins, the cookies in the journal, and the Ethernet addresses, which are made from the names of a
//! lab's links.

use std::collections::HashSet;

use super::Cleared;
use crate::{
    datapath::Datapath,
    lab::{
        error::LabError,
        lock::LabLock,
        record::files::{self, Remains, remains},
    },
    net::{
        BRIDGE, Link, Mac, NetError, Netlink, VETH,
        hosts::links,
        netns::{self, Visitor},
        resolver, sysctl,
    },
    topology::lab_fault,
};

/// The objects of a lab that were found.
#[derive(Debug, Default)]
pub(in crate::lab) struct Lost {
    datapaths: Vec<String>,
    /// Routers first: deleting a whole bridge is faster than removing its ports.
    namespaces: Vec<String>,
    /// Links in the machine's own namespace.
    links: Vec<String>,
    /// Namespaces, which may be gone, with a link to the lab's shared hosts file.
    hosts_links: Vec<String>,
    remains: Remains,
}

impl Lost {
    /// Finds everything that is recognisably the lab's.
    ///
    /// # Errors
    /// When the kernel refuses to tell.
    pub(in crate::lab) fn find(lab: &str) -> Result<Option<Self>, LabError> {
        // The argument may be no valid name.
        if lab_fault(lab).is_some() {
            return Ok(None);
        }
        let remains = remains(lab);
        let machine = Netlink::open()?.links()?;
        let links = links_of(lab, &machine);
        let datapaths = Datapath::names_of(lab);
        let mut known: HashSet<u64> = remains.journal.cookies.values().copied().collect();
        let settings = datapaths.iter().map(|name| Datapath::open(name)?.settings());
        known.extend(settings.filter_map(Result::ok).map(|settings| settings.router_cookie));
        // The machine's own namespace, which may have a name, is never the lab's.
        known.remove(&netns::own_cookie()?);
        let mut namespaces = Visitor::send(|visitor| namespaces_of(lab, &known, visitor))?;
        namespaces.sort_by_key(|(_, is_router)| !is_router);
        let found = Self {
            datapaths,
            namespaces: namespaces.into_iter().map(|(name, _)| name).collect(),
            links,
            hosts_links: links::namespaces_of(lab),
            remains,
        };
        let has_files = found.remains.is_there || !found.hosts_links.is_empty();
        let is_any = !found.datapaths.is_empty() || found.has_network() || has_files;
        Ok(is_any.then_some(found))
    }

    /// Whether it has more than pins, which may belong to a lab of another mount namespace.
    pub(in crate::lab) fn has_network(&self) -> bool {
        !self.namespaces.is_empty() || !self.links.is_empty()
    }

    /// Whether it has pins.
    pub(in crate::lab) fn has_datapath(&self) -> bool {
        !self.datapaths.is_empty()
    }

    /// The names of its datapaths.
    pub(in crate::lab) fn datapaths(&self) -> &[String] {
        &self.datapaths
    }

    /// Its links in the machine's own namespace.
    pub(in crate::lab) fn links(&self) -> &[String] {
        &self.links
    }

    /// The lab's namespaces.
    pub(in crate::lab) fn namespaces(&self) -> &[String] {
        &self.namespaces
    }

    /// The namespaces with a link to the lab's shared hosts file.
    pub(in crate::lab) fn hosts_links(&self) -> &[String] {
        &self.hosts_links
    }

    /// Takes everything down, in spite of failures. The remains of the record go last.
    pub(in crate::lab) fn clear(&self, lab: &str, _lock: &LabLock) -> Cleared {
        let Cleared { mut edited, own_hosts: mut hosts, mut errors, .. } = Cleared::default();
        let gone = |done: Result<(), NetError>| done.err().filter(|error| !error.is_absence());
        match Netlink::open() {
            Ok(machine) => {
                let deleted = self.links.iter().filter_map(|link| gone(machine.delete_link(link)));
                errors.extend(deleted.map(LabError::from));
            }
            Err(error) => errors.push(error.into()),
        }
        // Namespaces before programs: without programs, the routers would forward untranslated
        // packets.
        for name in &self.namespaces {
            errors.extend(gone(netns::delete(name)).map(LabError::from));
            match resolver::clear(name) {
                Ok(kept) => edited.extend(kept),
                Err(error) => errors.push(error.into()),
            }
            hosts.extend(links::foreign_file(name));
        }
        let unlinked = self.hosts_links.iter().filter_map(|name| links::remove(name, lab).err());
        errors.extend(unlinked.map(LabError::from));
        let removed = self.datapaths.iter().filter_map(|name| Datapath::remove(name).err());
        errors.extend(removed.map(LabError::from));
        for (key, value) in &self.remains.settings {
            errors.extend(sysctl::write_if_there(key, value).err().map(LabError::from));
        }
        if errors.is_empty() && self.remains.is_there {
            errors.extend(files::remove(lab).err());
        }
        Cleared { foreign: Vec::new(), edited, own_hosts: hosts, errors }
    }
}

/// The links of a lab in the machine's own namespace: those with its Ethernet addresses, and the
/// ports of its bridges.
fn links_of(lab: &str, links: &[Link]) -> Vec<String> {
    let is_marked = |link: &&Link| has_mac_of(lab, "", link) || is_bridge_of(lab, link);
    let marked: Vec<&Link> = links.iter().filter(is_marked).collect();
    let bridges: HashSet<u32> = marked.iter().map(|link| link.index).collect();
    let is_port =
        |link: &&Link| link.is(VETH) && link.bridge.is_some_and(|bridge| bridges.contains(&bridge));
    let ports = links.iter().filter(is_port);
    // A port disappears with its far end, so the bridges come last.
    ports.chain(marked.iter().copied()).map(|link| link.name.clone()).collect()
}

/// The namespaces of a lab, by the known cookies or by their links, and whether each has a bridge
/// of the lab.
fn namespaces_of(
    lab: &str,
    known: &HashSet<u64>,
    visitor: &Visitor,
) -> Result<Vec<(String, bool)>, NetError> {
    let mut found = Vec::new();
    for name in netns::list()? {
        let look = || -> Result<(bool, bool), NetError> {
            let links = Netlink::open()?.links()?;
            let has_bridge = links.iter().any(|link| is_bridge_of(lab, link));
            let is_marked = links.iter().any(|link| has_mac_of(lab, &name, link));
            let is_known = known.contains(&netns::own_cookie()?);
            Ok((has_bridge || is_marked || is_known, has_bridge))
        };
        match visitor.look(&name, look).and_then(|looked| looked) {
            Ok((true, is_router)) => found.push((name, is_router)),
            // A namespace that cannot be entered is not recognised.
            Ok((false, _)) => {}
            Err(error) if error.is_absence() => {}
            Err(error) => return Err(error),
        }
    }
    Ok(found)
}

fn is_bridge_of(lab: &str, link: &Link) -> bool {
    link.is(BRIDGE) && link.mac == Some(Mac::from_names(&[lab, &link.name]))
}

/// Whether a link has the Ethernet address of the far end of a cable of the lab.
fn has_mac_of(lab: &str, netns: &str, link: &Link) -> bool {
    link.is(VETH) && link.mac == Some(Mac::from_names(&[lab, netns, &link.name]))
}
