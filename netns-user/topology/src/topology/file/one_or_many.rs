//! Keys that take one value or a list of values. Untagged enums of serde would lose the positions
//! of values and the names of unknown keys.

use std::{fmt, marker::PhantomData, ops::Range};

use schemars::json_schema;
use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer},
};
use toml::Spanned;

use super::{
    routers::RouterFile,
    values::{self, Subnet, Text, inline_schema},
};

/// How the parser's errors name the values of [`RoutersFile`].
pub(crate) const ROUTERS: &str = "a table or several";

/// How the parser's errors name the values of [`AddressesFile`].
pub(crate) const ADDRESSES: &str = "an address or several";

/// How the parser's errors name the values of [`ProtocolsFile`].
pub(crate) const PROTOCOLS: &str = "a protocol or several";

/// `[router]`, or any number of `[[router]]`.
#[derive(Debug, Default)]
pub(crate) struct RoutersFile(pub(crate) Vec<Spanned<RouterFile>>);

/// A text or a list of texts.
#[derive(Debug)]
pub(crate) struct TextsFile<K> {
    pub(crate) texts: Vec<Text>,
    /// The position of the whole value: an empty list has no text with a position.
    pub(crate) span: Range<usize>,
    kind: PhantomData<K>,
}

/// The addresses of an uplink: one, or a list of which the first is the primary address.
pub(crate) type AddressesFile = TextsFile<Addresses>;

/// The protocols of a forward.
pub(crate) type ProtocolsFile = TextsFile<Protocols>;

/// The kind of value that the texts of a list are.
pub(crate) trait Kind {
    /// How the parser's errors name the values.
    const EXPECTED: &'static str;
}

#[derive(Debug)]
pub(crate) struct Addresses;

#[derive(Debug)]
pub(crate) struct Protocols;

impl Kind for Addresses {
    const EXPECTED: &'static str = ADDRESSES;
}

impl Kind for Protocols {
    const EXPECTED: &'static str = PROTOCOLS;
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

/// One text, which has no position of its own, or several.
enum Texts<K> {
    One(String, PhantomData<K>),
    Many(Vec<Text>),
}

struct TextsVisitor<K>(PhantomData<K>);

impl<'de, K: Kind> Visitor<'de> for TextsVisitor<K> {
    type Value = Texts<K>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(K::EXPECTED)
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Texts::One(text.to_owned(), PhantomData))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
        elements(seq).map(Texts::Many)
    }
}

impl<'de, K: Kind> Deserialize<'de> for Texts<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(TextsVisitor(PhantomData))
    }
}

impl<'de, K: Kind> Deserialize<'de> for TextsFile<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Spanned::<Texts<K>>::deserialize(deserializer)?;
        let span = value.span();
        let texts = match value.into_inner() {
            Texts::One(text, _) => vec![Spanned::new(span.clone(), text)],
            Texts::Many(texts) => texts,
        };
        Ok(Self { texts, span, kind: PhantomData })
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

inline_schema!(ProtocolsFile, |generator| {
    let protocols = generator.subschema_for::<values::Protocols>();
    json_schema!({
        "anyOf": [protocols, { "type": "array", "items": protocols, "minItems": 1 }],
    })
});
