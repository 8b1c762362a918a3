//! Keys of the topology file that can be written in two ways.

use std::{fmt, ops::Range};

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer},
};
use toml::Spanned;

use super::file::{RouterFile, Text};

/// What the parser says is wanted where [`RoutersFile`] is.
pub(super) const ROUTERS: &str = "a table or several";

/// What the parser says is wanted where [`GatewayFile`] is.
pub(super) const GATEWAY: &str = "an address or false";

/// `[router]`, or any number of `[[router]]`. No untagged enum: it would lose positions and the
/// names of unknown keys.
#[derive(Debug, Default)]
pub(super) struct RoutersFile(pub(super) Vec<Spanned<RouterFile>>);

impl<'de> Deserialize<'de> for RoutersFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrMany;

        impl<'de> Visitor<'de> for OneOrMany {
            type Value = RoutersFile;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(ROUTERS)
            }

            /// A table by itself has no position here, and needs none: what can be wrong with
            /// the place of a router is wrong only with the second and later ones.
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                let router = RouterFile::deserialize(MapAccessDeserializer::new(map))?;
                Ok(RoutersFile(vec![Spanned::new(0..0, router)]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut routers = Vec::new();
                while let Some(router) = seq.next_element()? {
                    routers.push(router);
                }
                Ok(RoutersFile(routers))
            }
        }

        deserializer.deserialize_any(OneOrMany)
    }
}

/// Where a default route leads: an address, or `false` for no default route.
#[derive(Debug)]
pub(super) enum GatewayFile {
    Address(String),
    None,
}

impl<'de> Deserialize<'de> for GatewayFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AddressOrFalse;

        impl Visitor<'_> for AddressOrFalse {
            type Value = GatewayFile;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(GATEWAY)
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(GatewayFile::Address(text.to_owned()))
            }

            fn visit_bool<E: Error>(self, value: bool) -> Result<Self::Value, E> {
                if value {
                    return Err(E::custom(
                        "`true` is no gateway: write its address in quotes, leave it out for the \
                         bridge's address, or write false for no default route",
                    ));
                }
                Ok(GatewayFile::None)
            }
        }

        deserializer.deserialize_any(AddressOrFalse)
    }
}

/// What the parser says is wanted where [`AddressesFile`] is.
pub(super) const ADDRESSES: &str = "an address or several";

/// The addresses of an uplink: one, or a list of which the first is the primary.
#[derive(Debug)]
pub(super) struct AddressesFile {
    pub(super) texts: Vec<Text>,
    /// The place of the whole value: an empty list has no text with a position.
    pub(super) span: Range<usize>,
}

impl<'de> Deserialize<'de> for AddressesFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        /// One text, which has no position by itself, or several.
        enum Addresses {
            One(String),
            Many(Vec<Text>),
        }

        impl<'de> Deserialize<'de> for Addresses {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                deserializer.deserialize_any(OneOrMany)
            }
        }

        struct OneOrMany;

        impl<'de> Visitor<'de> for OneOrMany {
            type Value = Addresses;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(ADDRESSES)
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(Addresses::One(text.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Self::Value, A::Error> {
                let mut texts = Vec::new();
                while let Some(text) = seq.next_element()? {
                    texts.push(text);
                }
                Ok(Addresses::Many(texts))
            }
        }

        let value = Spanned::<Addresses>::deserialize(deserializer)?;
        let span = value.span();
        let texts = match value.into_inner() {
            Addresses::One(text) => vec![Spanned::new(span.clone(), text)],
            Addresses::Many(texts) => texts,
        };
        Ok(Self { texts, span })
    }
}

/// What the parser says is wanted where [`PortsFile`] is.
pub(super) const PORTS: &str = "a port or several, as \"8000-8099\"";

/// What the parser says is wanted where [`MssClampFile`] is.
pub(super) const MSS_CLAMP: &str = "a number of bytes or \"pmtu\"";

/// A number, or text that says more than one number can.
#[derive(Debug, Clone)]
pub(super) enum NumberOrText {
    Number(i64),
    Text(String),
}

impl fmt::Display for NumberOrText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => text.fmt(f),
        }
    }
}

struct NumberOrTextVisitor(&'static str);

impl Visitor<'_> for NumberOrTextVisitor {
    type Value = NumberOrText;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(NumberOrText::Text(text.to_owned()))
    }

    fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
        Ok(NumberOrText::Number(number))
    }
}

/// The ports of a forward.
#[derive(Debug, Clone)]
pub(super) struct PortsFile(pub(super) NumberOrText);

impl<'de> Deserialize<'de> for PortsFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NumberOrTextVisitor(PORTS)).map(Self)
    }
}

/// The largest TCP segment of a masquerade.
#[derive(Debug, Clone)]
pub(super) struct MssClampFile(pub(super) NumberOrText);

impl<'de> Deserialize<'de> for MssClampFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NumberOrTextVisitor(MSS_CLAMP)).map(Self)
    }
}
