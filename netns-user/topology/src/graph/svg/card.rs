//! The box of a namespace, of a part of a router, or of what is outside.

use super::{
    sheet::{Area, Point, Sheet},
    style::{NAME, SMALL, TEXT, fixed, mark, words},
};
use crate::graph::{Graph, Kind, Node};

/// Pixels from the edge to the text.
const PAD: f32 = 14.0;
/// Pixels between an interface's name and its address.
const SPACE: f32 = 12.0;
/// Height of the title, and of each row below it.
const HEAD: f32 = 31.0;
const ROW: f32 = 18.0;
const FOOT: f32 = 7.0;
/// Characters of the longest text that is drawn in full.
const LONGEST: usize = 44;

/// What stands in a box, and how much room it takes.
#[derive(Clone, Debug)]
pub(super) struct Card {
    kind: Kind,
    /// How many it stands for.
    count: usize,
    name: String,
    full_name: String,
    rows: Vec<Row>,
    /// Pixels that the names of interfaces take, the space behind them included.
    indent: f32,
    pub(super) width: f32,
    pub(super) height: f32,
}

#[derive(Clone, Debug)]
struct Row {
    /// Of which interface, as it is called in the graph.
    interface: Option<String>,
    left: Option<String>,
    text: String,
    is_muted: bool,
}

impl Row {
    fn new(text: impl Into<String>, is_muted: bool) -> Self {
        Self { interface: None, left: None, text: shorten(&text.into()), is_muted }
    }
}

impl Card {
    pub(super) fn of(graph: &Graph, node: &Node) -> Self {
        let mut rows: Vec<Row> = node.addresses().map(|text| Row::new(text, false)).collect();
        rows.extend(node.gateway.iter().map(|gateway| Row::new(format!("via {gateway}"), true)));
        for interface in &node.interfaces {
            rows.push(Row {
                interface: Some(interface.name.clone()),
                left: Some(shorten(&interface.name)),
                text: interface.address.clone().unwrap_or_default(),
                is_muted: false,
            });
            let beyond = graph.beyond(node, &interface.name);
            rows.extend(beyond.map(|far| Row::new(format!("▷ {far}"), true)));
        }
        rows.extend(node.answers.iter().map(|answer| Row::new(answer, false)));
        if node.count > 1 {
            rows.push(Row::new(format!("{} namespaces", node.count), true));
        }
        rows.extend(node.notes.iter().map(|note| Row::new(note, true)));
        let left = |row: &Row| row.left.as_ref().map(|left| fixed(left, TEXT));
        let is_pair = |row: &&Row| row.left.is_some() && !row.text.is_empty();
        let indent = rows.iter().filter(is_pair).filter_map(left).fold(0.0, f32::max) + SPACE;
        let mut card = Self {
            kind: node.kind,
            count: node.count,
            name: shorten(&node.name),
            full_name: node.name.clone(),
            rows,
            indent,
            width: 0.0,
            height: 0.0,
        };
        let caption = card.caption().map_or(0.0, |caption| words(caption, SMALL) + SPACE);
        let head = fixed(&card.name, NAME) + caption;
        let rows = card.rows.iter().map(|row| match (&row.left, row.text.is_empty()) {
            (Some(left), true) => fixed(left, TEXT),
            (Some(_), false) => indent + fixed(&row.text, TEXT),
            (None, _) => fixed(&row.text, TEXT),
        });
        card.width = rows.fold(head, f32::max) + 2.0 * PAD;
        #[expect(clippy::cast_precision_loss, reason = "a box has few rows")]
        let count = card.rows.len() as f32;
        card.height = HEAD + count * ROW + FOOT;
        card
    }

    /// What it is, where its place does not tell.
    fn caption(&self) -> Option<&'static str> {
        (self.kind != Kind::Namespace).then(|| self.kind.name())
    }

    /// How far below the upper edge the cable of an interface is; the middle of what has none.
    pub(super) fn joint(&self, interface: &str) -> f32 {
        let row = self.rows.iter().position(|row| row.interface.as_deref() == Some(interface));
        #[expect(clippy::cast_precision_loss, reason = "a box has few rows")]
        row.map_or(self.height / 2.0, |row| HEAD + row as f32 * ROW + ROW / 2.0 - 3.0)
    }

    /// Draws it with its upper left corner at `at`; `width` and `height` may be more than it needs.
    pub(super) fn draw(&self, sheet: &mut Sheet, area: Area) {
        let class = self.kind.name();
        if self.count > 1 {
            for offset in [8.0, 4.0] {
                let behind = Area { x: area.x - offset, y: area.y + offset, ..area };
                sheet.rectangle(behind, class, 9.0);
            }
        }
        sheet.rectangle(area, class, 9.0);
        let mut at = Point { x: area.x + PAD, y: area.y + 21.0 };
        if self.kind == Kind::Namespace {
            let stripe =
                Area { x: area.x + 5.0, y: area.y + 8.0, width: 3.5, height: area.height - 16.0 };
            sheet.rectangle(stripe, mark(&self.name), 1.75);
        }
        // A tall box has its text in the middle.
        at.y += (area.height - self.height).max(0.0) / 2.0;
        let width = fixed(&self.name, NAME);
        sheet.text(at, width, "name", &self.name);
        if let Some(caption) = self.caption() {
            let room = words(caption, SMALL);
            let x = area.right() - PAD;
            sheet.text(
                Point { x: x - room * 0.87, y: at.y },
                room * 0.87,
                "words small muted",
                caption,
            );
        }
        for row in &self.rows {
            at.y += ROW;
            let class = if row.is_muted { "muted" } else { "" };
            let mut text_at = at;
            if let Some(left) = &row.left {
                sheet.text(at, fixed(left, TEXT), "muted", left);
                text_at.x += self.indent;
            }
            if !row.text.is_empty() {
                sheet.text(text_at, fixed(&row.text, TEXT), class, &row.text);
            }
        }
        if self.name != self.full_name {
            sheet.hint(area, &self.full_name);
        }
    }
}

/// Without its middle where it is long.
pub(super) fn shorten(text: &str) -> String {
    let length = text.chars().count();
    if length <= LONGEST {
        return text.to_owned();
    }
    let half = LONGEST / 2;
    let first: String = text.chars().take(half).collect();
    let last: String = text.chars().skip(length - half + 1).collect();
    format!("{first}…{last}")
}
