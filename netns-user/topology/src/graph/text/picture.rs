//! The picture of a lab: from left to right the cables between namespaces, the namespaces, the
//! routers with their bridges, and the far ends of the uplinks.

use std::collections::{HashMap, HashSet};

use unicode_width::UnicodeWidthStr as _;

use super::{
    canvas::{Canvas, FRAME, Label},
    lanes::{CableSpan, Lanes},
    style::Styles,
};
use crate::graph::{End, Graph, Id, Kind, Link, Node};

/// Columns between a namespace and the router.
const GAP: usize = 1;

/// Draws the whole lab.
pub(super) fn picture(graph: &Graph, with_ports: bool, styles: &Styles) -> Canvas {
    let mut picture = Picture::new(graph, with_ports, styles);
    let mut row = 0;
    for router in graph.of(Kind::Router) {
        row = picture.router(router, row);
    }
    for (index, node) in graph.of(Kind::Namespace).enumerate() {
        if !graph.is_plugged(node.id) {
            let lines = picture.lines(node);
            picture.namespace(node, index, &lines, row);
            row += lines.len() + 2;
        }
    }
    let Picture { mut canvas, mut ends, .. } = picture;
    let spans = graph.direct().filter_map(|edge| {
        let ends = (ends.remove(&key(&edge.a)), ends.remove(&key(&edge.b)));
        let (Some(a), Some(b)) = ends else { return None };
        Some(CableSpan { top: a.min(b), bottom: a.max(b) })
    });
    let lanes = Lanes::of(spans.collect());
    canvas.shift(lanes.width());
    lanes.draw(&mut canvas);
    canvas
}

/// A picture that is being drawn.
pub(super) struct Picture<'a> {
    pub(super) graph: &'a Graph,
    pub(super) styles: &'a Styles,
    pub(super) canvas: Canvas,
    pub(super) columns: Columns,
    pub(super) with_ports: bool,
    /// Outsides that have been drawn.
    pub(super) drawn: HashSet<Id>,
    /// The row and the column of each end of a cable between namespaces.
    pub(super) ends: HashMap<(Id, String), (usize, usize)>,
}

/// Columns of the picture, from left to right.
#[derive(Clone, Copy, Debug)]
pub(super) struct Columns {
    pub(super) namespace_width: usize,
    pub(super) router: usize,
    pub(super) bridge: usize,
    pub(super) bridge_width: usize,
    pub(super) trunk: usize,
    pub(super) wall: usize,
}

/// A line in a namespace's box, and the cable that begins at it.
#[derive(Clone, Debug)]
pub(super) struct Line {
    pub(super) text: Label,
    pub(super) joint: Option<Joint>,
}

/// The side to which a cable leads from a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Joint {
    /// To the lanes.
    Left(End),
    /// To a bridge.
    Right,
}

impl<'a> Picture<'a> {
    fn new(graph: &'a Graph, with_ports: bool, styles: &'a Styles) -> Self {
        let mut picture = Self {
            graph,
            styles,
            canvas: Canvas::new(styles.faint),
            columns: Columns::NONE,
            with_ports,
            drawn: HashSet::new(),
            ends: HashMap::new(),
        };
        picture.columns = Columns::of(&picture);
        picture
    }

    /// The lines in a namespace's box.
    pub(super) fn lines(&self, node: &Node) -> Vec<Line> {
        let plain = |text: String| Line { text: Label::plain(text), joint: None };
        let mut lines = Vec::new();
        for interface in &node.interfaces {
            let far = self.graph.far_end_reference(node, &interface.name);
            let joint = self.joint(node, &interface.name).filter(|_| far.is_none());
            lines.push(Line { text: Label::plain(&interface.name), joint });
            lines.extend(interface.address.iter().cloned().map(plain));
            lines.extend(far.map(|far| plain(format!("▷ {far}"))));
        }
        lines.extend(node.answers.iter().cloned().map(plain));
        let count = (node.count > 1).then(|| format!("{} namespaces", node.count));
        let notes = count.into_iter().chain(node.notes.iter().cloned());
        lines.extend(
            notes.map(|note| Line { text: Label::new(self.styles.faint, note), joint: None }),
        );
        lines
    }

    /// The side to which an interface's cable leads.
    fn joint(&self, node: &Node, interface: &str) -> Option<Joint> {
        let own = End { node: node.id, interface: interface.to_owned() };
        match self.graph.cable_at(&own)?.0.link {
            Link::Port => Some(Joint::Right),
            Link::Direct => Some(Joint::Left(own)),
            Link::Outside | Link::Plug => None,
        }
    }

