//! A lab as a graph: nodes, edges and rules as data, and the drawings of it.

mod build;
mod describe;
mod dot;
mod fold;
mod lanes;
mod mermaid;
mod svg;
#[cfg(test)]
mod tests;
pub mod text;

use std::{fmt, ops};

use schemars::JsonSchema;
use serde::{Serialize, Serializer};

pub use dot::dot;
pub use fold::MAX_DRAWN;
pub use mermaid::mermaid;
pub use svg::svg;

/// The parts of a lab, in an order in which they can be drawn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Graph {
    /// The name of the lab.
    pub lab: String,
    /// The parts of the lab. A router comes before its bridges and uplinks; namespaces and outsides
    /// come last.
    pub nodes: Vec<Node>,
    /// The cables.
    pub edges: Vec<Edge>,
    /// The NAT rules.
    pub rules: Vec<Rule>,
    /// Whether translated packets pass through the kernel's stack.
    pub via_stack: bool,
}

/// Identifies a node in its graph. It is displayed and serialised like `n3`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(usize);

/// The kind of a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Router,
    Bridge,
    Uplink,
    Namespace,
    Outside,
}

/// A part of the lab, or several similar namespaces.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Node {
    /// Identifies it in this output: `"n3"`.
    #[schemars(with = "String")]
    pub id: Id,
    /// The kind of the part.
    pub kind: Kind,
    /// Its name; of several namespaces, the first and the last name.
    pub name: String,
    /// How many namespaces it stands for.
    pub count: usize,
    /// The `id` of the router that a bridge or an uplink is in.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>")]
    pub router: Option<Id>,
    /// The address of a bridge, or the first address of an uplink, with its prefix length.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Further addresses of an uplink.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub further_addresses: Vec<String>,
    /// The gateway of an uplink.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway: Option<String>,
    /// Ends of cables in a namespace, a router or an outside.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub interfaces: Vec<Interface>,
    /// Further addresses that an outside answers for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub answers: Vec<String>,
    /// Routes, MTU, name servers and the like, one line each.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// An end of a cable, or the ends of several similar namespaces.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Interface {
    /// Its name.
    pub name: String,
    /// Its address with its prefix length.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
}

/// The kind of a cable: the nodes that it connects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Link {
    /// A namespace with a bridge.
    Port,
    /// An uplink with an outside.
    Outside,
    /// An uplink with a bridge of another router.
    Plug,
    /// Two namespaces, routers or outsides.
    Direct,
}

/// A cable, or several between the same nodes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Edge {
    /// The nodes that it connects.
    pub link: Link,
    /// One end.
    pub a: End,
    /// The other end.
    pub b: End,
    /// How many cables it stands for.
    pub count: usize,
    /// Its MTU in bytes; `None`: the kernel's default, or that of the bridge.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u32>,
}

/// An end of an edge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct End {
    /// The `id` of the node.
    #[schemars(with = "String")]
    pub node: Id,
    /// The name of the interface; of several cables, their number.
    pub interface: String,
}

/// A NAT rule as text.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Rule {
    /// `"masquerade"`, `"routed"` or `"forward"`.
    pub kind: &'static str,
    /// The rule in words.
    pub text: String,
}

impl fmt::Display for Id {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "n{}", self.0)
    }
}

impl Serialize for Id {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl ops::Index<Id> for Graph {
    type Output = Node;

    fn index(&self, id: Id) -> &Node {
        &self.nodes[id.0]
    }
}

impl Kind {
    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Router => "router",
            Self::Bridge => "bridge",
            Self::Uplink => "uplink",
            Self::Namespace => "namespace",
            Self::Outside => "outside",
        }
    }
}

impl Graph {
    /// The nodes of a kind.
    pub fn of(&self, kind: Kind) -> impl Iterator<Item = &Node> {
        self.nodes.iter().filter(move |node| node.kind == kind)
    }

    /// The bridges or the uplinks in a router.
    fn inside(&self, router: Id, kind: Kind) -> impl Iterator<Item = &Node> {
        self.of(kind).filter(move |node| node.router == Some(router))
    }

    /// The cables on a bridge from namespaces and from other routers' uplinks.
    fn ports(&self, bridge: Id) -> impl Iterator<Item = &Edge> {
        self.edges.iter().filter(move |edge| {
            edge.b.node == bridge && matches!(edge.link, Link::Port | Link::Plug)
        })
    }

    /// The edge from an uplink to its far end. The machine's own uplinks have none.
    fn uplink_edge(&self, uplink: Id) -> Option<&Edge> {
        self.edges.iter().find(|edge| edge.a.node == uplink && edge.link != Link::Direct)
    }

    /// The cables between namespaces.
    fn direct(&self) -> impl Iterator<Item = &Edge> {
        self.edges.iter().filter(|edge| edge.link == Link::Direct)
    }

    /// Whether a node has a cable to a bridge.
    fn is_plugged(&self, node: Id) -> bool {
        self.edges.iter().any(|edge| edge.a.node == node && edge.link == Link::Port)
    }

    /// The cable that ends here, and its far end.
    fn cable_at(&self, own: &End) -> Option<(&Edge, &End)> {
        self.edges.iter().find_map(|edge| {
            if edge.a == *own {
                Some((edge, &edge.b))
            } else {
                (edge.b == *own).then_some((edge, &edge.a))
            }
        })
    }

    /// Names the far end of a cable between an outside and something else. In pictures, only the
    /// cables of uplinks to an outside are drawn, so the far ends of others are named.
    fn far_end_reference(&self, node: &Node, interface: &str) -> Option<String> {
        let own = End { node: node.id, interface: interface.to_owned() };
        let (edge, far) = self.cable_at(&own)?;
        let ends = [node.kind, self[far.node].kind];
        (edge.link == Link::Direct && ends.contains(&Kind::Outside)).then(|| self.end(far))
    }

    /// The end of a cable as text: `red:veth-red`, or `red:200 ports` for several.
    fn end(&self, end: &End) -> String {
        let node = &self[end.node];
        let owner = node.router.map_or(node, |router| &self[router]);
        format!("{}:{}", owner.name, end.interface)
    }

    /// The function of the routers.
    fn router_function(&self) -> &'static str {
        match (self.rules.is_empty(), self.via_stack) {
            (true, _) => "routing",
            (false, false) => "routing and NAT",
            (false, true) => "routing and NAT via stack",
        }
    }

    /// The function and the notes of a router, one line each.
    fn router_lines(&self, router: &Node) -> Vec<String> {
        [vec![self.router_function().to_owned()], router.notes.clone()].concat()
    }

    /// The bridges and then the uplinks of a router.
    fn parts_of(&self, router: Id) -> impl Iterator<Item = &Node> {
        self.inside(router, Kind::Bridge).chain(self.inside(router, Kind::Uplink))
    }
}
