//! Tables in the manner of `iptables -nvL`: aligned columns, no lines.

use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};
use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

/// Blanks between two columns.
const GAP: usize = 2;
/// Before what goes on from the line above.
const INDENT: &str = "  ";
/// What of a long last column must have room, or it goes on a line of its own.
const USEFUL: usize = 24;

/// The rows below their headers, each line without trailing blanks, with a final newline.
///
/// A column of which every cell is a figure (digits, perhaps a fraction and a unit) is
/// aligned to the right. On a terminal, a last column that does not fit is cut, and where all
/// else does not fit either, the columns stand in several lines, the headers likewise. In a pipe
/// all is whole and on one line.
pub fn table<R, C>(headers: &[&str], rows: impl IntoIterator<Item = R>) -> String
where
    R: IntoIterator<Item = C>,
    C: Into<String>,
{
    // A terminal without a size, like that of a serial line, says 0: that is unknown.
    let width = Table::new().width().filter(|width| *width > 0);
    table_within(width.unwrap_or(u16::MAX), headers, rows)
}

/// Like [`table`], with a width in columns instead of the terminal's; `u16::MAX` is no limit.
pub fn table_within<R, C>(width: u16, headers: &[&str], rows: impl IntoIterator<Item = R>) -> String
where
    R: IntoIterator<Item = C>,
    C: Into<String>,
{
    let rows: Vec<Vec<String>> =
        rows.into_iter().map(|row| row.into_iter().map(Into::into).collect()).collect();
    let mut columns: Vec<Column> = headers
        .iter()
        .enumerate()
        .map(|(index, header)| Column::new(header, index, &rows))
        .collect();
    if width == u16::MAX {
        return lay_out(&columns).into_iter().map(|line| line + "\n").collect();
    }
    let width = usize::from(width);
    // The last column gives way first.
    let others =
        columns.split_last().map_or(0, |(_, others)| others.iter().map(|c| c.width + GAP).sum());
    if let Some(last) = columns.last_mut()
        && others + last.width.min(USEFUL) <= width
    {
        last.cut(width - others);
    }
    let blocks: Vec<Vec<String>> = parts(&mut columns, width).into_iter().map(lay_out).collect();
    let lines = blocks.first().map_or(0, Vec::len);
    let mut text = String::new();
    for line in 0..lines {
        for (number, block) in blocks.iter().enumerate() {
            if number > 0 {
                text += INDENT;
            }
            text += &block[line];
            text.push('\n');
        }
    }
    text
}

/// A header and the cells below it.
#[derive(Debug)]
struct Column {
    cells: Vec<String>,
    alignment: CellAlignment,
    width: usize,
}

impl Column {
    fn new(header: &str, index: usize, rows: &[Vec<String>]) -> Self {
        let below = rows.iter().map(|row| row.get(index).cloned().unwrap_or_default());
        let cells: Vec<String> = std::iter::once(header.to_owned()).chain(below).collect();
        let width = cells.iter().map(|cell| cell.width()).max().unwrap_or(0);
        Self { cells, alignment: alignment(rows, index), width }
    }

    /// Cuts what is wider. A figure stays whole: one that is cut would be another.
    fn cut(&mut self, width: usize) {
        if self.width > width && self.alignment == CellAlignment::Left {
            self.cells.iter_mut().for_each(|cell| *cell = cut(cell, width));
            self.width = width;
        }
    }
}

/// The columns, as many together as fit on a line.
fn parts(columns: &mut [Column], width: usize) -> Vec<&[Column]> {
    let mut starts = Vec::new();
    let mut used = usize::MAX;
    for (index, column) in columns.iter_mut().enumerate() {
        if used.saturating_add(GAP + column.width) > width {
            let indent = if index == 0 { 0 } else { INDENT.len() };
            column.cut(width.saturating_sub(indent));
            used = indent + column.width;
            starts.push(index);
        } else {
            used += GAP + column.width;
        }
    }
    let ends = starts.iter().skip(1).copied().chain([columns.len()]);
    starts.iter().copied().zip(ends).map(|(start, end)| &columns[start..end]).collect()
}

/// Columns side by side, line by line, the headers first.
fn lay_out(columns: &[Column]) -> Vec<String> {
    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Disabled);
    let lines = columns.first().map_or(0, |column| column.cells.len());
    for line in 0..lines {
        table.add_row(
            columns
                .iter()
                .map(|column| Cell::new(&column.cells[line]).set_alignment(column.alignment)),
        );
    }
    table.column_iter_mut().for_each(|column| {
        column.set_padding((0, 2));
    });
    table.lines().map(|line| line.trim_end().to_owned()).collect()
}

/// `text` with an ellipsis for what does not fit.
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

fn alignment(rows: &[Vec<String>], column: usize) -> CellAlignment {
    let mut cells = rows.iter().filter_map(|row| row.get(column)).filter(|cell| !cell.is_empty());
    let mut any = false;
    if cells.all(|cell| {
        any = true;
        is_figure(cell)
    }) && any
    {
        CellAlignment::Right
    } else {
        CellAlignment::Left
    }
}

/// Digits with at most one point, then perhaps a unit, or a length of time in two units; an
/// address is not a figure.
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
    fn what_does_not_fit_on_a_line_goes_on_in_the_next() {
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
