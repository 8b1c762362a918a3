//! Cables between namespaces, drawn left of everything else.

use super::canvas::Canvas;
use crate::graph::lanes::assign;

/// Columns from one lane to the next.
const PITCH: usize = 2;

/// The two ends of a cable, each as its row and the column at which its box begins. Columns are
/// counted from the left edge of the picture without lanes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct CableSpan {
    pub(super) top: (usize, usize),
    pub(super) bottom: (usize, usize),
}

/// Cables with their lanes.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    spans: Vec<(CableSpan, usize)>,
    count: usize,
}

impl Lanes {
    /// Assigns each cable the free lane that is nearest to the boxes.
    pub(super) fn of(mut spans: Vec<CableSpan>) -> Self {
        // Short cables come first, so that they lie within the long ones.
        spans.sort_by_key(|span| (span.bottom.0 - span.top.0, span.top.0));
        let lanes = assign(spans.iter().map(|span| (span.top.0, span.bottom.0)));
        let count = lanes.iter().max().map_or(0, |last| last + 1);
        Self { spans: spans.into_iter().zip(lanes).collect(), count }
    }

    /// The width of all lanes in columns.
    pub(super) fn width(&self) -> usize {
        self.count * PITCH
    }

    pub(super) fn draw(&self, canvas: &mut Canvas) {
        for (span, lane) in &self.spans {
            let column = (self.count - 1 - lane) * PITCH;
            for ((row, box_column), corner) in [(span.top, '╭'), (span.bottom, '╰')] {
                canvas.line(column, row, corner);
                for between in column + 1..self.width() + box_column {
                    canvas.crossing(between, row, '─');
                }
            }
            for row in span.top.0 + 1..span.bottom.0 {
                canvas.crossing(column, row, '│');
            }
        }
    }
}
