//! The links of all namespaces, and the cables between them.

use std::collections::{HashMap, HashSet};

use super::NetlinkPool;
use crate::net::{Interface, Link, NetError, Netns, VETH};

/// The links of several namespaces.
#[derive(Debug)]
pub struct Survey {
    namespaces: Vec<(Netns, Vec<Link>)>,
}

/// A cable whose ends were both found.
#[derive(Clone, Debug)]
pub struct FoundCable {
    pub near: (Netns, Link),
    pub far: (Netns, Link),
}

impl Survey {
    /// Reads all namespaces. Those that disappear in the meantime, and files in /run/netns that are
    /// no namespaces, are left out.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn of_all(pool: &mut NetlinkPool) -> Result<Self, NetError> {
        let mut namespaces = Vec::new();
        for netns in Netns::all()? {
            match pool.at(&netns).and_then(|here| here.links()) {
                Ok(links) => namespaces.push((netns, links)),
                Err(error) if error.is_absence() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Self { namespaces })
    }

    /// The namespaces with their links.
    pub fn namespaces(&self) -> impl Iterator<Item = (&Netns, &[Link])> {
        self.namespaces.iter().map(|(netns, links)| (netns, links.as_slice()))
    }

    /// The name of the link with this index.
    pub fn name_of(&self, netns: &Netns, index: u32) -> Option<&str> {
        let (_, links) = self.namespaces.iter().find(|(other, _)| other == netns)?;
        links.iter().find(|link| link.index == index).map(|link| link.name.as_str())
    }

    /// All cables whose ends are both in these namespaces.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn cables(&self, pool: &mut NetlinkPool) -> Result<Vec<FoundCable>, NetError> {
        let veths = || {
            let all = self.namespaces.iter().enumerate();
            all.flat_map(|(at, (_, links))| links.iter().map(move |link| (at, link)))
                .filter_map(|(at, link)| Some((at, link, link.peer?)))
        };
        // The two ends of a cable know each other's index. Indexes are unique only within a
        // namespace, so several links may match: then the kernel decides.
        let mut alike: HashMap<(u32, u32), Vec<(usize, &Link)>> = HashMap::new();
        for (at, link, peer) in veths() {
            alike.entry((link.index, peer.index)).or_default().push((at, link));
        }
        let mut taken = HashSet::new();
        let mut cables = Vec::new();
        for (at, link, peer) in veths() {
            if taken.contains(&(at, link.index)) {
                continue;
            }
            for &(there, far) in alike.get(&(peer.index, link.index)).into_iter().flatten() {
                let is_it = match peer.namespace {
                    None => there == at,
                    Some(_) if there == at => false,
                    number => number == self.number(pool, at, there)?,
                };
                if is_it {
                    taken.insert((there, far.index));
                    let interface =
                        |at: usize, link: &Link| (self.namespaces[at].0.clone(), link.clone());
                    cables
                        .push(FoundCable { near: interface(at, link), far: interface(there, far) });
                    break;
                }
            }
        }
        Ok(cables)
    }

    /// The number by which one namespace knows another.
    fn number(
        &self,
        pool: &mut NetlinkPool,
        at: usize,
        other: usize,
    ) -> Result<Option<i32>, NetError> {
        let file = self.namespaces[other].0.open()?;
        pool.at(&self.namespaces[at].0)?.number_of(&file)
    }
}

impl NetlinkPool {
    /// The far end of a cable; `None` if it is in a namespace without a name.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn far_end(
        &mut self,
        near: &Interface,
        link: &Link,
    ) -> Result<Option<(Interface, Link)>, NetError> {
        let Some(peer) = link.peer else { return Ok(None) };
        let Some(netns) = self.netns_of(&near.netns, peer.namespace)? else { return Ok(None) };
        let links = self.at(&netns)?.links()?;
        let far = links.into_iter().find(|far| far.index == peer.index && far.is(VETH));
        Ok(far.map(|far| (Interface::new(netns, &far.name), far)))
    }

    /// The namespace that `from` knows by this number.
    fn netns_of(&mut self, from: &Netns, number: Option<i32>) -> Result<Option<Netns>, NetError> {
        if number.is_none() {
            return Ok(Some(from.clone()));
        }
        for netns in Netns::all()? {
            let known = netns.open().and_then(|file| self.at(from)?.number_of(&file));
            match known {
                Ok(known) if known == number => return Ok(Some(netns)),
                Ok(_) => {}
                // It has disappeared, or is no namespace.
                Err(NetError::NoNamespace(_) | NetError::Refused { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }
}
