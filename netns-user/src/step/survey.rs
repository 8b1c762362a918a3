//! What stands where: the links of all places, and which of them are the two ends of one cable.

use std::{
    collections::{HashMap, HashSet},
    fs::File,
};

use super::{End, Hands, Place};
use crate::net::{Link, NetError, VETH, netns};

/// The links of some places.
#[derive(Debug)]
pub struct Survey {
    places: Vec<(Place, Vec<Link>)>,
}

/// A cable of which both ends were found.
#[derive(Clone, Debug)]
pub struct FoundCable {
    pub near: (Place, Link),
    pub far: (Place, Link),
}

impl Place {
    /// The machine's own namespace and all that have a name. One that is a second name of the
    /// machine's own is left out.
    ///
    /// # Errors
    /// When the folder of namespaces cannot be read.
    pub fn all() -> Result<Vec<Self>, NetError> {
        let named = netns::list()?.into_iter().filter(|name| !netns::is_own(name));
        Ok(std::iter::once(Self::Machine).chain(named.map(Self::Namespace)).collect())
    }

    fn file(&self) -> Result<File, NetError> {
        match self {
            Self::Machine => netns::open_own(),
            Self::Namespace(name) => netns::open(name),
        }
    }
}

impl Survey {
    /// Looks at all places. Those that are gone meanwhile, and files in /run/netns that are no
    /// namespaces, are left out.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn of_all(hands: &mut Hands) -> Result<Self, NetError> {
        let mut places = Vec::new();
        for place in Place::all()? {
            match hands.at(&place).and_then(|here| here.links()) {
                Ok(links) => places.push((place, links)),
                Err(error) if error.is_absence() => {}
                Err(error) => return Err(error),
            }
        }
        Ok(Self { places })
    }

    /// The places with their links.
    pub fn places(&self) -> impl Iterator<Item = (&Place, &[Link])> {
        self.places.iter().map(|(place, links)| (place, links.as_slice()))
    }

    /// The name of the link with this index.
    pub fn name_of(&self, place: &Place, index: u32) -> Option<&str> {
        let (_, links) = self.places.iter().find(|(other, _)| other == place)?;
        links.iter().find(|link| link.index == index).map(|link| link.name.as_str())
    }

    /// All cables of which both ends are in one of the places.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn cables(&self, hands: &mut Hands) -> Result<Vec<FoundCable>, NetError> {
        let veths = || {
            let all = self.places.iter().enumerate();
            all.flat_map(|(at, (_, links))| links.iter().map(move |link| (at, link)))
                .filter_map(|(at, link)| Some((at, link, link.peer?)))
        };
        // Two ends know each other's index. Indexes are a namespace's own, so that more than
        // one may look like it: the kernel decides.
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
                    number => number == self.number(hands, at, there)?,
                };
                if is_it {
                    taken.insert((there, far.index));
                    let end = |at: usize, link: &Link| (self.places[at].0.clone(), link.clone());
                    cables.push(FoundCable { near: end(at, link), far: end(there, far) });
                    break;
                }
            }
        }
        Ok(cables)
    }

    /// By what number the one place knows the other.
    fn number(&self, hands: &mut Hands, at: usize, other: usize) -> Result<Option<i32>, NetError> {
        let file = self.places[other].0.file()?;
        hands.at(&self.places[at].0)?.number_of(&file)
    }
}

impl Hands {
    /// The far end of a cable; `None` when it is in a namespace without a name.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn far_end(&mut self, near: &End, link: &Link) -> Result<Option<(End, Link)>, NetError> {
        let Some(peer) = link.peer else { return Ok(None) };
        let Some(place) = self.place_of(&near.place, peer.namespace)? else { return Ok(None) };
        let links = self.at(&place)?.links()?;
        let far = links.into_iter().find(|far| far.index == peer.index && far.is(VETH));
        Ok(far.map(|far| (End::new(place, &far.name), far)))
    }

    /// The place that `from` knows by a number.
    fn place_of(&mut self, from: &Place, number: Option<i32>) -> Result<Option<Place>, NetError> {
        if number.is_none() {
            return Ok(Some(from.clone()));
        }
        for place in Place::all()? {
            let known = place.file().and_then(|file| self.at(from)?.number_of(&file));
            match known {
                Ok(known) if known == number => return Ok(Some(place)),
                Ok(_) => {}
                // Gone meanwhile, or no namespace.
                Err(NetError::NoNamespace(_) | NetError::Refused { .. }) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }
}
