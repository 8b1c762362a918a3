//! Tables in the manner of `iptables -nvL`: aligned columns, no lines.

use comfy_table::{Cell, CellAlignment, ContentArrangement, Table, presets};

/// The rows below their headers, each line without trailing blanks, with a final newline.
///
/// A column of which every cell is a figure (digits, perhaps a fraction and a unit) is
/// aligned to the right. On a terminal, cells that do not fit are wrapped.
pub fn table<R, C>(headers: &[&str], rows: impl IntoIterator<Item = R>) -> String
where
    R: IntoIterator<Item = C>,
    C: Into<String>,
{
    build(headers, rows, None)
}

/// Like [`table`], with a width in columns instead of the terminal's.
pub fn table_within<R, C>(width: u16, headers: &[&str], rows: impl IntoIterator<Item = R>) -> String
where
    R: IntoIterator<Item = C>,
    C: Into<String>,
{
    build(headers, rows, Some(width))
}

fn build<R, C>(headers: &[&str], rows: impl IntoIterator<Item = R>, width: Option<u16>) -> String
where
    R: IntoIterator<Item = C>,
    C: Into<String>,
{
    let rows: Vec<Vec<String>> =
        rows.into_iter().map(|row| row.into_iter().map(Into::into).collect()).collect();
    let alignments: Vec<CellAlignment> =
        (0..headers.len()).map(|column| alignment(&rows, column)).collect();
    let aligned =
        |(text, alignment): (&str, &CellAlignment)| Cell::new(text).set_alignment(*alignment);

    let mut table = Table::new();
    table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
    match width {
        Some(width) => {
            table.set_width(width);
        }
        // A terminal without a size, like that of a serial line, says 0: that is unknown.
        None if table.width() == Some(0) => {
            table.set_width(u16::MAX);
        }
        None => {}
    }
    table.set_header(headers.iter().copied().zip(&alignments).map(aligned));
    for row in &rows {
        table.add_row(row.iter().map(String::as_str).zip(&alignments).map(aligned));
    }
    table.column_iter_mut().for_each(|column| {
        column.set_padding((0, 2));
    });
    table.lines().fold(String::new(), |text, line| text + line.trim_end() + "\n")
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
