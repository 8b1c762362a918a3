//! The arguments of `netns graph`.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Draw a lab
///
/// Draws namespaces, bridges, routers, uplinks, the outside and the NAT rules: as text for the
/// terminal, as a Mermaid flowchart, as a Graphviz graph or as a self-contained SVG picture. In a
/// lab of more than 30 namespaces, similar namespaces are drawn as one. A lab that is up is drawn
/// with the rules that it has now.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  netns graph                         the only lab that is up, else the lecture's lab
  netns graph my.toml                 the lab of a file, up or not
  netns graph lecture -o lecture.svg
  netns graph --format dot | dot -Tpng -o lab.png
  netns graph --json                  nodes, edges and rules as data")]
pub struct GraphArgs {
    /// A topology file, or the name of a lab that is up; by default, $NETNS_LAB, the only lab that
    /// is up, or the lecture's lab when none is
    #[arg(value_name = "FILE|LAB")]
    pub lab: Option<String>,
    /// Format of the drawing; by default, that of the output file's extension (.txt, .mmd, .dot or
    /// .svg), else text
    #[arg(short, long, conflicts_with = "json")]
    pub format: Option<GraphFormat>,
    /// Write to this file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Draw every namespace, even if there are many
    #[arg(short, long)]
    pub all: bool,
}

/// The format of a drawing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum GraphFormat {
    Text,
    Mermaid,
    Dot,
    Svg,
}
