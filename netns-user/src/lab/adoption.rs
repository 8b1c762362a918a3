//! Takes over a network that was made by hand: what matches a topology becomes the lab's as it is,
//! and what is missing is added.
//!
//! It reads the kernel's state and changes nothing.

use std::collections::HashMap;

use super::{
    actual_state::ActualState,
    changes::{Change, ChangeKind},
    error::LabError,
    preflight,
    record::LabRecord,
    resources::{
        Key, Resource,
        gates::{self, gates},
        resources,
    },
};
use crate::{
    net::{
        Interface, NetError,
        netns::{self, Visitor},
    },
    step::Step,
    topology::Topology,
};

/// A network that a lab takes over.
#[derive(Debug)]
pub(super) struct Adoption {
    /// The record of the lab, with the namespaces that exist. It is not written yet.
    pub(super) record: LabRecord,
    /// The parts of the lab that exist, as they are.
    pub(super) before: Vec<Resource>,
    /// Whether packets from the existing gates are forwarded.
    pub(super) gates: HashMap<Interface, bool>,
}

impl Adoption {
    /// Looks for the parts of a lab that was not built.
    ///
    /// # Errors
    /// When a part cannot be taken over, with all such parts, or the kernel refuses to tell.
    pub(super) fn of(topology: &Topology) -> Result<Self, LabError> {
        let mut record = LabRecord::new(topology, preflight::auto_uplink(topology)?);
        adopt_namespaces(&mut record)?;
        let wanted = resources(&record.topology);
        let actual_state = ActualState::of(&record, &wanted)?;
        let before = actual_state.actual(&wanted);
        preflight::adoption::check(&record, &actual_state, &wanted, &before)?;
        let forwarding = |interface: Interface| {
            let on = actual_state.link(&interface)?.forwarding?;
            Some((interface, on))
        };
        let gates = gates(&record.topology).into_iter().filter_map(forwarding).collect();
        Ok(Self { record, before, gates })
    }

    /// Whether there is nothing to take over.
    pub(super) fn is_empty(&self) -> bool {
        self.before.is_empty()
    }
}

/// Records the cookies of the namespaces that exist and that no lab has.
fn adopt_namespaces(record: &mut LabRecord) -> Result<(), LabError> {
    let labs = LabRecord::list()?;
    let topology = record.topology.clone();
    let existing = topology.namespace_names().filter(|name| netns::exists(name));
    let free: Vec<&str> = existing.filter(|name| !labs.iter().any(|lab| lab.owns(name))).collect();
    let cookies: Vec<(&str, u64)> = Visitor::send(|visitor| {
        let cookie = |name| Ok((name, visitor.cookie(name)?));
        free.into_iter().map(cookie).collect::<Result<_, NetError>>()
    })?;
    for (name, cookie) in cookies {
        record.adopt(name, cookie);
    }
    Ok(())
}

/// Closes the gates that are closed before the adoption, after the router begins to forward: the
/// kernel opens them then, and no datapath guards them yet.
pub(super) fn keep_closed(changes: &mut Vec<Change>, adoption: &Adoption) {
    for (gate, _) in adoption.gates.iter().filter(|(_, open)| !**open) {
        let has = |resource: &&Resource| resource.interfaces().any(|interface| interface == gate);
        let Some(resource) = adoption.before.iter().find(has) else { continue };
        let router = gate.netns.name().map(|name| Key::Namespace(name.to_owned()));
        let begins = changes.iter().position(|change| Some(change.resource.key()) == router);
        let close = Change {
            kind: ChangeKind::Change,
            resource: resource.clone(),
            steps: vec![gates::step(gate, false)],
            deviations: Vec::new(),
        };
        changes.insert(begins.map_or(0, |at| at + 1), close);
    }
}

/// Announces each new Ethernet address to the neighbours. Without it they would send to the old one
/// until their ARP entries expire, and connections would hang.
pub(super) fn announce(changes: &mut [Change]) {
    for change in changes {
        let steps = std::mem::take(&mut change.steps);
        change.steps = steps.into_iter().flat_map(announced).collect();
    }
}

fn announced(step: Step) -> Vec<Step> {
    let Step::SetMac { interface, .. } = &step else { return vec![step] };
    let notify = |value: &str| Step::Set {
        netns: interface.netns.clone(),
        key: format!("ipv4/conf/{}/arp_notify", interface.name),
        value: value.to_owned(),
    };
    vec![notify("1"), step.clone(), notify("0")]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::{Mac, Netns};

    #[test]
    fn only_a_new_ethernet_address_is_announced() {
        let interface = Interface::new(Netns::named("red"), "eth0");
        let up = Step::SetLink { interface: interface.clone(), up: true };
        assert_eq!(announced(up.clone()), [up]);
        let mac = Step::SetMac { interface, mac: Mac([2; 6]) };
        let [Step::Set { key, value, .. }, changed, Step::Set { value: end, .. }] =
            &announced(mac.clone())[..]
        else {
            panic!("expected three steps")
        };
        assert_eq!((key.as_str(), value.as_str()), ("ipv4/conf/eth0/arp_notify", "1"));
        assert_eq!((changed, end.as_str()), (&mac, "0"));
    }
}
