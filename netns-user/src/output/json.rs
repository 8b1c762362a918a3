//! `--json`: results for programs.

use std::io::{self, Write};

use serde::{Serialize, Serializer};

use super::visible::is_unsafe;

/// Writes `value` as indented JSON, with a final newline. Strings are complete; control characters
/// in them are escaped, as in `\u001b`.
///
/// # Errors
/// When it cannot be written.
pub fn write_json(out: impl Write, value: &impl Serialize) -> io::Result<()> {
    let mut out = Safe(out);
    serde_json::to_writer_pretty(&mut out, value)?;
    writeln!(out)
}

/// The same as text.
///
/// # Errors
/// When the value cannot be JSON.
pub fn to_json(value: &impl Serialize) -> io::Result<String> {
    let mut text = Vec::new();
    write_json(&mut text, value)?;
    Ok(String::from_utf8_lossy(&text).into_owned())
}

/// Writes `value` as JSON on one line.
///
/// # Errors
/// When it cannot be written.
pub fn write_json_line(out: impl Write, value: &impl Serialize) -> io::Result<()> {
    let mut out = Safe(out);
    serde_json::to_writer(&mut out, value)?;
    writeln!(out)
}

/// An array whose items are made while it is written, so that they are never all in memory.
#[derive(Debug)]
pub struct Items<F>(pub F);

impl<F, I> Serialize for Items<F>
where
    F: Fn() -> I,
    I: IntoIterator<Item: Serialize>,
{
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_seq((self.0)())
    }
}

/// A writer of JSON that escapes the characters that `serde_json` leaves as they are. Outside of
/// strings, JSON is ASCII.
struct Safe<W>(W);

impl<W: Write> Write for Safe<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        // Nearly all text is ASCII, of which `serde_json` escapes all control characters but DEL.
        if bytes.is_ascii() && !bytes.contains(&b'\x7f') {
            self.0.write_all(bytes)?;
            return Ok(bytes.len());
        }
        // `serde_json` writes strings in pieces of whole characters.
        let text = str::from_utf8(bytes).map_err(io::Error::other)?;
        let mut done = 0;
        for (place, c) in text.char_indices().filter(|(_, c)| *c != '\n' && is_unsafe(*c)) {
            self.0.write_all(&bytes[done..place])?;
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(self.0, "\\u{unit:04x}")?;
            }
            done = place + c.len_utf8();
        }
        self.0.write_all(&bytes[done..])?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn strings_are_complete_and_safe_on_a_terminal() {
        let name = "ev\u{1b}]0;\u{7f}\u{9b}\u{202e}\u{e0001}\n\"ä";
        let mut line = Vec::new();
        write_json_line(&mut line, &[name]).unwrap();
        for text in [to_json(&[name]).unwrap(), String::from_utf8(line).unwrap()] {
            assert!(!text.contains(|c| c != '\n' && is_unsafe(c)), "{text}");
            assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), json!([name]));
        }
    }

    #[test]
    fn an_array_whose_items_are_made_one_by_one_is_the_same() {
        for items in [vec![], vec![json!({"a": [1, 2], "b": {}})], vec![json!(1), json!("\u{1b}")]]
        {
            assert_eq!(to_json(&Items(|| &items)).unwrap(), to_json(&items).unwrap());
        }
    }
}
