//! A graph in the language of Graphviz.

use super::{Graph, Kind, Link, Node};

const STYLE: &str =
    "  graph [rankdir=LR, ranksep=1.2, nodesep=0.25, fontname=\"Helvetica\", fontsize=12]
  node [shape=box, style=\"rounded,filled\", fontname=\"monospace\", fontsize=11]
  edge [fontname=\"monospace\", fontsize=9, color=\"#64748b\", fontcolor=\"#475569\"]
";

/// The graph as text, with a final newline. Its name is the lab's.
pub fn dot(graph: &Graph) -> String {
    let mut text = format!("graph {} {{\n{STYLE}", quoted([graph.lab.clone()]));
    for router in graph.of(Kind::Router) {
        let id = router.id;
        text += &format!("  subgraph cluster_{id} {{\n");
        text += &format!(
            "    label={}; style=rounded; color=\"#94a3b8\"\n",
            quoted([router.name.clone()])
        );
        let work = [vec![graph.work().to_owned()], router.notes.clone()].concat();
        text += &format!("    {id} [label={}, {}]\n", quoted(work), look(Kind::Router));
        let (bridges, uplinks) = (graph.inside(id, Kind::Bridge), graph.inside(id, Kind::Uplink));
        for part in bridges.chain(uplinks) {
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
        // Namespaces stay below each other, whatever cables they have among themselves.
        let rank = if edge.link == Link::Direct { ", constraint=false" } else { "" };
        text += &format!("  {} -- {} [label={label}{rank}]\n", edge.a.node, edge.b.node);
    }
    if !graph.rules.is_empty() {
        // Aligned to the left, a rule a line. Earlier it would be the label of routers too.
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
    let text = quoted(std::iter::once(node.name.clone()).chain(node.facts()));
    format!("{} [label={text}, {}]", node.id, look(node.kind))
}

fn look(kind: Kind) -> &'static str {
    match kind {
        Kind::Router => "shape=hexagon, style=filled, fillcolor=\"#e2e8f0\"",
        Kind::Bridge => "style=filled, fillcolor=\"#ccfbf1\"",
        Kind::Uplink => "fillcolor=\"#fef3c7\"",
        Kind::Namespace => "fillcolor=\"#dbeafe\"",
        Kind::Outside => "fillcolor=\"#ede9fe\", peripheries=2",
    }
}

/// Lines as one string of the language, each centred.
fn quoted(lines: impl IntoIterator<Item = String>) -> String {
    let lines: Vec<String> = lines.into_iter().map(|line| escaped(&line)).collect();
    format!("\"{}\"", lines.join("\\n"))
}

/// Besides quotes and backslashes Graphviz reads the entities of HTML.
fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('&', "&amp;")
}
