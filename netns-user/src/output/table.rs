//! Tables like those of `iptables -nvL`: aligned columns without lines.

use std::{
    borrow::Cow,
    io::{self, IsTerminal as _, Write},
    ops::Range,
};

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::{escaped, visible::is_plain};

/// Blanks between two columns.
const GAP: usize = 2;
/// The indentation of the second and further lines of a row.
const INDENT: &str = "  ";
/// A long last column stays on the line if at least so many characters of it fit.
const USEFUL: usize = 24;

/// The headers and rows, without trailing blanks, with a final newline.
///
/// A column of figures (digits, perhaps with a fraction and a unit) is aligned to the right. On a
/// terminal, a last column that does not fit is cut; if the other columns do not fit either,
/// headers and rows take several lines. In a pipe, cells are complete and each row is one line.
/// Control characters in a cell are made visible.
pub fn table<R, C>(headers: &[&str], rows: impl IntoIterator<Item = R>) -> String
where
    R: IntoIterator<Item = C>,
    C: Into<String>,
{
    table_within(terminal_columns(), headers, rows)
}

/// Like [`table`], with a width in columns instead of the terminal's; `u16::MAX` is no limit.
pub fn table_within<R, C>(width: u16, headers: &[&str], rows: impl IntoIterator<Item = R>) -> String
where
    R: IntoIterator<Item = C>,
    C: Into<String>,
{
    let rows: Vec<Vec<String>> =
        rows.into_iter().map(|row| row.into_iter().map(Into::into).collect()).collect();
    let mut text = Vec::new();
    // Writing to memory cannot fail.
    let _ = write_within(&mut text, width, headers, || rows.iter());
    String::from_utf8_lossy(&text).into_owned()
}

/// Writes a table with many rows, without keeping their text in memory. `rows` is called twice: the
/// first time to find the widths of the columns.
///
/// # Errors
/// When it cannot be written.
pub fn write_table<R, C, I>(
    out: &mut impl Write,
    headers: &[&str],
    rows: impl Fn() -> I,
) -> io::Result<()>
where
    I: Iterator<Item = R>,
    R: IntoIterator<Item = C>,
    C: AsRef<str>,
{
    write_within(out, terminal_columns(), headers, rows)
}

/// The terminal's width; in a pipe there is no limit.
fn terminal_columns() -> u16 {
    let is_terminal = io::stdout().is_terminal();
    let size = is_terminal.then(|| crossterm::terminal::size().ok()).flatten();
    // A terminal that does not know its size, such as a serial console, reports 0.
    size.map(|(columns, _)| columns).filter(|columns| *columns > 0).unwrap_or(u16::MAX)
}

fn write_within<R, C, I>(
    out: &mut impl Write,
    width: u16,
    headers: &[&str],
    rows: impl Fn() -> I,
) -> io::Result<()>
where
    I: Iterator<Item = R>,
    R: IntoIterator<Item = C>,
    C: AsRef<str>,
{
    let mut columns: Vec<Column> = headers.iter().map(|header| Column::new(header)).collect();
    for row in rows() {
        for (column, cell) in columns.iter_mut().zip(row) {
            column.take_up(cell.as_ref());
        }
    }
    let lines = lines(&mut columns, width);
    let mut line = String::new();
    let mut write = |cells: &[Cow<'_, str>]| -> io::Result<()> {
        for (number, part) in lines.iter().enumerate() {
            line.clear();
            if number > 0 {
                line.push_str(INDENT);
            }
            for (place, index) in part.clone().enumerate() {
                let cell = cells.get(index).map_or("", Cow::as_ref);
                columns[index].push(&mut line, cell, place == 0);
            }
            line.truncate(line.trim_end().len());
            line.push('\n');
            out.write_all(line.as_bytes())?;
        }
        Ok(())
    };
    write(&headers.iter().map(|header| Cow::Borrowed(*header)).collect::<Vec<_>>())?;
    for row in rows() {
        let cells: Vec<C> = row.into_iter().collect();
        write(&cells.iter().map(|cell| escaped(cell.as_ref())).collect::<Vec<_>>())?;
    }
    Ok(())
}

/// The properties of a column.
#[derive(Debug)]
struct Column {
    width: usize,
    /// Whether a cell is not empty.
    has_cells: bool,
    has_words: bool,
}

impl Column {
    fn new(header: &str) -> Self {
        Self { width: header.width(), has_cells: false, has_words: false }
    }

    fn take_up(&mut self, cell: &str) {
        self.width = self.width.max(width_of(&escaped(cell)));
        self.has_cells |= !cell.is_empty();
        self.has_words |= !cell.is_empty() && !is_figure(cell);
    }

    const fn is_of_figures(&self) -> bool {
        self.has_cells && !self.has_words
    }

    /// Makes it narrower, unless it is a column of figures: a figure that is cut would be wrong.
    fn cut(&mut self, width: usize) {
        if self.width > width && !self.is_of_figures() {
            self.width = width;
        }
    }

    /// Adds a cell to a line.
    fn push(&self, line: &mut String, cell: &str, is_first: bool) {
        if !is_first {
            line.push_str(&" ".repeat(GAP));
        }
        let cell = if width_of(cell) > self.width {
            Cow::Owned(cut(cell, self.width))
        } else {
            cell.into()
        };
        let blanks = " ".repeat(self.width.saturating_sub(width_of(&cell)));
        if self.is_of_figures() {
            line.push_str(&blanks);
            line.push_str(&cell);
        } else {
            line.push_str(&cell);
            line.push_str(&blanks);
        }
    }
}

