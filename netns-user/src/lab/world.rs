//! What of a lab stands in the kernel.

use std::{
    collections::{HashMap, HashSet},
    net::{IpAddr, Ipv4Addr},
};

use ipnet::{IpNet, Ipv4Net};

use super::{
    LabError, LabRecord,
    diff::LinkAddresses,
    pieces::{CablePiece, Key, Piece},
    record::Bearer,
    resolver,
};
use crate::{
    net::{BRIDGE, Link, Mac, NetError, Netlink, VETH, netns::Visitor, sysctl},
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
}

/// What a namespace has.
#[derive(Debug)]
struct Snapshot {
    links: HashMap<String, Link>,
    /// Names of links by index.
    names: HashMap<u32, String>,
    /// The addresses of each link by its index, in the kernel's order.
    addresses: HashMap<u32, Vec<Ipv4Net>>,
    routes: HashMap<(Ipv4Net, u32), (Option<Ipv4Addr>, Option<u32>)>,
    forwarding: bool,
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
    pub(super) fn of_machine() -> Result<Self, LabError> {
        let places = HashMap::from([(Place::Machine, Snapshot::read()?)]);
        Ok(Self { places, wrecks: Vec::new() })
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
        Ok(Self { places, wrecks })
    }

    /// Names that nothing usable bears, but a file of the lab's that is in the way.
    pub(super) fn wrecks(&self) -> &[String] {
        &self.wrecks
    }

    /// Whether the place is there.
    pub(super) fn has(&self, place: &Place) -> bool {
        self.places.contains_key(place)
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
                Some(Piece::Namespace { name: name.clone(), forwarding: snapshot.forwarding })
            }
            Piece::Bridge { end, mac, mtu, .. } => {
                let link = self.bridge(end, *mac)?;
                let mtu = mtu.map(|_| link.mtu);
                Some(Piece::Bridge { end: end.clone(), mac: *mac, mtu, up: link.up })
            }
            Piece::Cable(cable) => self.cable(cable).map(Piece::Cable),
            Piece::Address { end, address } => {
                self.addresses(end).contains(address).then(|| piece.clone())
            }
            Piece::Route { place, route, waits } => {
                let snapshot = self.places.get(place)?;
                let (via, link) = snapshot.routes.get(&(route.to, route.metric))?;
                let name = || snapshot.names.get(&(*link)?).cloned();
                let interface = route.interface.as_ref().and_then(|_| name());
                let (to, metric) = (route.to, route.metric);
                let route = Route { to, via: *via, interface, metric };
                Some(Piece::Route { place: place.clone(), route, waits: *waits })
            }
            Piece::Resolver { namespace, servers } => {
                let servers = resolver::servers(namespace, servers)?;
                Some(Piece::Resolver { namespace: namespace.clone(), servers })
            }
        }
    }

    /// A bridge of another owner, who took the name over, has another Ethernet address.
    fn bridge(&self, end: &End, mac: Mac) -> Option<&Link> {
        self.link(end).filter(|link| link.is(BRIDGE) && link.mac == Some(mac))
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
                mtu: cable.mtu.map(|_| near.mtu),
                up: near.up && far.up,
                ..cable.clone()
            });
        }
        if near.is_some_and(|near| self.led_to(near, cable)) {
            return Some(cable.broken(&cable.near));
        }
        far.filter(|far| far.mac == Some(cable.mac)).map(|_| cable.broken(&cable.far))
    }

    /// Whether this near end is the lab's, though its far end is not in its place: it is where
    /// the lab has plugged it in, or the far end bears another name.
    fn led_to(&self, near: &Link, cable: &CablePiece) -> bool {
        let bridge = cable.bridge.as_ref().map(|name| End::new(cable.near.place.clone(), name));
        let plugged = bridge.and_then(|end| self.link(&end)).map(|bridge| bridge.index);
        let renamed = self.places.get(&cable.far.place).is_some_and(|place| {
            let mut links = place.links.values();
            links.any(|far| {
                near.peer.is_some_and(|peer| peer.index == far.index) && far.mac == Some(cable.mac)
            })
        });
        renamed || (plugged.is_some() && near.bridge == plugged)
    }

    /// Names of what is wanted and not there, in words.
    pub(super) fn missing<'p>(&self, pieces: &'p [Piece]) -> Vec<&'p Piece> {
        let there: HashSet<Key> = self.actual(pieces).iter().map(Piece::key).collect();
        pieces.iter().filter(|piece| !there.contains(&piece.key())).collect()
    }
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
            Some(((v4(route.destination)?, route.metric), (via, route.link)))
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
