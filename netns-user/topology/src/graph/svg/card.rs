//! The box of a namespace, a bridge, an uplink or an outside.

use super::{
    sheet::{Area, Point, Sheet},
    style::{NAME, SMALL, TEXT, fixed_width, mark, prose_width},
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
/// The number of characters above which a text is shortened.
const LONGEST: usize = 44;

/// The content of a box, and its size.
#[derive(Clone, Debug)]
pub(super) struct Card {
    kind: Kind,
    /// How many namespaces it stands for.
    count: usize,
    name: String,
    full_name: String,
    rows: Vec<Row>,
    /// Pixels from the names of interfaces to their addresses.
    indent: f32,
    pub(super) width: f32,
    pub(super) height: f32,
}

#[derive(Clone, Debug)]
struct Row {
    /// The interface that the row is about, by its name in the graph.
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
            let reference = graph.far_end_reference(node, &interface.name);
            rows.extend(reference.map(|far| Row::new(format!("▷ {far}"), true)));
        }
        rows.extend(node.answers.iter().map(|answer| Row::new(answer, false)));
        if node.count > 1 {
            rows.push(Row::new(format!("{} namespaces", node.count), true));
        }
        rows.extend(node.notes.iter().map(|note| Row::new(note, true)));
        let left = |row: &Row| row.left.as_ref().map(|left| fixed_width(left, TEXT));
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
        let caption = card.caption().map_or(0.0, |caption| prose_width(caption, SMALL) + SPACE);
        let head = fixed_width(&card.name, NAME) + caption;
        let rows = card.rows.iter().map(|row| match (&row.left, row.text.is_empty()) {
            (Some(left), true) => fixed_width(left, TEXT),
            (Some(_), false) => indent + fixed_width(&row.text, TEXT),
            (None, _) => fixed_width(&row.text, TEXT),
        });
        card.width = rows.fold(head, f32::max) + 2.0 * PAD;
        #[expect(clippy::cast_precision_loss, reason = "a box has few rows")]
        let count = card.rows.len() as f32;
        card.height = HEAD + count * ROW + FOOT;
        card
    }

    /// The kind of the node. Namespaces have none: their place in the picture shows it.
    fn caption(&self) -> Option<&'static str> {
        (self.kind != Kind::Namespace).then(|| self.kind.name())
    }

    /// Pixels from the upper edge to the cable of an interface; to the middle where the card has no
    /// such interface.
    pub(super) fn joint(&self, interface: &str) -> f32 {
        let row = self.rows.iter().position(|row| row.interface.as_deref() == Some(interface));
        #[expect(clippy::cast_precision_loss, reason = "a box has few rows")]
        row.map_or(self.height / 2.0, |row| HEAD + row as f32 * ROW + ROW / 2.0 - 3.0)
    }

    /// Draws the card in an area, which can be larger than the card.
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
        // In a larger area the text is centred vertically.
        at.y += (area.height - self.height).max(0.0) / 2.0;
        let width = fixed_width(&self.name, NAME);
        sheet.text(at, width, "name", &self.name);
        if let Some(caption) = self.caption() {
            let room = prose_width(caption, SMALL);
            let x = area.right() - PAD;
            sheet.text(
                Point { x: x - room * 0.87, y: at.y },
                room * 0.87,
                "prose small muted",
                caption,
            );
        }
        for row in &self.rows {
            at.y += ROW;
            let class = if row.is_muted { "muted" } else { "" };
            let mut text_at = at;
            if let Some(left) = &row.left {
                sheet.text(at, fixed_width(left, TEXT), "muted", left);
                text_at.x += self.indent;
            }
            if !row.text.is_empty() {
                sheet.text(text_at, fixed_width(&row.text, TEXT), class, &row.text);
            }
        }
        if self.name != self.full_name {
            sheet.hint(area, &self.full_name);
        }
    }
}

/// A text, without its middle if it is long.
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
