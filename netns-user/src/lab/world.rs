//! What of a lab stands in the kernel.

use std::{
    collections::{HashMap, HashSet},
    net::{IpAddr, Ipv4Addr},
};

use ipnet::{IpNet, Ipv4Net};

use super::{
    LabError, LabRecord,
    diff::LinkAddresses,
    pieces::{CablePiece, Key, LinkSettings, Piece},
    record::Bearer,
    resolver,
};
use crate::{
    net::{BRIDGE, Link, NetError, Netlink, VETH, netns::Visitor, sysctl},
    step::{End, Place},
    topology::Route,
};

/// The places of a lab as they are.
#[derive(Debug)]
pub(super) struct World {
    places: HashMap<Place, Snapshot>,
    /// Names of the lab's namespaces that were half made or half deleted when somebody was
    /// killed. They are no places.
    wrecks: Vec<String>,
    /// Names of the lab's ports of each bridge.
    ports: HashMap<End, Vec<String>>,
}

/// What a namespace has.
#[derive(Debug)]
struct Snapshot {
    links: HashMap<String, Link>,
    /// Names of links by index.
    names: HashMap<u32, String>,
    /// The addresses of each link by its index, in the kernel's order.
    addresses: HashMap<u32, Vec<Ipv4Net>>,
    routes: HashMap<(Ipv4Net, u32), FoundRoute>,
    forwarding: bool,
}

/// A route as it is.
#[derive(Clone, Copy, Debug)]
struct FoundRoute {
    via: Option<Ipv4Addr>,
    /// Index of the link.
    link: Option<u32>,
    by_hand: bool,
}

impl World {
    /// Looks at all places of these pieces. Namespaces that are not those of the record are no
    /// places of the lab.
    pub(super) fn of(record: &LabRecord, pieces: &[Piece]) -> Result<Self, LabError> {
        let machine = Snapshot::read()?;
        let mut world = Visitor::send(|visitor| Self::of_namespaces(record, pieces, visitor))?;
        world.places.insert(Place::Machine, machine);
        Ok(world)
    }

    /// Looks at the machine's own namespace alone.
    pub(super) fn of_machine(pieces: &[Piece]) -> Result<Self, LabError> {
        let places = HashMap::from([(Place::Machine, Snapshot::read()?)]);
        Ok(Self { places, wrecks: Vec::new(), ports: ports(pieces) })
    }

