//! Queueing disciplines on a router's ends of cables. They see few packets: those that the datapath
//! redirects bypass them.

use crate::{
    lab::{datapaths::datapaths, error::LabError},
    net::{NetError, Netlink, Netns},
    topology::Topology,
};

/// The default of a veth.
const NONE: &str = "noqueue";

/// A router's end of a cable with a queueing discipline.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct QueueOnPort {
    /// The namespace of the router; `None` is the machine's own.
    pub(crate) router: Option<String>,
    pub(crate) port: String,
    /// As `tc` calls it: `tbf`, `htb`, …
    pub(crate) kind: String,
}

/// All of a lab that is up.
///
/// # Errors
/// When a router cannot be entered, or the kernel does not tell of its links.
pub(crate) fn queues_on_ports(topology: &Topology) -> Result<Vec<QueueOnPort>, LabError> {
    let mut found = Vec::new();
    for datapath in datapaths(topology) {
        let links = Netns::of(datapath.router.as_deref())
            .run(|| Netlink::open().and_then(|netlink| netlink.links()))
            .and_then(|links: Result<_, NetError>| links)?;
        for cable in &datapath.spec.cables {
            let link = links.iter().find(|link| link.name == cable.port);
            let kind = link.and_then(|link| link.queue.as_deref()).filter(|kind| *kind != NONE);
            found.extend(kind.map(|kind| QueueOnPort {
                router: datapath.router.clone(),
                port: cable.port.clone(),
                kind: kind.to_owned(),
            }));
        }
    }
    Ok(found)
}
