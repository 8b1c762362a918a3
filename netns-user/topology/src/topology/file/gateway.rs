//! The gateway of a namespace: an address, or `false` for no default route.

use std::fmt;

use schemars::json_schema;
use serde::{
    Deserialize, Deserializer,
    de::{Error, Visitor},
};

use super::values::{Address, inline_schema};

/// How the parser's errors name the values of [`GatewayFile`].
pub(crate) const GATEWAY: &str = "an address or false";

/// The target of a default route.
#[derive(Debug)]
pub(crate) enum GatewayFile {
    Address(String),
    /// `false`: no default route.
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
                        "`true` is not a gateway: write its address in quotes, leave the key out \
                         for the address of the bridge, or write false for no default route",
                    ));
                }
                Ok(GatewayFile::None)
            }
        }

        deserializer.deserialize_any(AddressOrFalse)
    }
}

inline_schema!(GatewayFile, |generator| {
    let address = generator.subschema_for::<Address>();
    json_schema!({ "anyOf": [address, { "const": false }] })
});
