//! Places everything: routers below each other, what they lead to on their right, cables
//! between namespaces left of all.

use std::collections::HashMap;

use super::{
    card::shorten,
    columns::{Columns, reference_width},
    plan::Nesting,
    router::{GAP, STACK},
    sheet::{Area, Point, Sheet},
    style::TEXT,
};
use crate::graph::{Graph, Id, Kind, Link};

/// Pixels from the boxes to the first lane of cables, and from one lane to the next.
const LANES: f32 = 26.0;
const LANE: f32 = 14.0;
/// Between what belongs to one router and to the next.
const APART: f32 = 28.0;

/// A picture in the making. The right walls of routers that are drawn by themselves are at 0.
pub(super) struct Picture<'a> {
    pub(super) graph: &'a Graph,
    pub(super) sheet: Sheet,
    pub(super) columns: Columns,
    pub(super) nesting: Nesting,
    /// Where the lines of uplinks begin.
    pub(super) uplink_ends: HashMap<Id, Point>,
    pub(super) exits: Vec<Exit>,
    /// Where cables between namespaces end.
    pub(super) ends: HashMap<(Id, String), Point>,
}

/// An uplink whose far end is yet to be drawn.
#[derive(Clone, Copy, Debug)]
pub(super) struct Exit {
    pub(super) uplink: Id,
    pub(super) from: Point,
}

/// What uplinks lead to.
enum Goal {
    Outside(Id),
    Elsewhere(String),
}

/// The whole lab.
pub(super) fn draw(graph: &Graph) -> Sheet {
    let mut picture = Picture {
        graph,
        sheet: Sheet::default(),
        columns: Columns::of(graph),
        nesting: Nesting::of(graph),
        uplink_ends: HashMap::new(),
        exits: Vec::new(),
        ends: HashMap::new(),
    };
    let mut y = 0.0;
    for router in graph.of(Kind::Router) {
        if picture.nesting.bridge_of(router.id).is_none() {
            y = picture.router(router, 0.0, y) + APART;
        }
    }
    // Where those of the routers farthest left are.
    let x = -picture.columns.router - GAP - picture.columns.namespace;
    let x = picture.sheet.reach().0.x.min(x);
    for node in graph.of(Kind::Namespace).filter(|node| !graph.is_plugged(node.id)) {
        y = picture.namespace(node.id, x, y).bottom() + STACK;
    }
    picture.outsides();
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

    /// Names what is drawn elsewhere, or not at all.
    pub(super) fn reference(&mut self, area: Area, text: &str) {
        self.sheet.rectangle(area, "elsewhere", area.height / 2.0);
        let at = Point { x: area.x + area.width / 2.0, y: area.middle() + TEXT / 3.0 };
        self.sheet.centred(at, "muted", &shorten(text));
    }

    /// What uplinks lead to, each as near to its uplinks as those above leave room.
    fn outsides(&mut self) {
        let graph = self.graph;
        let mut goals: Vec<(Goal, Vec<Exit>)> = Vec::new();
        for exit in std::mem::take(&mut self.exits) {
            let goal = self.goal(exit.uplink);
            let known = goals.iter_mut().find(|(known, _)| match (known, &goal) {
                (Goal::Outside(known), Goal::Outside(id)) => known == id,
                (Goal::Outside(_) | Goal::Elsewhere(_), _) => false,
            });
            match known {
                Some((_, exits)) => exits.push(exit),
                None => goals.push((goal, vec![exit])),
            }
        }
        let mut free = f32::MIN;
        for (goal, exits) in goals {
            // Half-way between the first and the last.
            let (first, last) = (exits[0].from, exits[exits.len() - 1].from);
            let middle = f32::midpoint(first.y, last.y);
            let x = first.x + super::columns::MARGIN + GAP;
            let (width, height) = match &goal {
                Goal::Outside(id) => (self.columns.cards[id].width, self.columns.cards[id].height),
                Goal::Elsewhere(text) => (reference_width(text), 28.0),
            };
            let area = Area { x, y: (middle - height / 2.0).max(free), width, height };
            free = area.bottom() + STACK;
            let card = match &goal {
                Goal::Outside(id) => Some(self.columns.cards[id].clone()),
                Goal::Elsewhere(text) => {
                    self.reference(area, text);
                    None
                }
            };
            if let Some(card) = &card {
                card.draw(&mut self.sheet, area);
            }
            let one = exits.len() == 1;
            for exit in exits {
                let edge = graph.way_out(exit.uplink);
                let y = match (&card, edge) {
                    (Some(card), Some(edge)) if !one => area.y + card.joint(&edge.b.interface),
                    _ if one && area.y < exit.from.y && exit.from.y < area.bottom() => exit.from.y,
                    _ => area.middle(),
                };
                let to = Point { x, y };
                self.sheet.curve(exit.from, to, "way");
                self.sheet.plug(exit.from);
                self.sheet.plug(to);
            }
        }
    }

    fn goal(&self, uplink: Id) -> Goal {
        match self.graph.way_out(uplink) {
            None => Goal::Elsewhere("outside of the lab".into()),
            Some(edge)
                if edge.link == Link::Outside && self.graph[edge.b.node].kind == Kind::Outside =>
            {
                Goal::Outside(edge.b.node)
            }
            Some(edge) => Goal::Elsewhere(self.graph.end(&edge.b)),
        }
    }

    /// Cables between namespaces, each in the nearest lane that is free all along.
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
        let mut lanes: Vec<Vec<(f32, f32)>> = Vec::new();
        for (from, to) in spans {
            let apart = |other: &(f32, f32)| to.y < other.0 || other.1 < from.y;
            let free = lanes.iter().position(|lane| lane.iter().all(apart));
            let lane = free.unwrap_or(lanes.len());
            if lane == lanes.len() {
                lanes.push(Vec::new());
            }
            lanes[lane].push((from.y, to.y));
            #[expect(clippy::cast_precision_loss, reason = "there are few lanes")]
            let x = nearest - lane as f32 * LANE;
            self.sheet.detour(from, x, to, "wire");
            self.sheet.plug(from);
            self.sheet.plug(to);
        }
    }
}
