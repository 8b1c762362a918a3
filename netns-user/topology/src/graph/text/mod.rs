//! A graph as text for a terminal: a picture where it fits, else a tree.

mod canvas;
mod lanes;
mod picture;
mod router;
mod style;
mod tree;

pub use style::Styles;
use style::paint;

use super::Graph;

/// The graph and its rules as lines with ANSI sequences.
///
/// `width` is that of the terminal, in columns. Names of bridge ports are left out where the
/// picture would not fit otherwise; where it still does not, the lab is listed as a tree.
pub fn text(graph: &Graph, width: usize, styles: &Styles) -> Vec<String> {
    let picture = [true, false]
        .into_iter()
        .map(|with_ports| picture::picture(graph, with_ports, styles))
        .find(|canvas| canvas.width() <= width);
    let mut lines = picture.map_or_else(|| tree::tree(graph, styles), |canvas| canvas.lines());
    if !graph.rules.is_empty() {
        lines.push(String::new());
    }
    for rule in &graph.rules {
        lines.push(format!("{} {}", paint(styles.faint, format!("{:<11}", rule.kind)), rule.text));
    }
    lines
}

#[cfg(test)]
mod tests;
