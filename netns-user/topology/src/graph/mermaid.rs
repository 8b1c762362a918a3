//! A graph as a Mermaid flowchart, as README files and wikis draw it.

use super::{Graph, Kind, Link, Node};

/// Colours that can be read on a light page and on a dark one.
const CLASSES: &str = "  classDef router fill:#475569,stroke:#334155,color:#ffffff
  classDef bridge fill:#0f766e,stroke:#115e59,color:#ffffff
  classDef uplink fill:#b45309,stroke:#92400e,color:#ffffff
  classDef namespace fill:#1d4ed8,stroke:#1e40af,color:#ffffff
  classDef outside fill:#6d28d9,stroke:#5b21b6,color:#ffffff
";

/// The graph as text, with a final newline.
pub fn mermaid(graph: &Graph) -> String {
    let mut text = String::from("flowchart LR\n");
    for router in graph.of(Kind::Router) {
        let id = router.id;
        text += &format!("  subgraph router_{id}[\"{}\"]\n", escaped(&router.name));
        let work = [vec![graph.work().to_owned()], router.notes.clone()].concat();
        text += &format!("    {id}{{{{\"{}\"}}}}:::router\n", lines(work));
        let (bridges, uplinks) = (graph.inside(id, Kind::Bridge), graph.inside(id, Kind::Uplink));
        for part in bridges.chain(uplinks) {
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
    let text = lines(std::iter::once(node.name.clone()).chain(node.facts()));
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

/// What means something to Mermaid, or to the HTML that it makes, as its own entities.
fn escaped(text: &str) -> String {
    text.chars().fold(String::new(), |text, c| match c {
        // What is between it and an n keeps the two from becoming a new line.
        '\\' => text + "#92;#8203;",
        '"' | '#' | '&' | '<' | '>' | '`' | '*' | ';' => text + &format!("#{};", u32::from(c)),
        c => text + &c.to_string(),
    })
}
