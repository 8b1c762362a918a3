//! What of a lab is there.

use std::collections::HashSet;

use serde::Serialize;

use super::{
    LabError, LabRecord,
    datapaths::{RouterDatapath, datapaths},
    in_place,
    pieces::{Piece, pieces},
    world::World,
};
use crate::{
    datapath::{Datapath, DatapathError, Reassembly, shows_bridge_ports},
    net::NetError,
    step::{End, Place},
    topology::{CableEnd, Far, NamespacePlug, Plug, Topology},
};

/// What a part of a lab is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PartKind {
    Namespace,
    Uplink,
    Bridge,
    Cable,
    Address,
    Route,
    #[serde(rename = "name servers")]
    Resolver,
    Datapath,
}

impl PartKind {
    /// The kind in a word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Namespace => "namespace",
            Self::Uplink => "uplink",
            Self::Bridge => "bridge",
            Self::Cable => "cable",
            Self::Address => "address",
            Self::Route => "route",
            Self::Resolver => "name servers",
            Self::Datapath => "datapath",
        }
    }
}

/// A part of a lab and whether it is there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Part {
    pub kind: PartKind,
    pub name: String,
    /// Its role, addresses and ends, as the topology has them.
    pub detail: String,
    pub present: bool,
    /// Interfaces of it that are there, but switched off.
    pub off: Vec<String>,
}

impl Part {
    /// Whether it is there and does its work.
    pub fn works(&self) -> bool {
        self.present && self.off.is_empty()
    }
}

/// A lab and its parts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LabStatus {
    pub lab: String,
    /// False when its `up` or `down` was interrupted.
    pub complete: bool,
    /// True when another version of the program has made what translates.
    pub other_version: bool,
    pub parts: Vec<Part>,
    /// The rules that hold now, in words.
    pub rules: Vec<String>,
}

impl LabStatus {
    /// The parts that are not there, in words.
    pub fn missing(&self) -> Vec<String> {
        let absent = self.parts.iter().filter(|part| !part.present);
        absent.map(|part| format!("{} \"{}\"", part.kind.name(), part.name)).collect()
    }

    /// Whether the lab is finished, lacks nothing, and nothing of it is switched off.
    pub fn is_whole(&self) -> bool {
        self.complete && self.parts.iter().all(Part::works)
    }
}

/// Looks at every part of a lab, and has its datapaths take up the routers' present addresses.
///
/// # Errors
/// When the kernel refuses to tell; that a part is missing is no error.
pub fn status(record: &LabRecord) -> Result<LabStatus, LabError> {
    let topology = &record.topology;
    let pieces = pieces(topology);
    let world = World::of(record, &pieces)?;
    let (strangers, watched) = (record.strangers()?, HashSet::new());
    let mut survey = Survey { topology, strangers, world, watched, other_version: false };
    let datapaths = survey.look_at_datapaths()?;
    let mut parts = survey.namespaces();
    parts.extend(survey.uplinks_and_bridges());
    parts.extend(survey.cables());
    parts.extend(survey.missing(&pieces));
    parts.extend(datapaths);
    Ok(LabStatus {
        lab: topology.name.clone(),
        complete: record.is_settled(),
        other_version: survey.other_version,
        parts,
        rules: living_rules(topology),
    })
}

/// The rules as the kernel holds them; none without a datapath or a router to read it in.
fn living_rules(topology: &Topology) -> Vec<String> {
    let of_router = |datapath: RouterDatapath| {
        let living = Datapath::open(&datapath.spec.lab).ok()?;
        let place = Place::of(datapath.router.as_deref());
        let masquerades = in_place(&place, || living.masquerades()).ok()?.ok()?;
        let forwards = living.forwards().ok()?;
        let masquerades = masquerades.into_iter().map(|status| status.rule.to_string());
        let forwards = forwards.into_iter().map(|status| status.rule.to_string());
        Some(masquerades.chain(forwards).collect::<Vec<_>>())
    };
    datapaths(topology).into_iter().filter_map(of_router).flatten().collect()
}

/// How the packets of a datapath go.
#[derive(Clone, Copy, Debug, Default)]
struct Ways {
    via_stack: bool,
    /// `None`: not looked at.
    reassembly: Option<Reassembly>,
    /// Somebody who changed the rules was killed.
    half_changed: bool,
    /// Another version of the program has made it.
    other_version: bool,
}

/// What the kernel has in the places where a lab's parts should be.
struct Survey<'a> {
    topology: &'a Topology,
    world: World,
    /// Names of the lab's that namespaces of others bear.
    strangers: Vec<String>,
    /// Interfaces in routers that the lab's programs hang on.
    watched: HashSet<End>,
    /// Whether another version of the program has made a datapath.
    other_version: bool,
}

