//! The picture: routers below each other, the far ends of their uplinks on the right, and cables
//! between namespaces at the left edge.

use std::collections::HashMap;

use super::{
    card::shorten,
    columns::{Columns, GAP, MARGIN, STACK, reference_width},
    nesting::Nesting,
    sheet::{Area, Point, Sheet},
    style::TEXT,
};
use crate::graph::{Graph, Id, Kind, Link, lanes::assign};

/// Pixels from the boxes to the first lane of cables.
const LANES: f32 = 26.0;
/// Pixels from one lane to the next.
const LANE: f32 = 14.0;
/// Pixels between two routers with everything that belongs to them.
const APART: f32 = 28.0;

/// A picture that is being drawn. The right walls of routers that are drawn by themselves are at 0.
pub(super) struct Picture<'a> {
    pub(super) graph: &'a Graph,
    pub(super) sheet: Sheet,
    pub(super) columns: Columns,
    pub(super) nesting: Nesting,
    /// The points at which the lines of uplinks begin.
    pub(super) uplink_ends: HashMap<Id, Point>,
    pub(super) open_uplinks: Vec<OpenUplink>,
    /// The ends of cables between namespaces.
    pub(super) ends: HashMap<(Id, String), Point>,
}

/// An uplink whose far end is not drawn yet.
#[derive(Clone, Copy, Debug)]
pub(super) struct OpenUplink {
    pub(super) id: Id,
    pub(super) from: Point,
}

/// The far end of uplinks.
enum FarEnd {
    Outside(Id),
    /// The name of something that is drawn elsewhere, or not at all.
    Reference(String),
}

/// The whole lab.
pub(super) fn draw(graph: &Graph) -> Sheet {
    let mut picture = Picture {
        graph,
        sheet: Sheet::default(),
        columns: Columns::of(graph),
        nesting: Nesting::of(graph),
        uplink_ends: HashMap::new(),
        open_uplinks: Vec::new(),
        ends: HashMap::new(),
    };
    let mut y = 0.0;
    for router in graph.of(Kind::Router) {
        if picture.nesting.bridge_of(router.id).is_none() {
            y = picture.router(router, 0.0, y) + APART;
        }
    }
    // Namespaces without a bridge are below those of the leftmost router.
    let x = -picture.columns.router - GAP - picture.columns.namespace;
    let x = picture.sheet.reach().0.x.min(x);
    for node in graph.of(Kind::Namespace).filter(|node| !graph.is_plugged(node.id)) {
        y = picture.namespace(node.id, x, y).bottom() + STACK;
    }
    picture.far_ends();
    picture.cables();
    picture.sheet
}

impl Picture<'_> {
    /// A namespace with its upper left corner at `x` and `y`.
    pub(super) fn namespace(&mut self, id: Id, x: f32, y: f32) -> Area {
        let card = self.columns.cards[&id].clone();
        let area = Area { x, y, width: self.columns.namespace, height: card.height };
        card.draw(&mut self.sheet, area);
        for interface in &self.graph[id].interfaces {
            let at = Point { x, y: y + card.joint(&interface.name) };
            self.ends.insert((id, interface.name.clone()), at);
        }
        area
    }

    /// Names something that is drawn elsewhere, or not at all.
    pub(super) fn reference(&mut self, area: Area, text: &str) {
        self.sheet.rectangle(area, "elsewhere", area.height / 2.0);
        let at = Point { x: area.x + area.width / 2.0, y: area.middle() + TEXT / 3.0 };
        self.sheet.centred(at, "muted", &shorten(text));
    }

    /// The far ends of uplinks, each as near to its uplinks as the ones above it allow.
    fn far_ends(&mut self) {
        let graph = self.graph;
        let mut far_ends: Vec<(FarEnd, Vec<OpenUplink>)> = Vec::new();
        for uplink in std::mem::take(&mut self.open_uplinks) {
            let far_end = self.far_end(uplink.id);
            let known = far_ends.iter_mut().find(|(known, _)| match (known, &far_end) {
                (FarEnd::Outside(known), FarEnd::Outside(id)) => known == id,
                (FarEnd::Outside(_) | FarEnd::Reference(_), _) => false,
            });
            match known {
                Some((_, uplinks)) => uplinks.push(uplink),
                None => far_ends.push((far_end, vec![uplink])),
            }
        }
        let mut free = f32::MIN;
        for (far_end, uplinks) in far_ends {
            // In the middle between the first and the last uplink.
            let (first, last) = (uplinks[0].from, uplinks[uplinks.len() - 1].from);
            let middle = f32::midpoint(first.y, last.y);
            let x = first.x + MARGIN + GAP;
            let (width, height) = match &far_end {
                FarEnd::Outside(id) => {
                    (self.columns.cards[id].width, self.columns.cards[id].height)
                }
                FarEnd::Reference(text) => (reference_width(text), 28.0),
            };
            let area = Area { x, y: (middle - height / 2.0).max(free), width, height };
            free = area.bottom() + STACK;
            let card = match &far_end {
                FarEnd::Outside(id) => Some(self.columns.cards[id].clone()),
                FarEnd::Reference(text) => {
                    self.reference(area, text);
                    None
                }
            };
            if let Some(card) = &card {
                card.draw(&mut self.sheet, area);
            }
            let one = uplinks.len() == 1;
            for uplink in uplinks {
                let edge = graph.uplink_edge(uplink.id);
                let y = match (&card, edge) {
                    (Some(card), Some(edge)) if !one => area.y + card.joint(&edge.b.interface),
                    _ if one && area.y < uplink.from.y && uplink.from.y < area.bottom() => {
                        uplink.from.y
                    }
                    _ => area.middle(),
                };
                let to = Point { x, y };
                self.sheet.curve(uplink.from, to, "way");
                self.sheet.joint(uplink.from);
                self.sheet.joint(to);
            }
        }
    }

    fn far_end(&self, uplink: Id) -> FarEnd {
        match self.graph.uplink_edge(uplink) {
            None => FarEnd::Reference("outside the lab".into()),
            Some(edge)
                if edge.link == Link::Outside && self.graph[edge.b.node].kind == Kind::Outside =>
            {
                FarEnd::Outside(edge.b.node)
            }
            Some(edge) => FarEnd::Reference(self.graph.end(&edge.b)),
        }
    }

    /// Cables between namespaces, each in the free lane that is nearest to the boxes.
    fn cables(&mut self) {
        let end = |id: Id, name: &String| self.ends.get(&(id, name.clone())).copied();
        let mut spans: Vec<(Point, Point)> = self
            .graph
            .direct()
            .filter_map(|edge| {
                let a = end(edge.a.node, &edge.a.interface)?;
                let b = end(edge.b.node, &edge.b.interface)?;
                Some(if a.y < b.y { (a, b) } else { (b, a) })
            })
            .collect();
        spans.sort_by(|(a, b), (c, d)| (b.y - a.y).total_cmp(&(d.y - c.y)));
        let nearest = self.sheet.reach().0.x - LANES;
        let lanes = assign(spans.iter().map(|(from, to)| (from.y, to.y)));
        for ((from, to), lane) in spans.into_iter().zip(lanes) {
            #[expect(clippy::cast_precision_loss, reason = "there are few lanes")]
            let x = nearest - lane as f32 * LANE;
            self.sheet.detour(from, x, to, "wire");
            self.sheet.joint(from);
            self.sheet.joint(to);
        }
    }
}
