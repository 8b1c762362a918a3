//! All output to standard output and standard error. It passes through [`guarded`], and colours are
//! written only to a terminal that supports them.

use std::{
    fmt,
    io::{self, BufWriter, Stdout, Write},
};

use super::{
    guarded,
    visible::{is_plain, text_of_bytes},
};

/// Standard output. A line is written once it is complete, or on a flush.
#[must_use]
pub fn stdout() -> Guarded<impl Write> {
    #[expect(clippy::disallowed_methods, reason = "this is the one place")]
    Guarded::new(anstream::stdout())
}

/// Standard output for JSON, which has neither styles nor control characters
/// ([`super::write_json`]). The caller must flush it.
#[must_use]
pub fn json_stdout() -> BufWriter<Stdout> {
    BufWriter::new(io::stdout())
}

/// Writes a line to standard error. An error of the write is ignored, since a lost message must not
/// make the command fail.
pub fn tell(text: fmt::Arguments<'_>) {
    #[expect(clippy::disallowed_methods, reason = "this is the one place")]
    let mut out = Guarded::new(anstream::stderr());
    let _ = writeln!(out, "{text}").and_then(|()| out.flush());
}

/// [`print::tell`](tell) with a format string.
#[macro_export]
macro_rules! tell {
    ($($text:tt)*) => {
        $crate::output::tell(::std::format_args!($($text)*))
    };
}

/// A writer that passes lines and styles, and makes all other control characters visible.
#[derive(Debug)]
pub struct Guarded<W: Write> {
    out: W,
    /// Bytes that are not written yet: a character or a style may come in pieces.
    begun: Vec<u8>,
}

impl<W: Write> Guarded<W> {
    pub const fn new(out: W) -> Self {
        Self { out, begun: Vec::new() }
    }

    /// Moves the cursor to the beginning of the line, so that the line is overwritten.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn begin_line_again(&mut self) -> io::Result<()> {
        self.pass_on(self.begun.len())?;
        self.out.write_all(b"\r")
    }

    fn pass_on(&mut self, length: usize) -> io::Result<()> {
        let rest = self.begun.split_off(length);
        let bytes = std::mem::replace(&mut self.begun, rest);
        if bytes.split(|byte| *byte == b'\n').all(is_plain) {
            return self.out.write_all(&bytes);
        }
        self.out.write_all(guarded(&text_of_bytes(&bytes)).as_bytes())
    }
}

impl<W: Write> Write for Guarded<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let end = bytes.iter().rposition(|byte| *byte == b'\n').map(|last| last + 1);
        let begun = self.begun.len();
        self.begun.extend_from_slice(bytes);
        if let Some(end) = end {
            self.pass_on(begun + end)?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.pass_on(self.begun.len())?;
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::style::{GOOD, paint};

    fn written(write: impl FnOnce(&mut Guarded<&mut Vec<u8>>)) -> String {
        let mut bytes = Vec::new();
        write(&mut Guarded::new(&mut bytes));
        String::from_utf8(bytes).unwrap()
    }

    #[test]
    fn characters_and_styles_that_come_in_pieces_are_put_together() {
        let line = format!("{} ä\n", paint(GOOD, "ok"));
        let text = written(|out| {
            line.bytes().for_each(|byte| out.write_all(&[byte]).unwrap());
        });
        assert_eq!(text, line);
    }

    #[test]
    fn control_characters_do_not_get_through() {
        let text = written(|out| {
            writeln!(out, "ev\u{1b}]0;PWN\u{7}il").unwrap();
            out.write_all(b"\xff\x1b").unwrap();
            out.flush().unwrap();
        });
        assert_eq!(text, "ev\\x1b]0;PWN\\x07il\n\\xff\\x1b");
    }
}
