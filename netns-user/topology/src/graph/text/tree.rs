//! The lab as a tree, for terminals that are too narrow for its picture.

use anstyle::Style;

use super::style::{PLAIN, Styles, paint};
use crate::graph::{Graph, Kind, Link, Node};

/// A line of the tree, and the lines below it.
struct Branch {
    text: String,
    style: Style,
    below: Vec<Branch>,
}

impl Branch {
    fn leaf(text: String) -> Self {
        Self { text, style: PLAIN, below: Vec::new() }
    }

    fn of(node: &Node, style: Style) -> Self {
        let below = node.details().into_iter().map(Self::leaf).collect();
        Self { text: node.name.clone(), style, below }
    }
}

/// The lines of the tree, with ANSI sequences.
pub(super) fn tree(graph: &Graph, styles: &Styles) -> Vec<String> {
    let mut lines = Vec::new();
    let mut roots: Vec<Branch> =
        graph.of(Kind::Router).map(|node| router(graph, node, styles)).collect();
    roots.extend(
        graph
            .of(Kind::Namespace)
            .filter(|node| !graph.is_plugged(node.id))
            .map(|node| namespace(graph, node, styles)),
    );
    let cables = cables(graph);
    if !cables.is_empty() {
        roots.push(Branch { text: "cables".into(), style: styles.heading, below: cables });
    }
    for root in &roots {
        lines.push(paint(root.style, &root.text));
        write(&mut lines, &root.below, "", styles.faint);
    }
    lines
}

fn write(lines: &mut Vec<String>, branches: &[Branch], indent: &str, faint: Style) {
    for (index, branch) in branches.iter().enumerate() {
        let (fork, more) =
            if index + 1 == branches.len() { ("╰ ", "  ") } else { ("├ ", "│ ") };
        let stem = paint(faint, format!("{indent}{fork}"));
        lines.push(format!("{stem}{}", paint(branch.style, &branch.text)));
        write(lines, &branch.below, &format!("{indent}{more}"), faint);
    }
}

fn namespace(graph: &Graph, node: &Node, styles: &Styles) -> Branch {
    let index = graph.of(Kind::Namespace).position(|other| other.id == node.id);
    Branch::of(node, (styles.namespace)(&node.name, index.unwrap_or_default()))
}

fn router(graph: &Graph, node: &Node, styles: &Styles) -> Branch {
    let mut branch = Branch::of(node, styles.heading);
    for bridge in graph.inside(node.id, Kind::Bridge) {
        let mut below = Branch::of(bridge, styles.heading);
        for edge in graph.ports(bridge.id) {
            let far = &graph[edge.a.node];
            below.below.push(match edge.link {
                Link::Plug => {
                    Branch::leaf(format!("{} ◁ {}", edge.b.interface, graph.end(&edge.a)))
                }
                Link::Port | Link::Outside | Link::Direct => namespace(graph, far, styles),
            });
        }
        branch.below.push(below);
    }
    for uplink in graph.inside(node.id, Kind::Uplink) {
        let mut below = Branch::of(uplink, styles.heading);
        match graph.uplink_edge(uplink.id) {
            Some(edge) if edge.link == Link::Plug => {
                below.below.push(Branch::leaf(format!("▷ {}", graph.end(&edge.b))));
            }
            Some(edge) => below.below.push(Branch::of(&graph[edge.b.node], styles.heading)),
            None => {}
        }
        branch.below.push(below);
    }
    branch
}

fn cables(graph: &Graph) -> Vec<Branch> {
    graph
        .direct()
        .map(|edge| {
            let mtu = edge.mtu.map_or(String::new(), |mtu| format!(" mtu {mtu}"));
            let below = vec![Branch::leaf(format!("{}{mtu}", graph.end(&edge.b)))];
            Branch { text: graph.end(&edge.a), style: PLAIN, below }
        })
        .collect()
}
