//! Distances, and the widths of the columns, which are the same in the whole picture.

use std::collections::HashMap;

use super::{
    card::{Card, shorten},
    style::{NAME, SMALL, TEXT, fixed_width, prose_width},
};
use crate::graph::{Graph, Id, Kind, Link};

/// Pixels between the parts of a router.
pub(super) const SPACE: f32 = 30.0;
/// Pixels from the wall of a router to its parts.
pub(super) const MARGIN: f32 = 18.0;
/// Pixels between a namespace and a router.
pub(super) const GAP: f32 = 56.0;
/// Pixels between boxes above each other.
pub(super) const STACK: f32 = 14.0;

/// All boxes with their sizes, and the columns that follow from them.
#[derive(Debug)]
pub(super) struct Columns {
    pub(super) cards: HashMap<Id, Card>,
    pub(super) namespace: f32,
    /// The names of ports, from the router's wall to its bridges.
    pub(super) port: f32,
    pub(super) bridge: f32,
    /// The router's function.
    pub(super) function: f32,
    pub(super) uplink: f32,
    /// A whole router.
    pub(super) router: f32,
    /// Pixels of the router that no column needs.
    pub(super) spare: f32,
}

impl Columns {
    pub(super) fn of(graph: &Graph) -> Self {
        let cards: HashMap<Id, Card> =
            graph.nodes.iter().map(|node| (node.id, Card::of(graph, node))).collect();
        let widest = |kind: Kind| {
            graph.of(kind).map(|node| cards[&node.id].width).fold(0.0, f32::max).ceil()
        };
        let references = graph.edges.iter().filter(|edge| edge.link == Link::Plug);
        let references = references.map(|edge| reference_width(&graph.end(&edge.a)));
        let ports = graph.edges.iter().filter(|edge| matches!(edge.link, Link::Port | Link::Plug));
        let ports =
            ports.map(|edge| fixed_width(&shorten(&edge.b.interface), SMALL) + 2.0 * MARGIN);
        let (namespace, port) = (
            references.fold(widest(Kind::Namespace), f32::max).ceil(),
            ports.fold(MARGIN, f32::max).ceil(),
        );
        let (bridge, uplink) = (widest(Kind::Bridge), widest(Kind::Uplink));
        let function = (prose_width(graph.router_function(), TEXT) + 28.0).ceil();
        let mut router = port + function + MARGIN;
        for part in [bridge, uplink] {
            router += if part > 0.0 { part + SPACE } else { 0.0 };
        }
        let needed = graph.of(Kind::Router).flat_map(|node| {
            let title =
                fixed_width(&shorten(&node.name), NAME) + prose_width("router", SMALL) + 12.0;
            let lines = node.interfaces.iter().map(|interface| interface.describe());
            let lines = lines.chain(node.notes.iter().cloned());
            let lines = lines.map(|line| fixed_width(&shorten(&line), TEXT));
            lines.chain([title]).map(|width| width + 2.0 * MARGIN).collect::<Vec<_>>()
        });
        let needed = needed.fold(router, f32::max).ceil();
        Self {
            cards,
            namespace,
            port,
            bridge,
            function,
            uplink,
            router: needed,
            spare: needed - router,
        }
    }
}

/// The width in pixels of the dashed box that names something drawn elsewhere.
pub(super) fn reference_width(text: &str) -> f32 {
    fixed_width(&shorten(text), TEXT) + 24.0
}