/// The ranges of columns that share a line.
fn lines(columns: &mut [Column], width: u16) -> Vec<Range<usize>> {
    let width = if width == u16::MAX { usize::MAX } else { width.into() };
    // The last column is cut first.
    let others =
        columns.split_last().map_or(0, |(_, others)| others.iter().map(|c| c.width + GAP).sum());
    if let Some(last) = columns.last_mut()
        && others + last.width.min(USEFUL) <= width
    {
        last.cut(width - others);
    }
    let mut starts = Vec::new();
    let mut used = 0;
    for (index, column) in columns.iter_mut().enumerate() {
        if index == 0 || used + GAP + column.width > width {
            let indent = if index == 0 { 0 } else { INDENT.len() };
            column.cut(width.saturating_sub(indent));
            used = indent + column.width;
            starts.push(index);
        } else {
            used += GAP + column.width;
        }
    }
    let ends = starts.iter().skip(1).copied().chain([columns.len()]);
    starts.iter().copied().zip(ends).map(|(start, end)| start..end).collect()
}

/// The width of a text on a terminal.
fn width_of(text: &str) -> usize {
    if is_plain(text.as_bytes()) { text.len() } else { text.width() }
}

/// `text`, cut with an ellipsis if it does not fit.
fn cut(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let mut room = width.saturating_sub(1);
    let kept = text.chars().take_while(|c| {
        let needed = c.width().unwrap_or(0);
        let fits = needed <= room;
        room = room.saturating_sub(needed);
        fits
    });
    kept.chain(['…']).collect()
}

/// Whether a cell is a figure: digits with at most one point and perhaps a unit, or a duration in
/// two units. An address is not a figure.
fn is_figure(cell: &str) -> bool {
    let unit = cell.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
    let number = &cell[..cell.len() - unit.len()];
    number.starts_with(|c: char| c.is_ascii_digit())
        && number.matches('.').count() <= 1
        && !unit.contains(['.', ':'])
        && unit.trim_start().len() <= 6
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn figures_stand_right_and_words_left() {
        let text = table_within(
            80,
            &["PKTS", "BYTES", "PROTO", "SOURCE"],
            [["9", "1.2 kB", "tcp", "192.168.15.2"], ["1200", "80 B", "icmp", "10.0.0.1"]],
        );
        assert_eq!(
            text,
            "\
PKTS   BYTES  PROTO  SOURCE
   9  1.2 kB  tcp    192.168.15.2
1200    80 B  icmp   10.0.0.1
"
        );
    }

    #[test]
    fn a_long_last_column_is_cut_and_the_others_are_not() {
        let rows = [["471", "python3 -m http.server --bind 192.168.15.2 80"], ["12", "sh"]];
        assert_eq!(
            table_within(32, &["PID", "COMMAND"], rows),
            "\
PID  COMMAND
471  python3 -m http.server --b…
 12  sh
"
        );
        let whole = table_within(u16::MAX, &["PID", "COMMAND"], rows);
        assert!(whole.contains("--bind 192.168.15.2 80\n"), "{whole}");
    }

    #[test]
    fn columns_that_do_not_fit_continue_on_the_next_line() {
        let path = "192.168.15.1:40000 > 192.168.1.1:80";
        let headers = ["PROTO", "STATE", "BEFORE", "AFTER", "PKTS"];
        let text = table_within(60, &headers, [["tcp", "ESTABLISHED", path, path, "9"]]);
        assert_eq!(
            text,
            "\
PROTO  STATE        BEFORE
  AFTER                                PKTS
tcp    ESTABLISHED  192.168.15.1:40000 > 192.168.1.1:80
  192.168.15.1:40000 > 192.168.1.1:80     9
"
        );
    }

    #[test]
    fn no_line_is_wider_than_the_terminal() {
        let rows =
            [["red", "äöü 网络命名空间 and so on and on", "1200", "a rather long text, too"]];
        for width in 8..90 {
            let text = table_within(width, &["NAME", "LINKS", "PKTS", "DETAIL"], rows);
            for line in text.lines() {
                assert!(line.width() <= width.into(), "{width}: {line}");
            }
        }
    }

    #[test]
    fn a_control_character_in_a_cell_is_visible_and_counts_for_its_width() {
        let text = table_within(80, &["LINK", "KIND"], [["ev\u{1b}]0;\u{7}", "veth"], ["lo", "-"]]);
        assert_eq!(
            text,
            "\
LINK           KIND
ev\\x1b]0;\\x07  veth
lo             -
"
        );
        assert_eq!(table_within(80, &["A"], [["a\nb"]]), "A\na\\nb\n", "a row stays one");
    }

    #[test]
    fn a_table_that_is_written_row_by_row_is_the_same() {
        let rows = [["9", "red"], ["1200", "blue"]];
        let mut text = Vec::new();
        write_within(&mut text, 80, &["PKTS", "NAME"], || rows.iter()).unwrap();
        assert_eq!(String::from_utf8(text).unwrap(), table_within(80, &["PKTS", "NAME"], rows));
    }

    #[test]
    fn an_empty_table_is_its_headers() {
        assert_eq!(table_within(80, &["A", "B"], Vec::<[&str; 2]>::new()), "A  B\n");
    }

    #[test]
    fn addresses_and_clock_times_are_no_figures() {
        for text in ["192.168.15.2", "192.168.15.0/24", "80:http", "red", "", "5 namespaces"] {
            assert!(!is_figure(text), "{text}");
        }
        for text in ["0", "12", "1.5", "1.5 kB", "0.041 ms", "12 Mbit/s", "45%", "2h04m"] {
            assert!(is_figure(text), "{text}");
        }
    }
}