    fn of_namespaces(
        record: &LabRecord,
        pieces: &[Piece],
        visitor: &Visitor,
    ) -> Result<Self, LabError> {
        let mut places = HashMap::new();
        let mut wrecks = Vec::new();
        let names = pieces.iter().filter_map(|piece| match piece {
            Piece::Namespace { name, .. } => Some(name),
            _ => None,
        });
        for name in names {
            if record.bearer(name, visitor)? != Bearer::Own {
                continue;
            }
            if record.is_half_made(name) {
                wrecks.push(name.clone());
                continue;
            }
            match visitor.look(name, Snapshot::read) {
                Ok(snapshot) => {
                    places.insert(Place::Namespace(name.clone()), snapshot?);
                }
                Err(NetError::DeadNamespace(_)) => wrecks.push(name.clone()),
                Err(error) if error.is_absence() => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(Self { places, wrecks, ports: ports(pieces) })
    }

    /// Names that nothing usable bears, but a file of the lab's that is in the way.
    pub(super) fn wrecks(&self) -> &[String] {
        &self.wrecks
    }

    /// Whether the place is there.
    pub(super) fn has(&self, place: &Place) -> bool {
        self.places.contains_key(place)
    }

    /// Whether packets are forwarded between the links of the place.
    pub(super) fn forwards(&self, place: &Place) -> bool {
        self.places.get(place).is_some_and(|place| place.forwarding)
    }

    /// The link at an end.
    pub(super) fn link(&self, end: &End) -> Option<&Link> {
        self.places.get(&end.place)?.links.get(&end.interface)
    }

    /// The addresses of the link at an end, in the kernel's order, those of other owners included.
    fn addresses(&self, end: &End) -> &[Ipv4Net] {
        let place = self.places.get(&end.place);
        let held = place.and_then(|place| {
            let link = place.links.get(&end.interface)?;
            place.addresses.get(&link.index)
        });
        held.map_or(&[], Vec::as_slice)
    }

    /// The addresses of all links that the pieces give one to.
    pub(super) fn link_addresses(&self, pieces: &[Piece]) -> LinkAddresses {
        let mut all = LinkAddresses::default();
        for piece in pieces {
            if let Piece::Address { end, .. } = piece
                && !all.has(end)
            {
                all.insert(end, self.addresses(end));
            }
        }
        all
    }

    /// Those of the pieces that are there, as they are.
    pub(super) fn actual(&self, pieces: &[Piece]) -> Vec<Piece> {
        pieces.iter().filter_map(|piece| self.as_it_is(piece)).collect()
    }

    /// The piece as it is. What is not asked of it is not told of it.
    pub(super) fn as_it_is(&self, piece: &Piece) -> Option<Piece> {
        match piece {
            Piece::Namespace { name, .. } => {
                let snapshot = self.places.get(&Place::namespace(name))?;
                let lo = snapshot.links.get("lo");
                Some(Piece::Namespace {
                    name: name.clone(),
                    forwarding: snapshot.forwarding,
                    lo_up: lo.is_some_and(|lo| lo.up),
                    // What is set for all links of a namespace shows at the one that cannot go.
                    ipv6: lo.and_then(|lo| lo.ipv6).unwrap_or(false),
                })
            }
            Piece::Bridge { end, settings } => {
                let link = self.bridge(end, settings)?;
                let settings = LinkSettings::of(link, settings);
                Some(Piece::Bridge { end: end.clone(), settings })
            }
            Piece::Cable(cable) => self.cable(cable).map(Piece::Cable),
            Piece::Address { end, address } => {
                self.addresses(end).contains(address).then(|| piece.clone())
            }
            Piece::Route { place, route, waits } => {
                let snapshot = self.places.get(place)?;
                let found = snapshot.routes.get(&(route.to, route.metric))?;
                let name = || snapshot.names.get(&found.link?).cloned();
                let interface = route.interface.as_ref().and_then(|_| name());
                let (to, metric) = (route.to, route.metric);
                let route = Route { to, via: found.via, interface, metric };
                Some(Piece::Route { place: place.clone(), route, waits: *waits })
            }
            Piece::Resolver { namespace, servers } => {
                let servers = resolver::servers(namespace, servers)?;
                Some(Piece::Resolver { namespace: namespace.clone(), servers })
            }
        }
    }

    /// On the machine, a bridge of another owner, who took the name over, has another Ethernet
    /// address and none of the lab's ports. In a namespace of the lab every bridge is the lab's.
    fn bridge(&self, end: &End, settings: &LinkSettings) -> Option<&Link> {
        let bridge = self.link(end).filter(|link| link.is(BRIDGE))?;
        let has_port = || {
            let ports = self.ports.get(end).into_iter().flatten();
            let mut ports = ports.filter_map(|port| self.link(&End::new(end.place.clone(), port)));
            ports.any(|port| port.bridge == Some(bridge.index))
        };
        let is_own = bridge.mac == settings.mac || end.place != Place::Machine || has_port();
        is_own.then_some(bridge)
    }

    /// One end without the other is still in the way, and is told of as a broken cable; unless
    /// nothing shows that it is the lab's.
    fn cable(&self, cable: &CablePiece) -> Option<CablePiece> {
        let veth = |end: &End| self.link(end).filter(|link| link.is(VETH));
        let (near, far) = (veth(&cable.near), veth(&cable.far));
        if let (Some(near), Some(far)) = (near, far)
            && near.peer.is_some_and(|peer| peer.index == far.index)
        {
            let place = self.places.get(&cable.near.place)?;
            return Some(CablePiece {
                bridge: near.bridge.and_then(|index| place.names.get(&index).cloned()),
                settings: [
                    LinkSettings::of(near, &cable.settings[0]),
                    LinkSettings::of(far, &cable.settings[1]),
                ],
                ..cable.clone()
            });
        }
        if near.is_some_and(|near| self.led_to(near, cable)) {
            return Some(cable.broken(&cable.near));
        }
        far.filter(|far| far.mac == cable.settings[1].mac).map(|_| cable.broken(&cable.far))
    }

    /// Whether this near end is the lab's, though its far end is not in its place: it is where
    /// the lab has plugged it in, or the far end bears another name.
    fn led_to(&self, near: &Link, cable: &CablePiece) -> bool {
        let bridge = cable.bridge.as_ref().map(|name| End::new(cable.near.place.clone(), name));
        let plugged = bridge.and_then(|end| self.link(&end)).map(|bridge| bridge.index);
        let renamed = self.places.get(&cable.far.place).is_some_and(|place| {
            let mut links = place.links.values();
            links.any(|far| {
                near.peer.is_some_and(|peer| peer.index == far.index)
                    && far.mac == cable.settings[1].mac
            })
        });
        renamed || (plugged.is_some() && near.bridge == plugged)
    }

    /// Addresses of the lab's links, and routes out of them, that somebody has added by hand.
    pub(super) fn added(&self, pieces: &[Piece]) -> Vec<Piece> {
        let known: HashSet<Key> = pieces.iter().map(Piece::key).collect();
        let mut added = Vec::new();
        for end in pieces.iter().flat_map(Piece::ends) {
            let addresses = self.addresses(end).iter();
            added.extend(
                addresses.map(|address| Piece::Address { end: end.clone(), address: *address }),
            );
            let Some(snapshot) = self.places.get(&end.place) else { continue };
            let link = snapshot.links.get(&end.interface).map(|link| link.index);
            let routes = snapshot.routes.iter().filter(|(_, it)| it.by_hand && it.link == link);
            added.extend(routes.map(|((to, metric), found)| {
                let interface = Some(end.interface.clone());
                let route = Route { to: *to, via: found.via, interface, metric: *metric };
                Piece::Route { place: end.place.clone(), route, waits: false }
            }));
        }
        added.retain(|piece| !known.contains(&piece.key()));
        added.sort_by_cached_key(|piece| piece.words());
        added
    }

    /// Names of what is wanted and not there, in words.
    pub(super) fn missing<'p>(&self, pieces: &'p [Piece]) -> Vec<&'p Piece> {
        let there: HashSet<Key> = self.actual(pieces).iter().map(Piece::key).collect();
        pieces.iter().filter(|piece| !there.contains(&piece.key())).collect()
    }
}