impl Survey<'_> {
    /// The datapaths as parts.
    fn look_at_datapaths(&mut self) -> Result<Vec<Part>, LabError> {
        datapaths(self.topology)
            .into_iter()
            .map(|datapath| {
                let (present, ways) = self.look_at_datapath(&datapath)?;
                let name = datapath.spec.lab;
                let place = match &datapath.router {
                    Some(router) => format!("router {router}"),
                    None => "this machine".into(),
                };
                let way = match () {
                    () if ways.via_stack => ", via the stack",
                    () if !shows_bridge_ports() => ", by the bridges",
                    () => "",
                };
                let order = match ways.reassembly {
                    None | Some(Reassembly::AnyOrder) => "",
                    Some(Reassembly::InOrder) => "; fragments in order only",
                    Some(Reassembly::Broken) => "; no reassembler",
                };
                let fault = match () {
                    () if ways.other_version => "; made by another version of netns",
                    () if ways.half_changed => "; its rules are half changed, `netns up` mends it",
                    () => "",
                };
                let detail = format!("programs and maps, in {place}{way}{order}{fault}");
                self.other_version |= ways.other_version;
                Ok(Part { kind: PartKind::Datapath, name, detail, present, off: Vec::new() })
            })
            .collect()
    }

    /// Whether the pins are there and can be used, and how packets go.
    fn look_at_datapath(&mut self, datapath: &RouterDatapath) -> Result<(bool, Ways), NetError> {
        let mut ways = Ways::default();
        let living = match Datapath::open(&datapath.spec.lab) {
            Ok(living) => living,
            Err(error) => {
                ways.other_version = matches!(error, DatapathError::OtherVersion(_));
                return Ok((false, ways));
            }
        };
        ways.via_stack = living.settings().is_ok_and(|settings| settings.via_stack != 0);
        let place = Place::of(datapath.router.as_deref());
        if !self.world.has(&place) {
            return Ok((true, ways));
        }
        let spec = &datapath.spec;
        let (works, holds, reassembly, watched) = in_place(&place, || {
            // Whoever looks at a lab wants it to know the router as it is now.
            let works = living.refresh_host_addresses().is_ok();
            let uplinks = spec.uplinks.iter().filter(|name| living.watches_uplink(name));
            let ports = spec.cables.iter().map(|cable| &cable.port);
            let ports = ports.filter(|name| living.watches_cable(name));
            let reassembly = living.reassembly().ok();
            (
                works,
                living.rules_hold().ok(),
                reassembly,
                uplinks.chain(ports).cloned().collect::<Vec<_>>(),
            )
        })?;
        let ends = watched.into_iter().map(|interface| End { place: place.clone(), interface });
        self.watched.extend(ends);
        ways.reassembly = reassembly;
        ways.half_changed = holds == Some(false);
        Ok((works && holds == Some(true) && reassembly != Some(Reassembly::Broken), ways))
    }

    /// A part that is there only works with the programs on it.
    fn with_program(&self, part: Part, end: &End) -> Part {
        if part.present && !self.watched.contains(end) {
            return Part { present: false, detail: "no program attached".into(), ..part };
        }
        part
    }

    /// Those of the ends that are there and switched off.
    fn off<'e>(&self, ends: impl IntoIterator<Item = &'e End>) -> Vec<String> {
        let is_off = |end: &&End| self.world.link(end).is_some_and(|link| !link.up);
        ends.into_iter().filter(is_off).map(ToString::to_string).collect()
    }

    fn namespaces(&self) -> Vec<Part> {
        let part = |name: &String, detail: String| Part {
            kind: PartKind::Namespace,
            name: name.clone(),
            detail: if self.strangers.contains(name) {
                "replaced: another namespace bears the name".into()
            } else {
                detail
            },
            present: self.world.has(&Place::namespace(name)),
            off: Vec::new(),
        };
        let routers = self.topology.routers.iter().filter_map(|router| router.namespace.as_ref());
        let routers = routers.map(|name| part(name, "a router".into()));
        let mut seen = HashSet::new();
        let outside = self.topology.outsides().filter(|part| seen.insert(&part.namespace));
        let outside = outside.map(|outside| {
            let answers = outside.answers.iter().map(|answer| format!(", {answer}"));
            let detail = format!("outside, {}{}", outside.address, answers.collect::<String>());
            part(&outside.namespace, detail)
        });
        let inside = self.topology.namespaces.iter().map(|namespace| {
            let detail = namespace.plug.as_ref().map_or(String::new(), |plug| {
                let via = plug.gateway.map_or(String::new(), |via| format!(" via {via}"));
                format!("{}{via}", plug.address)
            });
            part(&namespace.name, detail)
        });
        routers.chain(outside).chain(inside).collect()
    }

    fn uplinks_and_bridges(&self) -> Vec<Part> {
        let part = |kind, end: &End, detail| Part {
            kind,
            name: end.interface.clone(),
            detail,
            present: self.world.link(end).is_some(),
            off: self.off([end]),
        };
        let uplinks = self.topology.uplinks.iter().map(|uplink| {
            let end = End::new(Place::of(uplink.router.as_deref()), &uplink.name);
            let address: String =
                uplink.addresses.iter().map(|address| format!("{address}, ")).collect();
            let detail = match &uplink.far {
                Some(Far::Outside(outside)) => {
                    format!("{address}cable to {} in {}", outside.interface, outside.namespace)
                }
                Some(Far::Plug(plug)) => format!("{address}plugged into {}", plug.bridge),
                None => "of this machine".into(),
            };
            let way = if uplink.redirect_peer { ", redirect_peer" } else { "" };
            let part = part(PartKind::Uplink, &end, format!("{detail}{way}"));
            match self.topology.has_datapath(uplink.router.as_deref()) {
                true => self.with_program(part, &end),
                false => part,
            }
        });
        let bridges = self.topology.bridges.iter().map(|bridge| {
            let end = End::new(Place::of(bridge.router.as_deref()), &bridge.name);
            part(PartKind::Bridge, &end, bridge.address.to_string())
        });
        uplinks.chain(bridges).collect()
    }

    /// A cable is present when both its ends are, and each end in a router has its program. A
    /// cable to a bridge must also be plugged in.
    fn cables(&self) -> Vec<Part> {
        let ports = self.topology.plugged().map(|(namespace, plug)| {
            let NamespacePlug { bridge, interface, port, .. } = plug;
            let detail = format!("{bridge} to {interface} in {}", namespace.name);
            let far = End::new(Place::namespace(&namespace.name), interface);
            self.port(bridge, port, &far, detail)
        });
        let uplinks = self.topology.uplinks.iter().filter_map(|uplink| {
            let Plug { bridge, port, .. } = uplink.plug()?;
            let far = End::new(Place::of(uplink.router.as_deref()), &uplink.name);
            Some(self.port(bridge, port, &far, format!("{bridge} to uplink {far}")))
        });
        let direct = self.topology.cables.iter().map(|cable| {
            let end = |end: &CableEnd| End::new(Place::namespace(&end.namespace), &end.interface);
            let (a, b) = (end(&cable.a), end(&cable.b));
            let part = Part {
                kind: PartKind::Cable,
                name: a.to_string(),
                detail: format!("to {b}"),
                present: self.world.link(&a).is_some() && self.world.link(&b).is_some(),
                off: self.off([&a, &b]),
            };
            let watched = [&a, &b].into_iter();
            let watched = watched.filter(|end| self.topology.has_datapath(end.place.name()));
            watched.fold(part, |part, end| self.with_program(part, end))
        });
        ports.chain(uplinks).chain(direct).collect()
    }

    fn port(&self, bridge: &str, port: &str, far: &End, detail: String) -> Part {
        let router = self.topology.bridge(bridge).and_then(|bridge| bridge.router.as_deref());
        let place = Place::of(router);
        let near = End::new(place.clone(), port);
        let plugged = self
            .world
            .link(&End::new(place, bridge))
            .zip(self.world.link(&near))
            .is_some_and(|(bridge, port)| port.bridge == Some(bridge.index));
        let part = Part {
            kind: PartKind::Cable,
            name: port.to_owned(),
            detail,
            present: plugged && self.world.link(far).is_some(),
            off: self.off([&near, far]),
        };
        self.with_program(part, &near)
    }

    /// Addresses, routes and files are only told of when they are missing, and not for lack of
    /// what they are on.
    fn missing(&self, pieces: &[Piece]) -> Vec<Part> {
        let missing = self.world.missing(pieces).into_iter().filter_map(|piece| {
            let kind = match piece {
                Piece::Address { end, .. } if self.world.link(end).is_some() => PartKind::Address,
                Piece::Route { place, .. } if self.world.has(place) => PartKind::Route,
                Piece::Resolver { .. } => PartKind::Resolver,
                _ => return None,
            };
            let (_, name, detail) = piece.words();
            Some(Part { kind, name, detail, present: false, off: Vec::new() })
        });
        missing.collect()
    }
}
