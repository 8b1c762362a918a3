//! From text to [`TopologyFile`], and the parser's complaints in plain words.

use super::{error::Fault, file::TopologyFile};

/// How alike (0 to 1, Jaro-Winkler) a known key must be to be what was meant.
const SIMILAR: f64 = 0.7;

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
            let best = known
                .iter()
                .map(|key| (strsim::jaro_winkler(unknown, key), *key))
                .max_by(|(one, _), (other, _)| one.total_cmp(other));
            match best {
                Some((similarity, key)) if similarity >= SIMILAR => {
                    format!("unknown key \"{unknown}\": did you mean \"{key}\"?")
                }
                _ => format!("unknown key \"{unknown}\": known here are {}", known.join(", ")),
            }
        }
        Some(missing) if message.starts_with("missing field") => {
            format!("the key \"{missing}\" is missing here: add it")
        }
        _ => message.replace('\n', " "),
    }
}
