//! A router in the picture, with everything that is plugged into its bridges.

use super::{
    card::shorten,
    columns::{GAP, MARGIN, SPACE, STACK, reference_width},
    picture::{OpenUplink, Picture},
    sheet::{Area, Point},
    style::{NAME, TEXT, fixed_width},
};
use crate::graph::{Edge, Id, Kind, Link, Node};

/// Height of a router's title.
const HEAD: f32 = 46.0;
/// Height of a line of text in a router.
const LINE: f32 = 24.0;
/// Height of the box that names something drawn elsewhere.
const REFERENCE: f32 = 28.0;

impl Picture<'_> {
    /// Draws a router with its right wall at `right` and its upper edge at `top`. Returns the lower
    /// edge of everything that belongs to it.
    pub(super) fn router(&mut self, router: &Node, right: f32, top: f32) -> f32 {
        let graph = self.graph;
        let left = right - self.columns.router;
        let mut bridges: Vec<Area> = Vec::new();
        let mut y = top + HEAD;
        for bridge in graph.inside(router.id, Kind::Bridge) {
            let area = self.bridge(bridge, left, y);
            y = area.bottom() + STACK;
            bridges.push(area);
        }
        let inner = (top + HEAD, bridges.last().map_or(y, |area| area.bottom()));
        for interface in &router.interfaces {
            let at = Point { x: left, y: y + LINE / 2.0 };
            let label = shorten(&interface.describe());
            let text = Point { x: left + MARGIN, y: at.y + 4.0 };
            self.sheet.text(text, fixed_width(&label, TEXT), "", &label);
            self.ends.insert((router.id, interface.name.clone()), at);
            y += LINE;
        }
        let uplinks = self.uplinks(router, right, inner);
        let function = self.function(&bridges, &uplinks, left, inner);
        let parts = uplinks.iter().chain(&function).map(|area| area.bottom() + STACK);
        let mut bottom = parts.fold(y, f32::max);
        for note in &router.notes {
            let note = shorten(note);
            let at = Point { x: left + MARGIN, y: bottom + LINE / 2.0 };
            self.sheet.text(at, fixed_width(&note, TEXT), "muted", &note);
            bottom += LINE - 4.0;
        }
        let height = bottom + if router.notes.is_empty() { 4.0 } else { 10.0 } - top;
        self.sheet.frame(Area { x: left, y: top, width: self.columns.router, height }, "router");
        let name = shorten(&router.name);
        let width = fixed_width(&name, NAME);
        let at = Point { x: left + MARGIN, y: top + 27.0 };
        self.sheet.text(at, width, "name", &name);
        let caption = Point { x: at.x + width + 10.0, y: at.y };
        self.sheet.text(caption, 40.0, "prose small muted", "router");
        top + height
    }

    /// Draws a bridge and everything that is plugged into it, from `top` down.
    fn bridge(&mut self, bridge: &Node, left: f32, top: f32) -> Area {
        let graph = self.graph;
        let mut joints: Vec<(Point, &Edge)> = Vec::new();
        let mut nested: Vec<Id> = Vec::new();
        let mut y = top;
        let members = left - GAP;
        for edge in graph.ports(bridge.id) {
            if edge.link == Link::Port {
                let card = &self.columns.cards[&edge.a.node];
                let joint = card.joint(&edge.a.interface);
                let area = self.namespace(edge.a.node, members - self.columns.namespace, y);
                joints.push((Point { x: area.right(), y: y + joint }, edge));
                y = area.bottom() + STACK + if graph[edge.a.node].count > 1 { 8.0 } else { 0.0 };
                continue;
            }
            let Some(router) = graph[edge.a.node].router else { continue };
            if self.nesting.bridge_of(router) != Some(bridge.id) {
                let text = graph.end(&edge.a);
                let width = reference_width(&text);
                let area = Area { x: members - width, y, width, height: REFERENCE };
                self.reference(area, &text);
                joints.push((Point { x: members, y: area.middle() }, edge));
                y = area.bottom() + STACK;
            } else {
                if !nested.contains(&router) {
                    nested.push(router);
                    y = self.router(&graph[router], members, y) + STACK;
                }
                if let Some(at) = self.uplink_ends.get(&edge.a.node) {
                    joints.push((*at, edge));
                }
            }
        }
        let card = &self.columns.cards[&bridge.id];
        let height = (y - STACK - top).max(card.height);
        let x = left + self.columns.port;
        let area = Area { x, y: top, width: self.columns.bridge, height };
        let card = card.clone();
        card.draw(&mut self.sheet, area);
        for (from, edge) in joints {
            let to = Point { x, y: from.y };
            let class = if edge.link == Link::Plug { "way" } else { "wire" };
            self.sheet.curve(from, to, class);
            self.sheet.joint(from);
            self.sheet.joint(to);
            let label = shorten(&edge.b.interface);
            let at = Point { x: left + 12.0, y: from.y - 6.0 };
            self.sheet.text(at, self.columns.port - 20.0, "small muted", &label);
        }
        area
    }

    /// Draws the uplinks of a router, centred vertically.
    fn uplinks(&mut self, router: &Node, right: f32, inner: (f32, f32)) -> Vec<Area> {
        let graph = self.graph;
        let uplinks: Vec<&Node> = graph.inside(router.id, Kind::Uplink).collect();
        let heights = || uplinks.iter().map(|uplink| self.columns.cards[&uplink.id].height + STACK);
        let all = heights().sum::<f32>() - STACK;
        let mut y = f32::midpoint(inner.0, inner.1 - all).max(inner.0);
        let x = right - MARGIN - self.columns.uplink;
        let is_nested = self.nesting.bridge_of(router.id).is_some();
        let mut areas = Vec::new();
        for uplink in uplinks {
            let card = self.columns.cards[&uplink.id].clone();
            let area = Area { x, y, width: self.columns.uplink, height: card.height };
            card.draw(&mut self.sheet, area);
            let end = Point { x: area.right(), y: area.middle() };
            self.uplink_ends.insert(uplink.id, end);
            if !is_nested {
                self.open_uplinks.push(OpenUplink { id: uplink.id, from: end });
            }
            y = area.bottom() + STACK;
            areas.push(area);
        }
        areas
    }

    /// Draws the function of a router, between its bridges and uplinks. A single part has no lines
    /// to it, and no box for the function.
    fn function(
        &mut self,
        bridges: &[Area],
        uplinks: &[Area],
        left: f32,
        inner: (f32, f32),
    ) -> Option<Area> {
        if bridges.len() + uplinks.len() < 2 {
            return None;
        }
        let mut x = left + self.columns.port + self.columns.spare / 2.0;
        if self.columns.bridge > 0.0 {
            x += self.columns.bridge + SPACE;
        }
        let height = 32.0;
        let lowest = uplinks.last().map_or(inner.1, |area| area.bottom()).max(inner.1);
        let y = (f32::midpoint(inner.0, lowest) - height / 2.0).max(inner.0);
        let area = Area { x, y, width: self.columns.function, height };
        self.sheet.rectangle(area, "function", 16.0);
        let text = Point { x: x + area.width / 2.0, y: area.middle() + 4.0 };
        self.sheet.centred(text, "prose inverse", self.graph.router_function());
        for bridge in bridges {
            let from = Point { x: bridge.right(), y: bridge.middle() };
            self.sheet.curve(from, Point { x, y: area.middle() }, "inner");
        }
        for uplink in uplinks {
            let to = Point { x: uplink.x, y: uplink.middle() };
            self.sheet.curve(Point { x: area.right(), y: area.middle() }, to, "inner");
        }
        Some(area)
    }
}
