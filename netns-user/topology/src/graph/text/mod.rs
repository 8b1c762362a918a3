//! The drawing of a graph as text for a terminal: a picture where it fits, otherwise a tree.

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
/// `width` is the number of columns of the terminal. Where the picture does not fit, it is drawn
/// without the names of bridge ports. Where it still does not fit, the lab is listed as a tree.
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
