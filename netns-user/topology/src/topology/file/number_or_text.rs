//! Keys that take a number, or text for what one number cannot express.

use std::fmt;

use schemars::json_schema;
use serde::{
    Deserialize, Deserializer,
    de::{Error, Visitor},
};

use super::values::inline_schema;
use crate::rules::MssClamp;

/// How the parser's errors name the values of [`PortsFile`].
pub(crate) const PORTS: &str = "a port or several, as \"8000-8099\"";

/// How the parser's errors name the values of [`MssClampFile`].
pub(crate) const MSS_CLAMP: &str = "a number of bytes or \"pmtu\"";

/// A number or text.
#[derive(Debug, Clone)]
pub(crate) enum NumberOrText {
    Number(i64),
    Text(String),
}

/// The ports of a forward.
#[derive(Debug, Clone)]
pub(crate) struct PortsFile(pub(crate) NumberOrText);

/// The largest TCP segment of a masquerade.
#[derive(Debug, Clone)]
pub(crate) struct MssClampFile(pub(crate) NumberOrText);

impl fmt::Display for NumberOrText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Number(number) => number.fmt(f),
            Self::Text(text) => text.fmt(f),
        }
    }
}

/// Reads a number or text, and says in errors what is expected.
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

impl<'de> Deserialize<'de> for PortsFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NumberOrTextVisitor(PORTS)).map(Self)
    }
}

impl<'de> Deserialize<'de> for MssClampFile {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(NumberOrTextVisitor(MSS_CLAMP)).map(Self)
    }
}

inline_schema!(PortsFile, |_generator| {
    json_schema!({
        "anyOf": [
            { "type": "integer", "minimum": 1, "maximum": u16::MAX },
            { "type": "string", "pattern": "^[0-9]+(-[0-9]+)?$", "examples": ["8000-17999"] },
        ],
    })
});

inline_schema!(MssClampFile, |_generator| {
    let bytes = MssClamp::BYTES;
    json_schema!({
        "anyOf": [
            { "type": "integer", "minimum": bytes.start(), "maximum": bytes.end() },
            { "const": MssClamp::PATH_MTU },
        ],
    })
});
