//! The drawing of a graph as a Mermaid flowchart, which README files and wikis display.

use super::{Graph, Kind, Link, Node};

/// Colours that are readable on a light and on a dark page.
const CLASSES: &str = "  classDef router fill:#475569,stroke:#334155,color:#ffffff
  classDef bridge fill:#0f766e,stroke:#115e59,color:#ffffff
  classDef uplink fill:#b45309,stroke:#92400e,color:#ffffff
  classDef namespace fill:#1d4ed8,stroke:#1e40af,color:#ffffff
  classDef outside fill:#6d28d9,stroke:#5b21b6,color:#ffffff
";

/// The graph as a Mermaid flowchart, with a final newline.
pub fn mermaid(graph: &Graph) -> String {
    let mut text = String::from("flowchart LR\n");
    for router in graph.of(Kind::Router) {
        let id = router.id;
        text += &format!("  subgraph router_{id}[\"{}\"]\n", escaped(&router.name));
        let label = lines(graph.router_lines(router));
        text += &format!("    {id}{{{{\"{label}\"}}}}:::router\n");
        for part in graph.parts_of(id) {
            text += &format!("    {}\n", shape(part));
        }
        for bridge in graph.inside(id, Kind::Bridge) {
            text += &format!("    {} --- {id}\n", bridge.id);
        }
        for uplink in graph.inside(id, Kind::Uplink) {
            text += &format!("    {id} --- {}\n", uplink.id);
        }
        text += "  end\n";
    }
    for node in graph.of(Kind::Namespace).chain(graph.of(Kind::Outside)) {
        text += &format!("  {}\n", shape(node));
    }
    for edge in &graph.edges {
        let label = match edge.link {
            Link::Port | Link::Plug | Link::Outside => escaped(&edge.b.interface),
            Link::Direct if edge.count > 1 => format!("{} cables", edge.count),
            Link::Direct => {
                format!("{} - {}", escaped(&edge.a.interface), escaped(&edge.b.interface))
            }
        };
        text += &format!("  {} ---|\"{label}\"| {}\n", edge.a.node, edge.b.node);
    }
    if !graph.rules.is_empty() {
        let rules = graph.rules.iter().map(|rule| format!("{} {}", rule.kind, rule.text));
        text += &format!("  rules[/\"{}\"/]\n", lines(rules));
    }
    text + CLASSES
}

fn shape(node: &Node) -> String {
    let (id, class) = (node.id, node.kind.name());
    let text = lines(std::iter::once(node.name.clone()).chain(node.details()));
    let (open, close) = match node.kind {
        Kind::Uplink => ("([", "])"),
        Kind::Outside => ("[[", "]]"),
        Kind::Namespace => ("(", ")"),
        Kind::Router | Kind::Bridge => ("[", "]"),
    };
    format!("{id}{open}\"{text}\"{close}:::{class}")
}

fn lines(lines: impl IntoIterator<Item = String>) -> String {
    lines.into_iter().map(|line| escaped(&line)).collect::<Vec<_>>().join("<br/>")
}

/// Replaces what has a meaning in Mermaid, or in the HTML that it produces, by Mermaid's entities.
fn escaped(text: &str) -> String {
    text.chars().fold(String::new(), |text, c| match c {
        // Mermaid reads a backslash and an n as a new line, so that a zero-width space follows the
        // backslash.
        '\\' => text + "#92;#8203;",
        '"' | '#' | '&' | '<' | '>' | '`' | '*' | ';' => text + &format!("#{};", u32::from(c)),
        c => text + &c.to_string(),
    })
}
