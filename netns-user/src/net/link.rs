//! Links: bridges, cables (veth pairs) and all other interfaces of a namespace.

use std::{fmt, fs::File, os::fd::AsRawFd};

use futures::TryStreamExt;
use netlink_packet_core::{DefaultNla, Emitable as _};
use rtnetlink::{
    LinkBridge, LinkUnspec, LinkVeth,
    packet_route::link::{AfSpecInet, AfSpecUnspec, InfoData, InfoVeth, LinkAttribute},
};
use schemars::JsonSchema;
use serde::Serialize;

use super::{Netlink, error::NetError};

/// The kernel's names for the kinds of links that netns makes.
pub const BRIDGE: &str = "bridge";
pub const VETH: &str = "veth";

/// The default MTU of cables and bridges, in bytes.
pub const ETHERNET_MTU: u32 = 1500;

/// An Ethernet address.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// A locally administered Ethernet address (IEEE 802: second bit of the first byte) of one
    /// station, made from names: the same lab always has the same ones.
    pub fn from_names(names: &[&str]) -> Self {
        // FNV-1a, which is the same in every version of this program.
        let bytes = names.iter().flat_map(|name| name.bytes().chain([0]));
        let hash = bytes.fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
            (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
        });
        let [_, _, a, b, c, d, e, f] = hash.to_be_bytes();
        Self([(a & 0xfc) | 0x02, b, c, d, e, f])
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

impl fmt::Debug for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for Mac {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// The state of a bridge's port.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PortState {
    /// The bridge forwards its packets.
    Forwarding,
    /// The port has no carrier yet, or a spanning tree keeps it closed.
    Closed,
}

/// A link as the kernel describes it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Link {
    /// Its index in its namespace.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// `"veth"`, `"bridge"`, …; `None` for links that no driver of virtual links has made: `lo`,
    /// network cards.
    pub kind: Option<String>,
    /// Its Ethernet address; `None`: it has none.
    #[schemars(with = "Option<String>")]
    pub mac: Option<Mac>,
    /// Its MTU in bytes.
    pub mtu: u32,
    /// Whether it is switched on, with or without a carrier.
    pub up: bool,
    /// The kernel's operational state (RFC 2863): `"up"`, `"down"`, `"lowerlayerdown"`, …
    pub state: String,
    /// Index of the bridge that this link is a port of; `None`: it is no port.
    pub bridge: Option<u32>,
    /// The state of a port of a bridge; `None`: it is no port.
    pub port_state: Option<PortState>,
    /// Whether the far end is up. The kernel knows this at once, and updates `state` some time
    /// later.
    #[serde(skip)]
    pub carrier: bool,
    /// The far end of a cable.
    #[serde(skip)]
    pub peer: Option<Peer>,
    /// Whether a bridge keeps ports closed until a spanning tree opens them.
    #[serde(skip)]
    pub spanning_tree: bool,
    /// The name of its queueing discipline, as in `tc`.
    #[serde(skip)]
    pub queue: Option<String>,
    /// Whether IPv6 is on, if the kernel has IPv6.
    #[serde(skip)]
    pub ipv6: Option<bool>,
    /// Whether IPv4 packets that come in by it are forwarded, if the kernel shows it.
    #[serde(skip)]
    pub forwarding: Option<bool>,
    /// Whether an XDP program is attached to it.
    #[serde(skip)]
    pub xdp: bool,
    /// The smallest and the largest MTU that it accepts, in bytes, if the kernel shows it.
    #[serde(skip)]
    pub mtu_limits: (Option<u32>, Option<u32>),
}

/// The far end of a cable, as its near end shows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Peer {
    /// Index of the far link, in its own namespace.
    pub index: u32,
    /// The number by which the near end's namespace knows the far one ([`Netlink::number_of`]);
    /// `None`: both ends are in the same namespace.
    pub namespace: Option<i32>,
}

/// The MTU with which to make a bridge that should later have `mtu`, if it is not the default. The
/// kernel keeps an MTU only if somebody has changed it on an existing bridge: neither the MTU of
/// creation counts, nor setting the value that it has already.
pub fn bridge_mtu_to_begin_with(mtu: u32) -> Option<u32> {
    (mtu == ETHERNET_MTU).then_some(mtu - 1)
}

