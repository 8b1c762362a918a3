//! A lab as a graph: nodes, edges and rules as data, and the forms in which it is shown.
//! Pure: no system calls.

mod build;
mod dot;
mod fold;
mod mermaid;
mod svg;
#[cfg(test)]
mod tests;
pub mod text;
mod words;

use std::{fmt, ops};

use serde::{Serialize, Serializer};

pub use dot::dot;
pub use fold::MAX_DRAWN;
pub use mermaid::mermaid;
pub use svg::svg;

/// What a lab consists of, in an order in which it can be drawn.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Graph {
    pub lab: String,
    /// A router comes before what is in it; namespaces and outsides come last.
    pub nodes: Vec<Node>,
    pub edges: Vec<Edge>,
    pub rules: Vec<Rule>,
    /// Whether translated packets take the way through the kernel's stack.
    pub via_stack: bool,
}

/// Names a node in its graph. Shown and serialised like `n3`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Id(usize);

/// What a node is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Router,
    /// In a router.
    Bridge,
    /// In a router.
    Uplink,
    Namespace,
    Outside,
}

/// A part of the lab, or several that are alike.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Node {
    pub id: Id,
    pub kind: Kind,
    /// Of several: the first and the last.
    pub name: String,
    /// How many namespaces it stands for.
    pub count: usize,
    /// What a bridge or an uplink is in.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub router: Option<Id>,
    /// A bridge's or an uplink's own; an uplink's first one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// An uplink's further ones.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub further_addresses: Vec<String>,
    /// An uplink's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gateway: Option<String>,
    /// Ends of cables in a namespace, whatever its role.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub interfaces: Vec<Interface>,
    /// Further addresses that an outside answers for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub answers: Vec<String>,
    /// What else there is to know, a line each: routes, MTU, name servers.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub notes: Vec<String>,
}

/// An end of a cable, or those of several namespaces that are alike.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Interface {
    pub name: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
}

/// What a cable connects.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Link {
    /// A namespace with a bridge.
    Port,
    /// An uplink with an outside.
    Outside,
    /// An uplink with a bridge of another router.
    Plug,
    /// Two namespaces, of whatever role.
    Direct,
}

/// A cable, or several between the same nodes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Edge {
    pub link: Link,
    pub a: End,
    pub b: End,
    /// How many cables it stands for.
    pub count: usize,
    /// Bytes; `None`: the kernel's default, or that of the bridge.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mtu: Option<u32>,
}

/// Where a cable ends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct End {
    pub node: Id,
    pub interface: String,
}

/// A NAT rule in words.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Rule {
    /// "masquerade", "routed" or "forward".
    pub kind: &'static str,
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
    /// What it is called.
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

    /// The bridges or uplinks in a router.
    fn inside(&self, router: Id, kind: Kind) -> impl Iterator<Item = &Node> {
        self.of(kind).filter(move |node| node.router == Some(router))
    }

    /// The cables on a bridge from namespaces and from other routers' uplinks.
    fn ports(&self, bridge: Id) -> impl Iterator<Item = &Edge> {
        self.edges.iter().filter(move |edge| {
            edge.b.node == bridge && matches!(edge.link, Link::Port | Link::Plug)
        })
    }

    /// Where an uplink leads, if the lab made it.
    fn way_out(&self, uplink: Id) -> Option<&Edge> {
        self.edges.iter().find(|edge| edge.a.node == uplink && edge.link != Link::Direct)
    }

    /// The cables between namespaces.
    fn direct(&self) -> impl Iterator<Item = &Edge> {
        self.edges.iter().filter(|edge| edge.link == Link::Direct)
    }

    /// Whether a cable leads to a bridge from here.
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

    /// What is at the far end of a cable to or from an outside, for pictures in which only
    /// uplinks lead there.
    fn beyond(&self, node: &Node, interface: &str) -> Option<String> {
        let own = End { node: node.id, interface: interface.to_owned() };
        let (edge, far) = self.cable_at(&own)?;
        let ends = [node.kind, self[far.node].kind];
        (edge.link == Link::Direct && ends.contains(&Kind::Outside)).then(|| self.end(far))
    }

    /// The end of a cable as one would say it: `red:veth-red`, or of several `200 ports`.
    fn end(&self, end: &End) -> String {
        let node = &self[end.node];
        let owner = node.router.map_or(node, |router| &self[router]);
        format!("{}:{}", owner.name, end.interface)
    }

    /// What a router does between its bridges and uplinks.
    fn work(&self) -> &'static str {
        match (self.rules.is_empty(), self.via_stack) {
            (true, _) => "routing",
            (false, false) => "routing and NAT",
            (false, true) => "routing and NAT via stack",
        }
    }
}
