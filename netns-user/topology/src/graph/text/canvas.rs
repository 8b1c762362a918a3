//! A canvas of characters, which grows as it is drawn on.

use anstyle::Style;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use super::style::PLAIN;

/// Columns of the frame of a box: both sides and their blanks.
pub(super) const FRAME: usize = 4;

/// The content of the second cell of a wide character.
const TAKEN: char = '\0';

/// Rows of characters, each with its style. Coordinates count from the top left.
#[derive(Debug)]
pub(super) struct Canvas {
    rows: Vec<Vec<(char, Style)>>,
    /// The style of lines.
    faint: Style,
}

/// A text with its style.
#[derive(Clone, Debug)]
pub(super) struct Label {
    pub text: String,
    pub style: Style,
}

impl Label {
    pub(super) fn new(style: Style, text: impl Into<String>) -> Self {
        Self { text: text.into(), style }
    }

    pub(super) fn plain(text: impl Into<String>) -> Self {
        Self::new(PLAIN, text)
    }

    /// Its width in columns.
    pub(super) fn width(&self) -> usize {
        self.text.width()
    }
}

impl Canvas {
    pub(super) fn new(faint: Style) -> Self {
        Self { rows: Vec::new(), faint }
    }

    fn put(&mut self, column: usize, row: usize, character: char, style: Style) {
        if self.rows.len() <= row {
            self.rows.resize(row + 1, Vec::new());
        }
        let cells = &mut self.rows[row];
        if cells.len() <= column {
            cells.resize(column + 1, (' ', PLAIN));
        }
        cells[column] = (character, style);
    }

    /// A single character of a line.
    pub(super) fn line(&mut self, column: usize, row: usize, character: char) {
        self.put(column, row, character, self.faint);
    }

    /// A text that begins at `column`.
    pub(super) fn text(&mut self, column: usize, row: usize, label: &Label) {
        let mut at = column;
        for character in label.text.chars() {
            // A character without a width has no cell of its own.
            let Some(width @ 1..) = character.width() else { continue };
            self.put(at, row, character, label.style);
            for taken in at + 1..at + width {
                self.put(taken, row, TAKEN, label.style);
            }
            at += width;
        }
    }

    /// A character of a line that can cross another line.
    pub(super) fn crossing(&mut self, column: usize, row: usize, character: char) {
        let there = self.rows.get(row).and_then(|cells| cells.get(column));
        let crossed = matches!((there, character), (Some(('│', _)), '─') | (Some(('─', _)), '│'));
        self.line(column, row, if crossed { '┼' } else { character });
    }

    /// Moves everything to the right.
    pub(super) fn shift(&mut self, columns: usize) {
        for cells in &mut self.rows {
            if !cells.is_empty() {
                cells.splice(0..0, std::iter::repeat_n((' ', PLAIN), columns));
            }
        }
    }

    /// A text that ends left of `column`.
    pub(super) fn text_before(&mut self, column: usize, row: usize, label: &Label) {
        self.text(column.saturating_sub(label.width()), row, label);
    }

    /// A horizontal line over `columns`.
    pub(super) fn across(&mut self, columns: std::ops::Range<usize>, row: usize) {
        for column in columns {
            self.line(column, row, '─');
        }
    }

    /// A vertical line over `rows`.
    pub(super) fn down(&mut self, column: usize, rows: std::ops::Range<usize>) {
        for row in rows {
            self.line(column, row, '│');
        }
    }

    /// A frame with a title in its upper edge. It has at least two rows and two columns.
    pub(super) fn frame(
        &mut self,
        column: usize,
        row: usize,
        width: usize,
        height: usize,
        title: &Label,
    ) {
        let (right, bottom) = (column + width - 1, row + height - 1);
        self.across(column + 1..right, row);
        self.across(column + 1..right, bottom);
        self.down(column, row + 1..bottom);
        self.down(right, row + 1..bottom);
        for (x, y, corner) in
            [(column, row, '╭'), (right, row, '╮'), (column, bottom, '╰'), (right, bottom, '╯')]
        {
            self.line(x, y, corner);
        }
        let spaced = Label { text: format!(" {} ", title.text), style: title.style };
        self.text(column + 2, row, &spaced);
    }

    /// The width of the longest row.
    pub(super) fn width(&self) -> usize {
        self.rows.iter().map(Vec::len).max().unwrap_or_default()
    }

    /// The rows as text with ANSI sequences.
    pub(super) fn lines(&self) -> Vec<String> {
        self.rows
            .iter()
            .map(|cells| {
                cells
                    .chunk_by(|(_, left), (_, right)| left == right)
                    .map(|run| {
                        let style = run[0].1;
                        let text: String = run
                            .iter()
                            .map(|(character, _)| character)
                            .filter(|character| **character != TAKEN)
                            .collect();
                        format!("{style}{text}{style:#}")
                    })
                    .collect()
            })
            .collect()
    }
}
