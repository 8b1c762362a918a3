//! The settings of a lab's links and namespaces: the deviations from them, and the steps that
//! correct these.

use std::fmt;

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    net::{ETHERNET_MTU, Interface, Link, Mac, Netns, sysctl},
    step::Step,
};

/// The settings of a link. `None` stands for a setting that the lab does not ask for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::lab) struct LinkSettings {
    pub(in crate::lab) mac: Option<Mac>,
    pub(in crate::lab) mtu: Option<u32>,
    /// Whether it is on; this is always wanted.
    pub(in crate::lab) up: bool,
    /// Whether IPv6 is on.
    pub(in crate::lab) ipv6: Option<bool>,
}

/// A setting that differs from the lab's file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Deviation {
    /// The interface or namespace.
    pub of: String,
    /// The setting in words: `"MTU"`, `"MAC"`, `"bridge"`, …
    pub setting: String,
    /// Its present value.
    pub is: String,
    /// Its value according to the topology file.
    pub wanted: String,
}

/// A deviation and the steps that correct it.
pub(in crate::lab) type Correction = (Deviation, Vec<Step>);

impl Deviation {
    pub(in crate::lab) fn new(
        of: impl fmt::Display,
        setting: impl Into<String>,
        is: impl fmt::Display,
        wanted: impl fmt::Display,
    ) -> Self {
        let (of, is, wanted) = (of.to_string(), is.to_string(), wanted.to_string());
        Self { of, setting: setting.into(), is, wanted }
    }

    /// In words, as a planned change.
    pub(in crate::lab) fn as_change(&self) -> String {
        let Self { of, setting, is, wanted } = self;
        format!("{setting} of {of}: {is} -> {wanted}")
    }

    /// Whether the deviation is that an interface is switched off.
    pub(in crate::lab) fn is_off(&self) -> bool {
        self.setting == STATE
    }
}

impl fmt::Display for Deviation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { of, setting, is, wanted } = self;
        write!(f, "{setting} of {of} is {is}, should be {wanted}")
    }
}

const STATE: &str = "state";

impl LinkSettings {
    /// The MTU, if it is not the default.
    pub(super) fn special_mtu(&self) -> Option<u32> {
        self.mtu.filter(|mtu| *mtu != ETHERNET_MTU)
    }

    /// The actual settings of a link, without those that are not asked for.
    pub(in crate::lab) fn of(link: &Link, asked: &Self) -> Self {
        Self {
            mac: asked.mac.and(link.mac),
            mtu: asked.mtu.map(|_| link.mtu),
            up: link.up,
            // A kernel without IPv6 does not report the setting.
            ipv6: asked.ipv6.map(|asked| link.ipv6.unwrap_or(asked)),
        }
    }

    /// The settings in which an actual link differs from the wanted one.
    pub(super) fn corrections(&self, wanted: &Self, interface: &Interface) -> Vec<Correction> {
        let mut corrections = Vec::new();
        if let (Some(is), Some(mac)) = (self.mac, wanted.mac)
            && is != mac
        {
            let step = Step::SetMac { interface: interface.clone(), mac };
            corrections.push((Deviation::new(interface, "MAC", is, mac), vec![step]));
        }
        if self.mtu != wanted.mtu {
            // Without a wanted MTU it becomes the default.
            let mtu = wanted.mtu.unwrap_or(ETHERNET_MTU);
            let is = self.mtu.map_or("the kernel's".to_owned(), |is| is.to_string());
            let step = Step::SetMtu { interface: interface.clone(), mtu };
            corrections.push((Deviation::new(interface, "MTU", is, mtu), vec![step]));
        }
        if self.up != wanted.up {
            corrections.push(switched(interface, wanted.up));
        }
        if let (Some(is), Some(on)) = (self.ipv6, wanted.ipv6)
            && is != on
        {
            corrections.push(ipv6(&interface.netns, &interface.name, interface, on));
        }
        corrections
    }
}

/// Switches a link on or off.
pub(super) fn switched(interface: &Interface, up: bool) -> Correction {
    let word = |up: bool| if up { "on" } else { "off" };
    let step = Step::SetLink { interface: interface.clone(), up };
    (Deviation::new(interface, STATE, word(!up), word(up)), vec![step])
}

/// Switches IPv6 on or off, for an interface or, by the name "all", for a namespace.
pub(super) fn ipv6(netns: &Netns, whose: &str, of: impl fmt::Display, on: bool) -> Correction {
    setting(netns, &format!("ipv6/conf/{whose}/disable_ipv6"), of, !on)
}

/// Switches the forwarding of a namespace on or off.
pub(super) fn forwarding(name: &str, on: bool) -> Correction {
    let netns = Netns::named(name);
    setting(&netns, sysctl::IP_FORWARD, &netns, on)
}

fn setting(netns: &Netns, key: &str, of: impl fmt::Display, on: bool) -> Correction {
    let value = |on: bool| u8::from(on).to_string();
    let step = Step::Set { netns: netns.clone(), key: key.to_owned(), value: value(on) };
    let name = format!("net.{}", key.replace('/', "."));
    (Deviation::new(of, name, value(!on), value(on)), vec![step])
}
