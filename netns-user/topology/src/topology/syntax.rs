//! From text to [`TopologyFile`], and the parser's errors in plain words.

use std::ops::RangeInclusive;

use serde::Deserialize as _;
use toml::de::DeTable;

use super::{
    error::Fault,
    file::{ADDRESSES, GATEWAY, MSS_CLAMP, PORTS, PROTOCOLS, ROUTERS, TopologyFile},
    foreign,
    recover::{ParserError, Recovery},
    shape,
    suggestion::meant,
    toml_faults,
};

/// How often recovery is tried in a large file, and at most in a small one: each time the whole
/// document is read again.
const ROUNDS: RangeInclusive<usize> = 100..=10_000;

/// Bytes that are read for recovery before it is given up.
const RECOVERED: usize = 10_000_000;

/// The result of reading a text.
pub(super) struct Reading {
    /// The file where the only faults are unknown keys and tables in place of lists: such a file
    /// can be checked further.
    pub(super) file: Option<TopologyFile>,
    /// Whether the text was searched to its end.
    pub(super) is_whole: bool,
}

/// Reads the file and recovers from faults.
pub(super) fn read(text: &str, faults: &mut Vec<Fault>) -> Reading {
    let repaired;
    let (mut document, is_toml) = match DeTable::parse(text) {
        Ok(document) => (document, true),
        Err(error) => {
            if let Some(fault) = foreign::yaml(text) {
                faults.push(fault);
                return Reading { file: None, is_whole: true };
            }
            let Some(rest) = toml_faults::find(text, &error, faults) else {
                return Reading { file: None, is_whole: false };
            };
            repaired = rest;
            (toml_faults::read(&repaired, faults), false)
        }
    };
    shape::check(document.get_mut(), faults);
    let mut recovery = Recovery::new(document);
    let mut is_complete = is_toml;
    let rounds = RECOVERED / text.len().max(1);
    for _ in 0..rounds.clamp(*ROUNDS.start(), *ROUNDS.end()) {
        let error = match TopologyFile::deserialize(toml::Deserializer::from(recovery.document())) {
            // References to what was removed would be reported as faults too.
            Ok(file) => {
                return Reading { file: is_complete.then_some(file), is_whole: is_complete };
            }
            Err(error) => error,
        };
        let span = error.span().unwrap_or(0..0);
        let parser_error = parser_error(error.message());
        is_complete &= matches!(parser_error, ParserError::UnknownKey { .. });
        // A key that seems to be missing may be in the part that could not be read.
        let is_known = is_toml || !matches!(parser_error, ParserError::MissingKey(_));
        if is_known && recovery.is_of_file(&parser_error, &span) {
            let message = explain(&parser_error, error.message(), &text[span.end..]);
            faults.push(Fault::new(span.clone(), message));
        }
        if !recovery.recover(&parser_error, &span) {
            return Reading { file: None, is_whole: false };
        }
    }
    Reading { file: None, is_whole: false }
}

/// The kind of an error, by the parser's message. The message has keys in backquotes: `unknown
/// field X, expected one of A, B`.
fn parser_error(message: &str) -> ParserError<'_> {
    let mut quoted = message.split('`').skip(1).step_by(2);
    match quoted.next() {
        Some(key) if message.starts_with("unknown field") => {
            ParserError::UnknownKey { key, known: quoted.collect() }
        }
        Some(key) if message.starts_with("missing field") => ParserError::MissingKey(key),
        _ => ParserError::WrongValue,
    }
}

/// The parser's error in plain words. `behind` is the text behind its place.
fn explain(error: &ParserError<'_>, message: &str, behind: &str) -> String {
    match error {
        ParserError::UnknownKey { key, known } if foreign::is_key(key) => {
            format!("unknown key \"{key}\": {}", foreign::instead_of(key, known, behind))
        }
        ParserError::UnknownKey { key, known } => match meant(key, known.iter().copied()) {
            Some(near) => format!("unknown key \"{key}\": did you mean \"{near}\"?"),
            None => format!("unknown key \"{key}\": the keys here are {}", known.join(", ")),
        },
        ParserError::MissingKey(key) => format!("the key \"{key}\" is missing here: add it"),
        ParserError::WrongValue => {
            wrong_type(message).unwrap_or_else(|| message.replace('\n', " "))
        }
    }
}

/// Explains a value of the wrong type. The parser's message names types as Rust does: `invalid
/// type: string "80", expected i64`.
fn wrong_type(message: &str) -> Option<String> {
    let (found, expected) = message.strip_prefix("invalid type: ")?.split_once(", expected ")?;
    let (kind, value) = found.split_once(' ').unwrap_or((found, ""));
    let value = value.trim_matches('`');
    let found = match kind {
        "string" => format!("{value} is text"),
        "integer" => format!("{value} is a number"),
        "boolean" => format!("{value} is a boolean"),
        "floating" => format!("{} is a fraction", value.trim_start_matches("point `")),
        "sequence" => "this is a list".into(),
        "map" => "this is a table".into(),
        _ => return None,
    };
    let wanted = match expected {
        "i64" => "write a number without quotes",
        "a boolean" => "write true or false, without quotes",
        "a string" => "write text in quotes",
        "a sequence" => "write a list, in [ ]",
        ADDRESSES => "write an address in quotes, or a list of them in [ ]",
        PROTOCOLS => "write a protocol in quotes, as \"tcp\", or a list of them in [ ]",
        ROUTERS => "write a table, with keys",
        PORTS => "write a port, or several in quotes, as \"8000-8099\"",
        MSS_CLAMP => "write a number of bytes, or \"pmtu\"",
        GATEWAY => "write an address in quotes, or false for no default route",
        table if table.starts_with("struct ") || table == "a map" => "write a table, with keys",
        _ => return None,
    };
    Some(format!("{found}: {wanted}"))
}
