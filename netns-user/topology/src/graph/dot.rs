//! The drawing of a graph in DOT, the language of Graphviz.

use super::{Graph, Kind, Link, Node};

const STYLE: &str =
    "  graph [rankdir=LR, ranksep=1.2, nodesep=0.25, fontname=\"Helvetica\", fontsize=12]
  node [shape=box, style=\"rounded,filled\", fontname=\"monospace\", fontsize=11]
  edge [fontname=\"monospace\", fontsize=9, color=\"#64748b\", fontcolor=\"#475569\"]
";

/// The graph as DOT, with a final newline. The graph has the name of the lab.
pub fn dot(graph: &Graph) -> String {
    let mut text = format!("graph {} {{\n{STYLE}", quoted([graph.lab.clone()]));
    for router in graph.of(Kind::Router) {
        let id = router.id;
        text += &format!("  subgraph cluster_{id} {{\n");
        text += &format!(
            "    label={}; style=rounded; color=\"#94a3b8\"\n",
            quoted([router.name.clone()])
        );
        let label = quoted(graph.router_lines(router));
        text += &format!("    {id} [label={label}, {}]\n", style_of(Kind::Router));
        for part in graph.parts_of(id) {
            text += &format!("    {}\n", statement(part));
        }
        for bridge in graph.inside(id, Kind::Bridge) {
            text += &format!("    {} -- {id}\n", bridge.id);
        }
        for uplink in graph.inside(id, Kind::Uplink) {
            text += &format!("    {id} -- {}\n", uplink.id);
        }
        text += "  }\n";
    }
    for node in graph.of(Kind::Namespace).chain(graph.of(Kind::Outside)) {
        text += &format!("  {}\n", statement(node));
    }
    for edge in &graph.edges {
        let label = quoted([format!("{} - {}", edge.a.interface, edge.b.interface)]);
        // Cables between namespaces do not move them: all namespaces stay in one column.
        let rank = if edge.link == Link::Direct { ", constraint=false" } else { "" };
        text += &format!("  {} -- {} [label={label}{rank}]\n", edge.a.node, edge.b.node);
    }
    if !graph.rules.is_empty() {
        // Lines that end in \\l are aligned to the left. The label comes last: earlier, it would
        // become the label of the routers too.
        let rules: String = graph
            .rules
            .iter()
            .map(|rule| escaped(&format!("{} {}", rule.kind, rule.text)) + "\\l")
            .collect();
        text += &format!("  label=\"{rules}\"; labelloc=b; labeljust=l\n");
    }
    text + "}\n"
}

fn statement(node: &Node) -> String {
    let text = quoted(std::iter::once(node.name.clone()).chain(node.details()));
    format!("{} [label={text}, {}]", node.id, style_of(node.kind))
}

fn style_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Router => "shape=hexagon, style=filled, fillcolor=\"#e2e8f0\"",
        Kind::Bridge => "style=filled, fillcolor=\"#ccfbf1\"",
        Kind::Uplink => "fillcolor=\"#fef3c7\"",
        Kind::Namespace => "fillcolor=\"#dbeafe\"",
        Kind::Outside => "fillcolor=\"#ede9fe\", peripheries=2",
    }
}

/// Lines as one DOT string, each centred.
fn quoted(lines: impl IntoIterator<Item = String>) -> String {
    let lines: Vec<String> = lines.into_iter().map(|line| escaped(&line)).collect();
    format!("\"{}\"", lines.join("\\n"))
}

/// Escapes what has a meaning in a DOT string: quotes, backslashes and the entities of HTML.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('&', "&amp;")
}
