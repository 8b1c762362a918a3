//! Widths that are the same all over the picture, so that things stand below each other.

use std::collections::HashMap;

use super::{
    card::{Card, shorten},
    style::{NAME, SMALL, TEXT, fixed, words},
};
use crate::graph::{Graph, Id, Kind, Link};

/// Pixels between a router's parts, and from its wall to them.
pub(super) const SPACE: f32 = 30.0;
pub(super) const MARGIN: f32 = 18.0;

/// All boxes with their sizes, and the columns that follow from these.
#[derive(Debug)]
pub(super) struct Columns {
    pub(super) cards: HashMap<Id, Card>,
    pub(super) namespace: f32,
    /// From the router's wall to its bridges: the names of their ports.
    pub(super) port: f32,
    pub(super) bridge: f32,
    /// What tells the router's work.
    pub(super) work: f32,
    pub(super) uplink: f32,
    /// A whole router.
    pub(super) router: f32,
    /// Pixels of the router that are left over between its bridges and its work.
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
        let ports = ports.map(|edge| fixed(&shorten(&edge.b.interface), SMALL) + 2.0 * MARGIN);
        let (namespace, port) = (
            references.fold(widest(Kind::Namespace), f32::max).ceil(),
            ports.fold(MARGIN, f32::max).ceil(),
        );
        let (bridge, uplink) = (widest(Kind::Bridge), widest(Kind::Uplink));
        let work = (words(graph.work(), TEXT) + 28.0).ceil();
        let mut router = port + work + MARGIN;
        for part in [bridge, uplink] {
            router += if part > 0.0 { part + SPACE } else { 0.0 };
        }
        let needed = graph.of(Kind::Router).flat_map(|node| {
            let title = fixed(&shorten(&node.name), NAME) + words("router", SMALL) + 12.0;
            let lines = node.interfaces.iter().map(|interface| interface.words());
            let lines = lines.chain(node.notes.iter().cloned());
            let lines = lines.map(|line| fixed(&shorten(&line), TEXT));
            lines.chain([title]).map(|width| width + 2.0 * MARGIN).collect::<Vec<_>>()
        });
        let needed = needed.fold(router, f32::max).ceil();
        Self {
            cards,
            namespace,
            port,
            bridge,
            work,
            uplink,
            router: needed,
            spare: needed - router,
        }
    }
}

/// Pixels of the dashed box that names what is drawn elsewhere.
pub(super) fn reference_width(text: &str) -> f32 {
    fixed(&shorten(text), TEXT) + 24.0
}
