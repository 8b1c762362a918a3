//! What of a lab is there.

use std::collections::HashMap;

use serde::Serialize;

use super::{LabError, LabRecord};
use crate::{
    datapath::Datapath,
    net::{Link, NetError, Netlink},
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
    /// The rules that the lab was built with, in words.
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

/// Looks at every part of a lab.
///
/// # Errors
/// When the kernel refuses to tell; that a part is missing is no error.
pub fn status(record: &LabRecord) -> Result<LabStatus, LabError> {
    let topology = &record.topology;
    let mut inside: HashMap<&str, Option<Vec<Link>>> = HashMap::new();
    for name in topology.namespace_names() {
        inside.insert(name, links_in(name)?);
    }
    let is_alive = |name: &str| inside.get(name).is_some_and(Option::is_some);
    let links = |name: &str| inside.get(name).and_then(Option::as_deref).unwrap_or_default();
    let machine;
    let router = match &topology.router.namespace {
        Some(name) => links(name),
        None => {
            machine = Netlink::open()?.links()?;
            machine.as_slice()
        }
    };
    let in_router = |name: &str| router.iter().find(|link| link.name == name);
    let mut parts = Vec::new();
    let mut part = |kind, name: &str, detail: String, present| {
        parts.push(Part { kind, name: name.to_owned(), detail, present });
    };
    if let Some(name) = &topology.router.namespace {
        part(PartKind::Namespace, name, "the router".into(), is_alive(name));
    }
    for outside in topology.outsides() {
        let mut detail = format!("outside, {}", outside.address);
        for answer in &outside.answers {
            detail = format!("{detail}, {answer}");
        }
        let name = &outside.namespace;
        part(PartKind::Namespace, name, detail, is_alive(name));
    }
    for namespace in &topology.namespaces {
        let detail = format!("{} via {}", namespace.address, namespace.gateway);
        part(PartKind::Namespace, &namespace.name, detail, is_alive(&namespace.name));
    }
    for uplink in &topology.uplinks {
        let detail = match (&uplink.address, &uplink.outside) {
            (Some(address), Some(outside)) => {
                format!("{address}, cable to {} in {}", outside.interface, outside.namespace)
            }
            _ => "of this machine".into(),
        };
        part(PartKind::Uplink, &uplink.name, detail, in_router(&uplink.name).is_some());
    }
    for bridge in &topology.bridges {
        let detail = bridge.address.to_string();
        part(PartKind::Bridge, &bridge.name, detail, in_router(&bridge.name).is_some());
    }
    for namespace in &topology.namespaces {
        let bridge = in_router(&namespace.bridge).map(|bridge| bridge.index);
        let port = in_router(&namespace.port);
        let plugged = port.is_some_and(|port| port.bridge.is_some() && port.bridge == bridge);
        let far = links(&namespace.name).iter().any(|link| link.name == namespace.interface);
        let detail =
            format!("{} to {} in {}", namespace.bridge, namespace.interface, namespace.name);
        part(PartKind::Cable, &namespace.port, detail, plugged && far);
    }
    let datapath = Datapath::open(&topology.name).is_ok();
    part(PartKind::Datapath, &topology.name, "programs and maps".into(), datapath);
    let masquerades = topology.masquerades.iter().map(ToString::to_string);
    let forwards = topology.forwards.iter().map(ToString::to_string);
    Ok(LabStatus {
        lab: topology.name.clone(),
        complete: record.complete,
        parts,
        rules: masquerades.chain(forwards).collect(),
    })
}

/// The links of a namespace; `None` when it is not there.
fn links_in(namespace: &str) -> Result<Option<Vec<Link>>, NetError> {
    match Netlink::open_in(namespace) {
        Ok(netlink) => netlink.links().map(Some),
        Err(error) if error.is_absence() => Ok(None),
        Err(error) => Err(error),
    }
}
