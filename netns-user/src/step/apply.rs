//! Does steps.

use super::{NetlinkPool, Step, StepError};
use crate::net::{
    Cable, Interface, NetError, Netlink, Netns,
    hosts::{links, shared},
    netns, resolver, sysctl,
};

impl NetlinkPool {
    /// Does one step.
    ///
    /// # Errors
    /// When an object is missing or exists already, or the kernel refuses.
    pub fn apply(&mut self, step: &Step) -> Result<(), NetError> {
        match step {
            Step::AddNamespace { name } => {
                netns::create(name)?;
                links::remove_dangling(name)
            }
            Step::DeleteNamespace { name } => {
                self.forget(&Netns::named(name));
                netns::delete(name)?;
                links::remove_dangling(name)
            }
            Step::Set { netns: Netns::Machine, key, value } => Ok(set(key, value)?),
            Step::Set { netns: Netns::Named(name), key, value } => {
                Ok(netns::run_in(name, || set(key, value))??)
            }
            Step::SetResolver { namespace, servers } => resolver::install(namespace, servers),
            Step::DeleteResolver { namespace } => resolver::remove(namespace),
            Step::SetHosts { lab, entries } => shared::install(lab, entries),
            Step::DeleteHosts { lab } => shared::remove(lab),
            Step::LinkHosts { namespace, lab } => links::add(namespace, lab),
            Step::UnlinkHosts { namespace, lab } => links::remove(namespace, lab),
            Step::AddBridge { interface, mac, mtu, up } => {
                Ok(self.at(&interface.netns)?.add_bridge(&interface.name, *mac, *mtu, *up)?)
            }
            Step::AddCable { near, far, mac, mtu, bridge, up } => {
                let namespace = far.netns.open()?;
                let bridge = self.link_at(&near.netns, bridge.as_ref())?;
                Ok(self.at(&near.netns)?.add_cable(&Cable {
                    here: &near.name,
                    bridge: bridge.map(|bridge| bridge.index),
                    there: &far.name,
                    namespace: &namespace,
                    mac: *mac,
                    mtu: *mtu,
                    up: *up,
                })?)
            }
            Step::DeleteLink { interface } => {
                self.forget_links();
                Ok(self.at(&interface.netns)?.delete_link(&interface.name)?)
            }
            Step::Attach { interface, bridge } => {
                let bridge = self.link(&Interface::new(interface.netns.clone(), bridge))?;
                self.with_link(interface, |here, link| here.attach(link, &bridge))
            }
            Step::Detach { interface } => self.with_link(interface, Netlink::detach),
            Step::Move { interface, to } => {
                let namespace = to.open()?;
                let link = self.link(interface)?;
                self.forget_links();
                self.at(&interface.netns)?.move_link(&link, &namespace, &to.to_string())
            }
            Step::SetLink { interface, up } => {
                self.with_link(
                    interface,
                    |here, link| {
                        if *up { here.set_up(link) } else { here.set_down(link) }
                    },
                )
            }
            Step::SetForwarding { interface, on } => {
                self.with_link(interface, |here, link| here.set_forwarding(link, *on))
            }
            Step::SetMtu { interface, mtu } => {
                self.with_link(interface, |here, link| here.set_mtu(link, *mtu))
            }
            Step::SetMac { interface, mac } => {
                self.with_link(interface, |here, link| here.set_mac(link, *mac))
            }
            Step::AddAddress { interface, address } => {
                self.with_link(interface, |here, link| here.add_address(link, *address))
            }
            Step::DeleteAddress { interface, address } => {
                self.with_link(interface, |here, link| here.delete_address(link, *address))
            }
            Step::AddRoute { netns, route } => {
                let link = self.link_at(netns, route.interface.as_ref())?;
                Ok(self.at(netns)?.add_route(route.to, route.via, link.as_ref(), route.metric)?)
            }
            Step::DeleteRoute { netns, route } => {
                let link = self.link_at(netns, route.interface.as_ref())?;
                Ok(self.at(netns)?.delete_route(
                    route.to,
                    route.via,
                    link.as_ref(),
                    route.metric,
                )?)
            }
        }
    }
}

/// Writes a setting. A kernel without IPv6 has no IPv6 settings to write.
fn set(key: &str, value: &str) -> Result<(), NetError> {
    if key.starts_with("ipv6/") {
        sysctl::write_if_there(key, value)
    } else {
        sysctl::write(key, value)
    }
}

/// Does all steps, or none: when one fails, those before it are undone.
///
/// # Errors
/// That of the step that failed, and those of the steps that could not be undone.
pub fn apply_all(steps: &[Step]) -> Result<(), StepError> {
    let mut pool = NetlinkPool::new();
    for (done, step) in steps.iter().enumerate() {
        if let Err(error) = pool.apply(step) {
            let undone = steps[..done].iter().rev().filter_map(Step::undo);
            let failures = undone.filter_map(|step| pool.apply(&step).err()).collect();
            return Err(StepError { cause: error, not_undone: failures });
        }
    }
    Ok(())
}
