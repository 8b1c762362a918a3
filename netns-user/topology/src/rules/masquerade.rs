//! Source translation.

use std::{collections::BTreeSet, fmt, net::Ipv4Addr, ops::RangeInclusive, str::FromStr};

use ipnet::Ipv4Net;
use schemars::JsonSchema;
use serde::{Serialize, Serializer};

use super::{
    list,
    mapping::{Filtering, Mapping, is_default},
    number_or_text,
};

/// Source translation: packets of `source` leave by `uplink` with the uplink's address as their
/// source.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, JsonSchema)]
pub struct MasqueradeRule {
    /// The network whose packets it translates, such as `"192.168.15.0/24"`.
    #[schemars(with = "String")]
    pub source: Ipv4Net,
    /// The uplink by which they leave; `None`: every uplink of the router.
    pub uplink: Option<String>,
    /// Destinations that are not translated: packets to them keep their source; `None`: it
    /// translates for every destination.
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    #[schemars(with = "BTreeSet<String>")]
    pub except: BTreeSet<Ipv4Net>,
    /// The new source; `None`: the address that the kernel chooses for the destination.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub to: Option<Ipv4Addr>,
    /// The largest segment that a TCP connection can announce, in bytes, or `"pmtu"` for the
    /// largest one that fits the MTUs; `None`: the announced size is not changed.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "number_or_text")]
    pub mss_clamp: Option<MssClamp>,
    /// Which external port an inside port is mapped to; `None`: `"address-and-port-dependent"`.
    #[serde(skip_serializing_if = "is_default")]
    pub mapping: Mapping,
    /// Which remotes can open a connection to an endpoint-independent mapping; `None`:
    /// `"address-and-port-dependent"`.
    #[serde(skip_serializing_if = "is_default")]
    pub filtering: Filtering,
}

/// The largest segment size that a TCP connection can announce (RFC 9293 section 3.7.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum MssClamp {
    /// The largest size that fits the uplink and the namespace's cable.
    PathMtu,
    /// A number of bytes in [`MssClamp::BYTES`].
    Bytes(u16),
}

impl MssClamp {
    /// Linux accepts no size below 88. With more than 65,495, an IPv4 packet has no room for its
    /// headers.
    pub const BYTES: RangeInclusive<u16> = 88..=65_495;

    /// The word for [`MssClamp::PathMtu`].
    pub const PATH_MTU: &str = "pmtu";
}

impl MasqueradeRule {
    /// A rule without exceptions, with the address that the kernel chooses.
    pub fn new(source: Ipv4Net, uplink: Option<String>) -> Self {
        Self {
            source,
            uplink,
            except: BTreeSet::new(),
            to: None,
            mss_clamp: None,
            mapping: Mapping::default(),
            filtering: Filtering::default(),
        }
    }
}

impl fmt::Display for MasqueradeRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "masquerade {} out of ", self.source)?;
        f.write_str(self.uplink.as_deref().unwrap_or("any uplink"))?;
        if let Some(to) = self.to {
            write!(f, " as {to}")?;
        }
        if !self.except.is_empty() {
            write!(f, " except to {}", list(&self.except))?;
        }
        if let Some(clamp) = self.mss_clamp {
            write!(f, ", mss {clamp}")?;
        }
        if self.mapping == Mapping::EndpointIndependent {
            write!(f, ", {} mapping, {} filtering", self.mapping, self.filtering)?;
        }
        Ok(())
    }
}

impl fmt::Display for MssClamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::PathMtu => f.write_str(Self::PATH_MTU),
            Self::Bytes(bytes) => bytes.fmt(f),
        }
    }
}

impl FromStr for MssClamp {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text == Self::PATH_MTU {
            return Ok(Self::PathMtu);
        }
        let bytes = text.parse().ok().filter(|bytes| Self::BYTES.contains(bytes));
        bytes.map(Self::Bytes).ok_or_else(|| {
            let (least, most) = (Self::BYTES.start(), Self::BYTES.end());
            format!(
                "\"{text}\" is not a segment size: write {least} to {most}, or \"{}\"",
                Self::PATH_MTU
            )
        })
    }
}

/// A number of bytes is written as a number.
impl Serialize for MssClamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::PathMtu => serializer.serialize_str(Self::PATH_MTU),
            Self::Bytes(bytes) => serializer.serialize_u16(*bytes),
        }
    }
}
