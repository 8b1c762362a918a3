//! Which routers are drawn left of others, among the ports of a bridge.

use std::collections::{HashMap, HashSet};

use crate::graph::{Graph, Id, Kind, Link};

/// Routers that are drawn among the ports of another router's bridge, because all of their uplinks
/// are plugged into it. All other routers are drawn by themselves.
#[derive(Debug)]
pub(super) struct Nesting {
    /// The bridge that a router is drawn at.
    at: HashMap<Id, Id>,
}

impl Nesting {
    pub(super) fn of(graph: &Graph) -> Self {
        let at: HashMap<Id, Id> = graph
            .of(Kind::Router)
            .filter_map(|router| Some((router.id, only_bridge(graph, router.id)?)))
            .collect();
        let mut nesting = Self { at };
        // Routers that are plugged into each other in a circle are drawn by themselves.
        let circular: Vec<Id> = nesting
            .at
            .keys()
            .copied()
            .filter(|router| nesting.is_in_circle(graph, *router))
            .collect();
        for router in circular {
            nesting.at.remove(&router);
        }
        nesting
    }

    /// The bridge that a router is drawn at.
    pub(super) fn bridge_of(&self, router: Id) -> Option<Id> {
        self.at.get(&router).copied()
    }

    fn is_in_circle(&self, graph: &Graph, router: Id) -> bool {
        let mut seen = HashSet::new();
        let mut at = router;
        while let Some(next) = self.bridge_of(at).and_then(|bridge| graph[bridge].router) {
            if !seen.insert(next) {
                return true;
            }
            at = next;
        }
        false
    }
}

/// The bridge that all uplinks of a router are plugged into.
fn only_bridge(graph: &Graph, router: Id) -> Option<Id> {
    let mut bridges = graph.inside(router, Kind::Uplink).map(|uplink| {
        let edge = graph.uplink_edge(uplink.id)?;
        (edge.link == Link::Plug).then_some(edge.b.node)
    });
    let first = bridges.next()??;
    bridges.all(|bridge| bridge == Some(first)).then_some(first)
}
