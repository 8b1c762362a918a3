//! Steps: single changes of the network, as data. What a command will do can so be told, as the
//! `ip` or `sysctl` command that each step stands for, or done, or undone.

mod apply;
mod explain;
mod ports;
mod survey;
#[cfg(test)]
mod tests;

use std::{fmt, net::Ipv4Addr};

use ipnet::Ipv4Net;

pub use apply::{Hands, apply_all};
pub use explain::{
    flush_command, forward_command, masquerade_commands, program_comment, routed_command,
};
pub use survey::{FoundCable, Survey};

use crate::{net::Mac, topology::Route};

/// A network namespace: the machine's own (that of the program), or one with a name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Place {
    Machine,
    Namespace(String),
}

impl Place {
    /// The place of a name; none is the machine's own.
    pub fn of(name: Option<&str>) -> Self {
        name.map_or(Self::Machine, |name| Self::Namespace(name.to_owned()))
    }

    /// The place of a namespace.
    pub fn namespace(name: &str) -> Self {
        Self::Namespace(name.to_owned())
    }

    /// Its name; the machine's own namespace has none.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Machine => None,
            Self::Namespace(name) => Some(name),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Machine => f.write_str("this machine"),
            Self::Namespace(name) => write!(f, "namespace \"{name}\""),
        }
    }
}

/// An interface, and where it is.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct End {
    pub place: Place,
    pub interface: String,
}

impl End {
    /// The interface of that name at `place`.
    pub fn new(place: Place, interface: &str) -> Self {
        Self { place, interface: interface.to_owned() }
    }
}

/// `NAMESPACE:INTERFACE`, as a person types it; on the machine the interface alone.
impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.place {
            Place::Machine => f.write_str(&self.interface),
            Place::Namespace(name) => write!(f, "{name}:{}", self.interface),
        }
    }
}

/// One change.
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
        place: Place,
        key: String,
        value: String,
    },
    AddBridge {
        end: End,
        /// `None`: the kernel chooses one, and changes it as ports come and go.
        mac: Option<Mac>,
        /// Bytes.
        mtu: Option<u32>,
        up: bool,
    },
    AddCable {
        near: End,
        far: End,
        /// Of the far end; `None`: the kernel chooses one.
        mac: Option<Mac>,
        /// Bytes, of both ends.
        mtu: Option<u32>,
        /// The bridge, where the near end is, that it becomes a port of.
        bridge: Option<String>,
        /// Whether the near end is switched on. The far one cannot be at the same time.
        up: bool,
    },
    /// A cable goes with both its ends.
    DeleteLink {
        end: End,
    },
    /// Plugs an interface into a bridge.
    Attach {
        end: End,
        bridge: String,
    },
    Detach {
        end: End,
    },
    /// Switches an interface on or off.
    SetLink {
        end: End,
        up: bool,
    },
    /// Sets whether what comes in by an interface is forwarded.
    SetForwarding {
        end: End,
        on: bool,
    },
    SetMtu {
        end: End,
        /// Bytes.
        mtu: u32,
    },
    SetMac {
        end: End,
        mac: Mac,
    },
    AddAddress {
        end: End,
        address: Ipv4Net,
    },
    DeleteAddress {
        end: End,
        address: Ipv4Net,
    },
    AddRoute {
        place: Place,
        route: Route,
    },
    DeleteRoute {
        place: Place,
        route: Route,
    },
    /// Writes /etc/netns/NAME/resolv.conf.
    SetResolver {
        namespace: String,
        servers: Vec<Ipv4Addr>,
    },
    /// Deletes /etc/netns/NAME/resolv.conf, if it is still one of ours.
    DeleteResolver {
        namespace: String,
    },
}

impl Step {
    /// The step that takes this one back, where there is one without knowing what was before.
    pub fn undo(&self) -> Option<Self> {
        Some(match self.clone() {
            Self::AddNamespace { name } => Self::DeleteNamespace { name },
            Self::AddBridge { end, .. } | Self::AddCable { near: end, .. } => {
                Self::DeleteLink { end }
            }
            Self::Attach { end, .. } => Self::Detach { end },
            Self::SetLink { end, up } => Self::SetLink { end, up: !up },
            Self::SetForwarding { end, on } => Self::SetForwarding { end, on: !on },
            Self::AddAddress { end, address } => Self::DeleteAddress { end, address },
            Self::DeleteAddress { end, address } => Self::AddAddress { end, address },
            Self::AddRoute { place, route } => Self::DeleteRoute { place, route },
            Self::DeleteRoute { place, route } => Self::AddRoute { place, route },
            Self::SetResolver { namespace, .. } => Self::DeleteResolver { namespace },
            Self::DeleteNamespace { .. }
            | Self::Set { .. }
            | Self::DeleteLink { .. }
            | Self::Detach { .. }
            | Self::SetMtu { .. }
            | Self::SetMac { .. }
            | Self::DeleteResolver { .. } => return None,
        })
    }
}
