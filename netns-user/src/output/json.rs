//! `--json`: the same facts for a program to read.

use serde::Serialize;

/// `value` as indented JSON, with a final newline.
pub fn to_json(value: &impl Serialize) -> serde_json::Result<String> {
    Ok(serde_json::to_string_pretty(value)? + "\n")
}
