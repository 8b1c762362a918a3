//! Steps: single changes of the network, as data. A command can so print its steps as `ip` or
//! `sysctl` commands, do them, or undo them.
//!
//! This folder uses `net`, and the types of rules and routes; labs and the commands use it.

mod apply;
mod error;
mod explain;
mod pool;
mod ports;
mod survey;
#[cfg(test)]
mod tests;

use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

pub use apply::apply_all;
pub use error::StepError;
pub use explain::{
    flush_command, forward_command, masquerade_commands, program_comment, routed_command,
};
pub use pool::NetlinkPool;
pub use survey::{FoundCable, Survey};

use crate::{
    net::{HostEntry, Interface, Mac, Netns},
    topology::Route,
};

/// A single change.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    AddNamespace {
        name: String,
    },
    DeleteNamespace {
        name: String,
    },
    /// Sets a sysctl; `key` is a path below /proc/sys/net, as in [`crate::net::sysctl`].
    Set {
        netns: Netns,
        key: String,
        value: String,
    },
    AddBridge {
        interface: Interface,
        /// `None`: the kernel chooses one, and changes it as ports are added and removed.
        mac: Option<Mac>,
        /// Bytes.
        mtu: Option<u32>,
        up: bool,
    },
    AddCable {
        near: Interface,
        far: Interface,
        /// Address of the far end; `None`: the kernel chooses one.
        mac: Option<Mac>,
        /// Bytes, of both ends.
        mtu: Option<u32>,
        /// The bridge that the near end becomes a port of, in the same namespace.
        bridge: Option<String>,
        /// Whether the near end is switched on. The far end cannot be switched on in the same step.
        up: bool,
    },
    /// Deletes a link; of a cable, both ends.
    DeleteLink {
        interface: Interface,
    },
    /// Plugs an interface into a bridge.
    Attach {
        interface: Interface,
        bridge: String,
    },
    Detach {
        interface: Interface,
    },
    /// Switches an interface on or off.
    SetLink {
        interface: Interface,
        up: bool,
    },
    /// Sets whether packets that come in by an interface are forwarded.
    SetForwarding {
        interface: Interface,
        on: bool,
    },
    /// Moves an interface to another namespace. It is down there, without addresses.
    Move {
        interface: Interface,
        to: Netns,
    },
    SetMtu {
        interface: Interface,
        /// Bytes.
        mtu: u32,
    },
    SetMac {
        interface: Interface,
        mac: Mac,
    },
    AddAddress {
        interface: Interface,
        address: Ipv4Net,
    },
    DeleteAddress {
        interface: Interface,
        address: Ipv4Net,
    },
    AddRoute {
        netns: Netns,
        route: Route,
    },
    DeleteRoute {
        netns: Netns,
        route: Route,
    },
    /// Writes /etc/netns/NAME/resolv.conf.
    SetResolver {
        namespace: String,
        servers: Vec<Ipv4Addr>,
    },
    /// Deletes /etc/netns/NAME/resolv.conf, unless somebody else has written it.
    DeleteResolver {
        namespace: String,
    },
    /// Writes the hosts file that all namespaces of a lab share.
    SetHosts {
        lab: String,
        entries: Vec<HostEntry>,
    },
    DeleteHosts {
        lab: String,
    },
    /// Makes /etc/netns/NAME/hosts a link to the lab's shared file, unless somebody else has made
    /// a file there.
    LinkHosts {
        namespace: String,
        lab: String,
    },
    /// Deletes /etc/netns/NAME/hosts if it is a link to the lab's shared file.
    UnlinkHosts {
        namespace: String,
        lab: String,
    },
}

impl Step {
    /// The step that undoes this one, if that is possible without knowing the state from before.
    pub fn undo(&self) -> Option<Self> {
        Some(match self.clone() {
            Self::AddNamespace { name } => Self::DeleteNamespace { name },
            Self::AddBridge { interface, .. } | Self::AddCable { near: interface, .. } => {
                Self::DeleteLink { interface }
            }
            Self::Attach { interface, .. } => Self::Detach { interface },
            Self::SetLink { interface, up } => Self::SetLink { interface, up: !up },
            Self::SetForwarding { interface, on } => Self::SetForwarding { interface, on: !on },
            Self::AddAddress { interface, address } => Self::DeleteAddress { interface, address },
            Self::DeleteAddress { interface, address } => Self::AddAddress { interface, address },
            Self::AddRoute { netns, route } => Self::DeleteRoute { netns, route },
            Self::DeleteRoute { netns, route } => Self::AddRoute { netns, route },
            Self::SetResolver { namespace, .. } => Self::DeleteResolver { namespace },
            Self::SetHosts { lab, .. } => Self::DeleteHosts { lab },
            Self::LinkHosts { namespace, lab } => Self::UnlinkHosts { namespace, lab },
            Self::UnlinkHosts { namespace, lab } => Self::LinkHosts { namespace, lab },
            Self::DeleteNamespace { .. }
            | Self::Set { .. }
            | Self::DeleteLink { .. }
            | Self::Detach { .. }
            | Self::Move { .. }
            | Self::SetMtu { .. }
            | Self::SetMac { .. }
            | Self::DeleteResolver { .. }
            | Self::DeleteHosts { .. } => return None,
        })
    }
}
