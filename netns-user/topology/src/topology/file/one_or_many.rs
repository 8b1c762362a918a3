//! Keys that take one value or a list of values. Untagged enums of serde would lose the positions
//! of values and the names of unknown keys.

use std::{fmt, ops::Range};

use schemars::json_schema;
use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer},
};
use toml::Spanned;

use super::{
    routers::RouterFile,
    values::{Subnet, Text, inline_schema},
};

/// How the parser's errors name the values of [`RoutersFile`].
pub(crate) const ROUTERS: &str = "a table or several";

/// How the parser's errors name the values of [`AddressesFile`].
pub(crate) const ADDRESSES: &str = "an address or several";

/// `[router]`, or any number of `[[router]]`.
#[derive(Debug, Default)]
pub(crate) struct RoutersFile(pub(crate) Vec<Spanned<RouterFile>>);

/// The addresses of an uplink: one, or a list of which the first is the primary address.
#[derive(Debug)]
pub(crate) struct AddressesFile {
    pub(crate) texts: Vec<Text>,
    /// The position of the whole value: an empty list has no text with a position.
    pub(crate) span: Range<usize>,
}

impl<'de> Deserialize<'de> for RoutersFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrMany;

        impl<'de> Visitor<'de> for OneOrMany {
            type Value = RoutersFile;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(ROUTERS)
            }

            /// A single table has no position here. None is needed: only the second and later
            /// routers can be in a wrong position.
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
                let router = RouterFile::deserialize(MapAccessDeserializer::new(map))?;
                Ok(RoutersFile(vec![Spanned::new(0..0, router)]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
                elements(seq).map(RoutersFile)
            }
        }

        deserializer.deserialize_any(OneOrMany)
    }
}

impl<'de> Deserialize<'de> for AddressesFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        /// One text, which has no position of its own, or several.
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

            fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
                elements(seq).map(Addresses::Many)
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

/// The elements of a list, each with its position.
fn elements<'de, T: Deserialize<'de>, A: SeqAccess<'de>>(mut seq: A) -> Result<Vec<T>, A::Error> {
    let mut elements = Vec::new();
    while let Some(element) = seq.next_element()? {
        elements.push(element);
    }
    Ok(elements)
}

inline_schema!(RoutersFile, |generator| {
    let router = generator.subschema_for::<RouterFile>();
    json_schema!({ "anyOf": [router, { "type": "array", "items": router }] })
});

inline_schema!(AddressesFile, |generator| {
    let address = generator.subschema_for::<Subnet>();
    json_schema!({
        "anyOf": [
            address,
            { "type": "array", "items": address, "minItems": 1, "uniqueItems": true },
        ],
    })
});
