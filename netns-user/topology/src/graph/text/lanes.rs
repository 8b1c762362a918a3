//! Cables between namespaces, drawn left of everything else.

use super::canvas::Canvas;

/// Columns between one lane and the next.
const PITCH: usize = 2;

/// The rows of the two ends of a cable, upper one first, and the columns at which the boxes
/// begin, counted from the left edge of the picture without lanes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Span {
    pub(super) top: (usize, usize),
    pub(super) bottom: (usize, usize),
}

/// Lanes for cables, such that none lies upon another.
#[derive(Debug, Default)]
pub(super) struct Lanes {
    spans: Vec<(Span, usize)>,
    count: usize,
}

impl Lanes {
    /// Gives each cable the lane nearest to the boxes that is free all along.
    pub(super) fn of(mut spans: Vec<Span>) -> Self {
        // Short ones first, so that they lie within the long ones.
        spans.sort_by_key(|span| (span.bottom.0 - span.top.0, span.top.0));
        let mut lanes: Vec<Vec<Span>> = Vec::new();
        let mut placed = Vec::new();
        for span in spans {
            let apart = |other: &Span| span.bottom.0 < other.top.0 || other.bottom.0 < span.top.0;
            let free = lanes.iter().position(|lane| lane.iter().all(apart));
            let lane = free.unwrap_or(lanes.len());
            if lane == lanes.len() {
                lanes.push(Vec::new());
            }
            lanes[lane].push(span);
            placed.push((span, lane));
        }
        Self { spans: placed, count: lanes.len() }
    }

    /// Columns they take.
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