/// A veth pair to make: one end here, the other in another namespace.
#[derive(Debug)]
pub struct Cable<'a> {
    /// Name of the end in the namespace of the connection.
    pub here: &'a str,
    /// Index of the bridge that this end becomes a port of.
    pub bridge: Option<u32>,
    /// Name of the far end.
    pub there: &'a str,
    /// The namespace of the far end.
    pub namespace: &'a File,
    /// Ethernet address of the far end; `None`: the kernel chooses one.
    pub mac: Option<Mac>,
    /// Bytes, of both ends; `None`: the kernel's default.
    pub mtu: Option<u32>,
    /// Whether the near end is switched on.
    pub up: bool,
}

impl Netlink {
    /// All links of the namespace, in the order of their indexes.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn links(&self) -> Result<Vec<Link>, NetError> {
        let dump = self.handle().link().get().execute().try_collect::<Vec<_>>();
        let mut links: Vec<Link> =
            self.wait(dump, || "list the links".into())?.into_iter().map(Link::from).collect();
        links.sort_unstable_by_key(|link| link.index);
        Ok(links)
    }

    /// The link called `name`.
    ///
    /// # Errors
    /// [`NetError::NoLink`], or when the kernel refuses.
    pub fn link(&self, name: &str) -> Result<Link, NetError> {
        let mut stream = Box::pin(self.handle().link().get().match_name(name).execute());
        let found = self.wait(stream.try_next(), || format!("find interface \"{name}\""));
        match found {
            Ok(Some(message)) => Ok(message.into()),
            Ok(None) => Err(NetError::NoLink(name.to_owned())),
            Err(error) if error.is_absence() => Err(NetError::NoLink(name.to_owned())),
            Err(error) => Err(error),
        }
    }

    /// Makes a bridge. A given Ethernet address or MTU (bytes) stays: otherwise the kernel changes
    /// it as ports are added and removed.
    ///
    /// # Errors
    /// When the name is taken or the kernel refuses.
    pub fn add_bridge(
        &self,
        name: &str,
        mac: Option<Mac>,
        mtu: Option<u32>,
        up: bool,
    ) -> Result<(), NetError> {
        let mut builder = LinkBridge::new(name);
        if let Some(mac) = mac {
            builder = builder.address(mac.0.to_vec());
        }
        if let Some(first) = mtu.and_then(bridge_mtu_to_begin_with) {
            builder = builder.mtu(first);
        }
        let builder = if up { builder.up() } else { builder.down() };
        let request = self.handle().link().add(builder.build()).execute();
        self.wait(request, || format!("create bridge \"{name}\""))?;
        let Some(mtu) = mtu else { return Ok(()) };
        self.link(name).and_then(|bridge| self.set_mtu(&bridge, mtu)).inspect_err(|_| {
            // All or nothing; the first error is the one to report.
            let _ = self.delete_link(name);
        })
    }

    /// Makes a cable. The far end is down: the kernel cannot switch on an end while it moves it to
    /// another namespace.
    ///
    /// # Errors
    /// When a name is taken or the kernel refuses.
    pub fn add_cable(&self, cable: &Cable<'_>) -> Result<(), NetError> {
        let mut peer =
            LinkUnspec::new_with_name(cable.there).setns_by_fd(cable.namespace.as_raw_fd());
        if let Some(mac) = cable.mac {
            peer = peer.address(mac.0.to_vec());
        }
        if let Some(mtu) = cable.mtu {
            peer = peer.mtu(mtu);
        }
        let mut builder = LinkVeth::new(cable.here, cable.there)
            .set_info_data(InfoData::Veth(InfoVeth::Peer(peer.build())));
        if let Some(mtu) = cable.mtu {
            builder = builder.mtu(mtu);
        }
        if cable.up {
            builder = builder.up();
        }
        if let Some(bridge) = cable.bridge {
            builder = builder.controller(bridge);
        }
        let request = self.handle().link().add(builder.build()).execute();
        self.wait(request, || format!("create cable \"{}\" - \"{}\"", cable.here, cable.there))
    }

    /// Switches a link on.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn set_up(&self, link: &Link) -> Result<(), NetError> {
        let message = LinkUnspec::new_with_index(link.index).up().build();
        let request = self.handle().link().set(message).execute();
        self.wait(request, || format!("set interface \"{}\" up", link.name))
    }

    /// Switches a link off.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn set_down(&self, link: &Link) -> Result<(), NetError> {
        let message = LinkUnspec::new_with_index(link.index).down().build();
        let request = self.handle().link().set(message).execute();
        self.wait(request, || format!("set interface \"{}\" down", link.name))
    }

    /// Sets whether IPv4 packets that come in by a link are forwarded (`conf/LINK/forwarding`). A
    /// netlink request waits for the kernel's lock; a write to /proc would retry as long as others
    /// change links.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn set_forwarding(&self, link: &Link, on: bool) -> Result<(), NetError> {
        /// `IFLA_INET_CONF` (linux/if_link.h), with the flag of nested attributes.
        const INET_CONF: u16 = 1 | 1 << 15;
        /// `IPV4_DEVCONF_FORWARDING` (linux/ip.h).
        const FORWARDING: u16 = 1;
        // The crate leaves out settings that are 0.
        let setting = DefaultNla::new(FORWARDING, u32::from(on).to_ne_bytes().to_vec());
        let mut value = vec![0; setting.buffer_len()];
        setting.emit(&mut value);
        let settings = AfSpecInet::Other(DefaultNla::new(INET_CONF, value));
        let attribute = LinkAttribute::AfSpecUnspec(vec![AfSpecUnspec::Inet(vec![settings])]);
        let message =
            LinkUnspec::new_with_index(link.index).append_extra_attribute(attribute).build();
        let request = self.handle().link().set(message).execute();
        let state = if on { "on" } else { "off" };
        self.wait(request, || format!("switch forwarding from interface \"{}\" {state}", link.name))
    }

    /// Sets the largest packet of a link, in bytes.
    ///
    /// # Errors
    /// When the link's kind does not allow it or the kernel refuses.
    pub fn set_mtu(&self, link: &Link, mtu: u32) -> Result<(), NetError> {
        let message = LinkUnspec::new_with_index(link.index).mtu(mtu).build();
        let request = self.handle().link().set(message).execute();
        self.wait(request, || format!("set the MTU of interface \"{}\" to {mtu}", link.name))
    }

    /// Sets the Ethernet address of a link.
    ///
    /// # Errors
    /// When the link's kind does not allow it or the kernel refuses.
    pub fn set_mac(&self, link: &Link, mac: Mac) -> Result<(), NetError> {
        let message = LinkUnspec::new_with_index(link.index).address(mac.0.to_vec()).build();
        let request = self.handle().link().set(message).execute();
        self.wait(request, || format!("set the MAC of interface \"{}\" to {mac}", link.name))
    }

    /// Makes a link a port of a bridge.
    ///
    /// # Errors
    /// When the links do not allow it or the kernel refuses.
    pub fn attach(&self, link: &Link, bridge: &Link) -> Result<(), NetError> {
        let message = LinkUnspec::new_with_index(link.index).controller(bridge.index).build();
        let request = self.handle().link().set(message).execute();
        self.wait(request, || {
            format!("attach interface \"{}\" to bridge \"{}\"", link.name, bridge.name)
        })
    }

    /// Moves a link to another namespace; `to` names it in errors.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn move_link(&self, link: &Link, namespace: &File, to: &str) -> Result<(), NetError> {
        let message =
            LinkUnspec::new_with_index(link.index).setns_by_fd(namespace.as_raw_fd()).build();
        let request = self.handle().link().set(message).execute();
        self.wait(request, || format!("move interface \"{}\" to {to}", link.name))
    }

    /// Takes a port out of its bridge.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn detach(&self, link: &Link) -> Result<(), NetError> {
        let message = LinkUnspec::new_with_index(link.index).nocontroller().build();
        let request = self.handle().link().set(message).execute();
        self.wait(request, || format!("detach interface \"{}\" from its bridge", link.name))
    }

    /// Deletes a link; of a cable, both ends.
    ///
    /// # Errors
    /// [`NetError::NoLink`], or when the kernel refuses.
    pub fn delete_link(&self, name: &str) -> Result<(), NetError> {
        let link = self.link(name)?;
        let request = self.handle().link().del(link.index).execute();
        self.wait(request, || format!("delete interface \"{name}\""))
    }
}

impl Link {
    /// Whether it is of this kind ([`BRIDGE`], [`VETH`], …).
    pub fn is(&self, kind: &str) -> bool {
        self.kind.as_deref() == Some(kind)
    }

    /// Whether it is on and its far end is up, in a word.
    pub fn condition(&self) -> &'static str {
        match (self.up, self.carrier) {
            (false, _) => "off",
            (true, false) => "no carrier",
            (true, true) => "up",
        }
    }

    /// A link for tests: switched on, with a carrier, and with nothing else to tell it from others.
    #[cfg(test)]
    pub(crate) fn sample(index: u32, name: &str) -> Self {
        Self {
            index,
            name: name.to_owned(),
            mtu: 1500,
            up: true,
            state: "up".to_owned(),
            carrier: true,
            ..Self::default()
        }
    }
}