    /// Draws a namespace's box with its joints, without the cables.
    pub(super) fn namespace(&mut self, node: &Node, index: usize, lines: &[Line], row: usize) {
        let width = self.columns.namespace_width;
        let title = Label::new((self.styles.namespace)(&node.name, index), &node.name);
        self.canvas.frame(0, row, width, lines.len() + 2, &title);
        for (line, row) in lines.iter().zip(row + 1..) {
            self.canvas.text(2, row, &line.text);
            match &line.joint {
                Some(Joint::Right) => self.canvas.line(width - 1, row, '├'),
                Some(Joint::Left(end)) => {
                    self.canvas.line(0, row, '┤');
                    self.ends.insert(key(end), (row, 0));
                }
                None => {}
            }
        }
    }

    /// The name of an uplink that is plugged into a bridge.
    pub(super) fn plugged_uplink(&self, end: &End) -> Label {
        Label::plain(self.graph.end(end))
    }
}

/// The key of a cable's end.
pub(super) fn key(end: &End) -> (Id, String) {
    (end.node, end.interface.clone())
}

/// The name of an uplink, with its address.
pub(super) fn uplink_label(uplink: &Node) -> Label {
    Label::plain(match &uplink.address {
        Some(address) => format!("{} {address}", uplink.name),
        None => uplink.name.clone(),
    })
}

/// The line below the name of an uplink.
pub(super) fn uplink_details(uplink: &Node) -> String {
    let further = uplink.further_addresses.iter().map(|address| format!("and {address}"));
    let gateway = uplink.gateway.iter().map(|gateway| format!("via {gateway}"));
    let details: Vec<String> = further.chain(gateway).chain(uplink.notes.iter().cloned()).collect();
    details.join(", ")
}

pub(super) fn widest(widths: impl Iterator<Item = usize>) -> usize {
    widths.max().unwrap_or_default()
}

impl Columns {
    const NONE: Self =
        Self { namespace_width: 0, router: 0, bridge: 0, bridge_width: 0, trunk: 0, wall: 0 };

    fn of(picture: &Picture<'_>) -> Self {
        let graph = picture.graph;
        let boxes = graph.of(Kind::Namespace).flat_map(|node| {
            let lines = picture.lines(node);
            let inside = widest(lines.iter().map(|line| line.text.width()));
            [node.name.width() + 2, inside]
        });
        let ports = || {
            let bridges = graph.of(Kind::Bridge);
            bridges.flat_map(|bridge| graph.ports(bridge.id))
        };
        let plugged = ports()
            .filter(|edge| edge.link == Link::Plug)
            .map(|edge| picture.plugged_uplink(&edge.a).width());
        let inside = widest(boxes.chain(plugged));
        let namespace_width = if inside == 0 { 0 } else { inside + FRAME };
        let port_width = if picture.with_ports {
            widest(ports().map(|edge| edge.b.interface.width())) + 4
        } else {
            2
        };
        let bridges = widest(graph.of(Kind::Bridge).flat_map(|bridge| {
            let own = [bridge.name.width() + 2];
            own.into_iter()
                .chain(bridge.details().iter().map(|line| line.width()))
                .collect::<Vec<_>>()
        }));
        let bridge_width = if bridges == 0 { 0 } else { bridges + FRAME };
        let router = if namespace_width == 0 { 0 } else { namespace_width + GAP };
        let bridge = router + 1 + port_width;
        // The texts left of the trunk can need more room than the bridges.
        let uplinks = graph.of(Kind::Uplink);
        let uplinks =
            uplinks.flat_map(|node| [uplink_label(node).width(), uplink_details(node).width()]);
        let routers = graph.of(Kind::Router).flat_map(|router| {
            let ends = router.interfaces.iter().map(|interface| interface.describe().width() + 2);
            let notes = router.notes.iter().map(|note| note.width() + 1);
            ends.chain(notes)
                .chain([graph.router_function().width(), router.name.width()])
                .collect::<Vec<_>>()
        });
        let trunk = (bridge + bridge_width + 1).max(router + widest(uplinks.chain(routers)) + 3);
        Self { namespace_width, router, bridge, bridge_width, trunk, wall: trunk + 2 }
    }
}
