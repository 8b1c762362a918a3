//! From text to [`TopologyFile`], and the parser's complaints in plain words.

use serde::Deserialize as _;
use toml::de::DeTable;

use super::{
    choices::{ADDRESSES, GATEWAY, MSS_CLAMP, PORTS, ROUTERS},
    error::Fault,
    file::TopologyFile,
    mend::{Complaint, Patient},
    names::nearest,
};

/// How often a document is mended and read again: each time all of it is read.
const ROUNDS: usize = 100;

/// Reads the file as far as it can be read, past all faults. What is returned besides the faults
/// can be checked further.
pub(super) fn read(text: &str, faults: &mut Vec<Fault>) -> Option<TopologyFile> {
    let document = match DeTable::parse(text) {
        Ok(document) => document,
        Err(error) => {
            faults.push(Fault::new(error.span().unwrap_or(0..0), explain(error.message())));
            return None;
        }
    };
    let mut patient = Patient::new(document);
    let mut is_complete = true;
    for _ in 0..ROUNDS {
        let error = match TopologyFile::deserialize(toml::Deserializer::from(patient.document())) {
            // Without what was taken away, what refers to it would be at fault as well.
            Ok(file) => return is_complete.then_some(file),
            Err(error) => error,
        };
        let span = error.span().unwrap_or(0..0);
        let complaint = complaint(error.message());
        is_complete &= matches!(complaint, Complaint::Unknown { .. });
        if patient.is_of_file(complaint, &span) {
            faults.push(Fault::new(span.clone(), explain(error.message())));
        }
        if !patient.mend(complaint, &span) {
            break;
        }
    }
    None
}

fn complaint(message: &str) -> Complaint<'_> {
    match Quoted::of(message) {
        Quoted::Unknown { key, known } => {
            Complaint::Unknown { key, meant: nearest(key, known.into_iter()) }
        }
        Quoted::Missing(key) => Complaint::Missing(key),
        Quoted::Nothing => Complaint::Value,
    }
}

fn explain(message: &str) -> String {
    match Quoted::of(message) {
        Quoted::Unknown { key, known } => match nearest(key, known.iter().copied()) {
            Some(near) => format!("unknown key \"{key}\": did you mean \"{near}\"?"),
            None => format!("unknown key \"{key}\": known here are {}", known.join(", ")),
        },
        Quoted::Missing(key) => format!("the key \"{key}\" is missing here: add it"),
        Quoted::Nothing => wrong_type(message).unwrap_or_else(|| message.replace('\n', " ")),
    }
}

/// The keys that a message of the parser's is about.
enum Quoted<'m> {
    Unknown { key: &'m str, known: Vec<&'m str> },
    Missing(&'m str),
    Nothing,
}

impl<'m> Quoted<'m> {
    /// The parser has keys in backquotes: `unknown field X, expected one of A, B`.
    fn of(message: &'m str) -> Self {
        let mut quoted = message.split('`').skip(1).step_by(2);
        match quoted.next() {
            Some(key) if message.starts_with("unknown field") => {
                Self::Unknown { key, known: quoted.collect() }
            }
            Some(key) if message.starts_with("missing field") => Self::Missing(key),
            _ => Self::Nothing,
        }
    }
}

/// The parser names types as Rust does: `invalid type: string "80", expected i64`.
fn wrong_type(message: &str) -> Option<String> {
    let (found, expected) = message.strip_prefix("invalid type: ")?.split_once(", expected ")?;
    let (what, value) = found.split_once(' ').unwrap_or((found, ""));
    let value = value.trim_matches('`');
    let found = match what {
        "string" => format!("{value} is text"),
        "integer" => format!("{value} is a number"),
        "boolean" => format!("{value} is true or false"),
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
        ROUTERS => "write a table, with keys",
        PORTS => "write a port, or several in quotes, as \"8000-8099\"",
        MSS_CLAMP => "write a number of bytes, or \"pmtu\"",
        GATEWAY => "write an address in quotes, or false for no default route",
        table if table.starts_with("struct ") || table == "a map" => "write a table, with keys",
        _ => return None,
    };
    Some(format!("{found}: {wanted}"))
}
