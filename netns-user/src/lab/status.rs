//! What of a lab is there.

use std::collections::{HashMap, HashSet};

use serde::Serialize;

use super::{LabError, LabRecord, in_router};
use crate::{
    datapath::Datapath,
    net::{Link, NetError, Netlink},
    topology::{NamespacePlug, Topology},
};

/// What a part of a lab is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum PartKind {
    Namespace,
    Uplink,
    Bridge,
    Cable,
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
}

/// A lab and its parts.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct LabStatus {
    pub lab: String,
    /// False when its `up` was interrupted.
    pub complete: bool,
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

    /// Whether the lab is finished and lacks nothing.
    pub fn is_whole(&self) -> bool {
        self.complete && self.parts.iter().all(|part| part.present)
    }
}

/// Looks at every part of a lab, and has its datapath take up the router's present addresses.
///
/// # Errors
/// When the kernel refuses to tell; that a part is missing is no error.
pub fn status(record: &LabRecord) -> Result<LabStatus, LabError> {
    let topology = &record.topology;
    let survey = Survey::of(record)?;
    let mut parts = survey.namespaces(topology);
    parts.extend(survey.router_links(topology));
    parts.extend(topology.plugged().map(|(namespace, plug)| survey.cable(&namespace.name, plug)));
    parts.push(Part {
        kind: PartKind::Datapath,
        name: topology.name.clone(),
        detail: "programs and maps".into(),
        present: survey.has_datapath,
    });
    Ok(LabStatus {
        lab: topology.name.clone(),
        complete: record.complete,
        parts,
        rules: living_rules(topology).unwrap_or_default(),
    })
}

/// The rules as the kernel holds them; none without a datapath or a router to read it in.
fn living_rules(topology: &Topology) -> Option<Vec<String>> {
    let datapath = Datapath::open(&topology.name).ok()?;
    let masquerades = in_router(topology, || datapath.masquerades()).ok()?.ok()?;
    let forwards = datapath.forwards().ok()?;
    let masquerades = masquerades.iter().map(|status| status.rule.to_string());
    Some(masquerades.chain(forwards.iter().map(|status| status.rule.to_string())).collect())
}

/// What the kernel has in the places where a lab's parts should be.
struct Survey<'a> {
    /// The links of each of the lab's namespaces that is there.
    inside: HashMap<&'a str, Vec<Link>>,
    /// Names of the lab's that namespaces of others bear.
    strangers: Vec<String>,
    /// The links where the router is.
    router: Vec<Link>,
    /// Whether the pins are there and can be used.
    has_datapath: bool,
    /// Interfaces in the router that the lab's programs hang on.
    watched: HashSet<&'a str>,
}

impl<'a> Survey<'a> {
    fn of(record: &'a LabRecord) -> Result<Self, NetError> {
        let topology = &record.topology;
        let strangers = record.strangers()?;
        let mut inside = HashMap::new();
        for name in topology.namespace_names() {
            if strangers.iter().any(|stranger| stranger == name) {
                continue;
            }
            match Netlink::open_in(name) {
                Ok(netlink) => {
                    inside.insert(name, netlink.links()?);
                }
                Err(error) if error.is_absence() => {}
                Err(error) => return Err(error),
            }
        }
        let router = match topology.first_router() {
            Some(name) => inside.get(name).cloned().unwrap_or_default(),
            None => Netlink::open()?.links()?,
        };
        let mut survey =
            Self { inside, strangers, router, has_datapath: false, watched: HashSet::new() };
        survey.look_at_datapath(topology)?;
        Ok(survey)
    }

    fn look_at_datapath(&mut self, topology: &'a Topology) -> Result<(), NetError> {
        let Ok(datapath) = Datapath::open(&topology.name) else { return Ok(()) };
        if self.router.is_empty() {
            self.has_datapath = true;
            return Ok(());
        }
        (self.has_datapath, self.watched) = in_router(topology, || {
            // Whoever looks at a lab wants it to know the router as it is now.
            let works = datapath.refresh_host_addresses().is_ok();
            let uplinks = topology.uplinks.iter().map(|uplink| uplink.name.as_str());
            let ports = topology.plugged().map(|(_, plug)| plug.port.as_str());
            let uplinks = uplinks.filter(|name| datapath.watches_uplink(name));
            (works, uplinks.chain(ports.filter(|name| datapath.watches_cable(name))).collect())
        })?;
        Ok(())
    }

    /// A part that is there only works with the programs on it.
    fn with_programs(&self, part: Part) -> Part {
        if part.present && !self.watched.contains(part.name.as_str()) {
            return Part { present: false, detail: "no program attached".into(), ..part };
        }
        part
    }

    fn router_link(&self, name: &str) -> Option<&Link> {
        self.router.iter().find(|link| link.name == name)
    }

    fn namespaces(&self, topology: &Topology) -> Vec<Part> {
        let part = |name: &String, detail| Part {
            kind: PartKind::Namespace,
            name: name.clone(),
            detail: if self.strangers.contains(name) {
                "replaced: another namespace bears the name".into()
            } else {
                detail
            },
            present: self.inside.contains_key(name.as_str()),
        };
        let routers = topology.routers.iter().filter_map(|router| router.namespace.as_ref());
        let router = routers.map(|name| part(name, "the router".into()));
        let outside = topology.outsides().map(|outside| {
            let answers = outside.answers.iter().map(|answer| format!(", {answer}"));
            let detail = format!("outside, {}{}", outside.address, answers.collect::<String>());
            part(&outside.namespace, detail)
        });
        let inside = topology.namespaces.iter().map(|namespace| {
            let plug = namespace.plug.as_ref();
            part(&namespace.name, plug.map_or(String::new(), |plug| plug.address.to_string()))
        });
        router.chain(outside).chain(inside).collect()
    }

    fn router_links(&self, topology: &Topology) -> Vec<Part> {
        let part = |kind, name: &String, detail| Part {
            kind,
            name: name.clone(),
            detail,
            present: self.router_link(name).is_some(),
        };
        let uplinks = topology.uplinks.iter().map(|uplink| {
            let detail = match (&uplink.address, uplink.outside()) {
                (Some(address), Some(outside)) => {
                    format!("{address}, cable to {} in {}", outside.interface, outside.namespace)
                }
                _ => "of this machine".into(),
            };
            self.with_programs(part(PartKind::Uplink, &uplink.name, detail))
        });
        let bridges = topology
            .bridges
            .iter()
            .map(|bridge| part(PartKind::Bridge, &bridge.name, bridge.address.to_string()));
        uplinks.chain(bridges).collect()
    }

    /// A cable is there when both its ends are, and the near one is plugged in and watched.
    fn cable(&self, name: &str, plug: &NamespacePlug) -> Part {
        let NamespacePlug { bridge, interface, port, .. } = plug;
        let plugged = self
            .router_link(bridge)
            .zip(self.router_link(port))
            .is_some_and(|(bridge, port)| port.bridge == Some(bridge.index));
        let far = self.inside.get(name).into_iter().flatten();
        self.with_programs(Part {
            kind: PartKind::Cable,
            name: port.clone(),
            detail: format!("{bridge} to {interface} in {name}"),
            present: plugged && far.into_iter().any(|link| link.name == *interface),
        })
    }
}
