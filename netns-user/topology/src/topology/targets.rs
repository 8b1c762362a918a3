//! The addresses of namespaces to which forwards lead by their names.

use std::{
    collections::HashMap,
    net::{Ipv4Addr, SocketAddrV4},
};

use super::{
    model::{Cable, Namespace, Topology, Uplink},
    suggestion::hint,
};
use crate::rules::ForwardTarget;

/// The namespaces that a forward can name, each with its addresses.
#[derive(Debug)]
pub(super) struct NamedTargets<'a> {
    addresses: HashMap<&'a str, Vec<Ipv4Addr>>,
    is_complete: bool,
}

impl<'a> NamedTargets<'a> {
    fn new(
        uplinks: impl Iterator<Item = &'a Uplink>,
        namespaces: impl Iterator<Item = &'a Namespace>,
        cables: impl Iterator<Item = &'a Cable>,
    ) -> Self {
        let mut addresses: HashMap<&str, Vec<Ipv4Addr>> = HashMap::new();
        for namespace in namespaces {
            let own = namespace.plug.iter().map(|plug| plug.address.addr());
            addresses.entry(&namespace.name).or_default().extend(own);
        }
        let plugged = uplinks.filter(|uplink| uplink.plug().is_some());
        for (uplink, router) in plugged.filter_map(|it| Some((it, it.router.as_deref()?))) {
            let primary = uplink.primary().map(|primary| primary.addr());
            addresses.entry(router).or_default().extend(primary);
        }
        // A cable counts where nothing else leads to the namespace.
        let mut by_cable: HashMap<&str, Vec<Ipv4Addr>> = HashMap::new();
        for end in cables.flat_map(|cable| [&cable.a, &cable.b]) {
            let own = end.address.map(|address| address.addr());
            by_cable.entry(&end.namespace).or_default().extend(own);
        }
        for (name, held) in addresses.iter_mut().filter(|(_, held)| held.is_empty()) {
            held.extend(by_cable.get(name).into_iter().flatten());
        }
        Self { addresses, is_complete: true }
    }

    /// Those of a file whose parts are read.
    pub(super) fn of_file(
        uplinks: &'a [Option<Uplink>],
        namespaces: &'a [Option<Vec<Namespace>>],
        cables: &'a [Option<Cable>],
    ) -> Self {
        let is_complete = uplinks.iter().all(Option::is_some)
            && namespaces.iter().all(Option::is_some)
            && cables.iter().all(Option::is_some);
        let named = Self::new(
            uplinks.iter().flatten(),
            namespaces.iter().flatten().flatten(),
            cables.iter().flatten(),
        );
        Self { is_complete, ..named }
    }

    /// Whether all namespaces could be read.
    pub(super) fn is_complete(&self) -> bool {
        self.is_complete
    }

    /// The address of a target. The error is a sentence without the target.
    pub(super) fn resolve(&self, target: &ForwardTarget) -> Result<SocketAddrV4, String> {
        let (name, port) = match target {
            ForwardTarget::Address(address) => return Ok(*address),
            ForwardTarget::Namespace { name, port } => (name.as_str(), *port),
        };
        match self.addresses.get(name).map(Vec::as_slice) {
            Some([address]) => Ok(SocketAddrV4::new(*address, port)),
            Some([]) => Err(format!(
                "namespace \"{name}\" has no address: plug it into a bridge with `bridge`"
            )),
            Some(several) => {
                let several: Vec<String> = several.iter().map(Ipv4Addr::to_string).collect();
                let several = several.join(", ");
                Err(format!("\"{name}\" has several addresses: write one of {several}"))
            }
            None => {
                let mut known: Vec<&str> = self.addresses.keys().copied().collect();
                known.sort_unstable();
                Err(format!(
                    "no namespace behind a router has the name \"{name}\": {}",
                    hint(name, known.into_iter())
                ))
            }
        }
    }
}

impl Topology {
    /// The address of the target of a forward, which can be the name of a namespace. A namespace
    /// has the address of its cable to a bridge, or else that of its only other cable; a router has
    /// that of its uplink in another router's bridge.
    ///
    /// # Errors
    /// When there is no such namespace, or it has no or several addresses; the text says which name
    /// was probably meant, or what to write.
    pub fn resolve(&self, target: &ForwardTarget) -> Result<SocketAddrV4, String> {
        let (uplinks, cables) = (self.uplinks.iter(), self.cables.iter());
        NamedTargets::new(uplinks, self.namespaces.iter(), cables).resolve(target)
    }
}