/// Names of the ports that each bridge is to have.
fn ports(pieces: &[Piece]) -> HashMap<End, Vec<String>> {
    let mut ports: HashMap<End, Vec<String>> = HashMap::new();
    for piece in pieces {
        if let Piece::Cable(CablePiece { near, bridge: Some(bridge), .. }) = piece {
            let bridge = End::new(near.place.clone(), bridge);
            ports.entry(bridge).or_default().push(near.interface.clone());
        }
    }
    ports
}

impl Snapshot {
    /// Of the calling thread's namespace.
    fn read() -> Result<Self, NetError> {
        let netlink = Netlink::open()?;
        let links = netlink.links()?;
        let names = links.iter().map(|link| (link.index, link.name.clone())).collect();
        let v4 = |net: IpNet| match net {
            IpNet::V4(net) => Some(net),
            IpNet::V6(_) => None,
        };
        let mut addresses: HashMap<u32, Vec<Ipv4Net>> = HashMap::new();
        for held in netlink.addresses()? {
            addresses.entry(held.link).or_default().extend(v4(held.address));
        }
        let routes = netlink.routes()?.into_iter().filter_map(|route| {
            let via = route.gateway.and_then(|gateway| match gateway {
                IpAddr::V4(gateway) => Some(gateway),
                IpAddr::V6(_) => None,
            });
            let found = FoundRoute { via, link: route.link, by_hand: route.by_hand };
            Some(((v4(route.destination)?, route.metric), found))
        });
        Ok(Self {
            names,
            addresses,
            routes: routes.collect(),
            forwarding: sysctl::read(sysctl::IP_FORWARD)? == "1",
            links: links.into_iter().map(|link| (link.name.clone(), link)).collect(),
        })
    }
}
