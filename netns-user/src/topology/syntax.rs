//! From text to [`TopologyFile`], and the parser's complaints in plain words.

use super::{
    choices::{GATEWAY, MSS_CLAMP, PORTS, ROUTERS},
    error::Fault,
    file::TopologyFile,
    names::nearest,
};

pub(super) fn read(text: &str) -> Result<TopologyFile, Fault> {
    toml::from_str(text).map_err(|error| {
        let span = error.span().unwrap_or(0..0);
        Fault::new(span, explain(error.message()))
    })
}

/// The parser lists known keys in backquotes: `unknown field X, expected one of A, B`.
fn explain(message: &str) -> String {
    let mut quoted = message.split('`').skip(1).step_by(2);
    match quoted.next() {
        Some(unknown) if message.starts_with("unknown field") => {
            let known: Vec<&str> = quoted.collect();
            match nearest(unknown, known.iter().copied()) {
                Some(key) => format!("unknown key \"{unknown}\": did you mean \"{key}\"?"),
                None => format!("unknown key \"{unknown}\": known here are {}", known.join(", ")),
            }
        }
        Some(missing) if message.starts_with("missing field") => {
            format!("the key \"{missing}\" is missing here: add it")
        }
        _ => wrong_type(message).unwrap_or_else(|| message.replace('\n', " ")),
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
        ROUTERS => "write a table, with keys",
        PORTS => "write a port, or several in quotes, as \"8000-8099\"",
        MSS_CLAMP => "write a number of bytes, or \"pmtu\"",
        GATEWAY => "write an address in quotes, or false for no default route",
        table if table.starts_with("struct ") || table == "a map" => "write a table, with keys",
        _ => return None,
    };
    Some(format!("{found}: {wanted}"))
}
