//! A lab as a drawing.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Draw a lab
///
/// Shows namespaces, bridges, routers, uplinks and what is outside, with the NAT rules, as text
/// for the terminal, a Mermaid flowchart, a graph of Graphviz, or an SVG picture that needs
/// nothing beside it. In a lab of more than 30 namespaces, those that are alike are drawn as
/// one.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  netns graph                         the only lab that is up, else the lecture's
  netns graph my.toml                 the lab of a file, built or not
  netns graph lecture -o lecture.svg
  netns graph --format dot | dot -Tpdf > lab.pdf
  netns graph --json                  nodes, edges and rules as data")]
pub struct GraphArgs {
    /// A topology file, or the name of a lab that is up; without it, the only lab that is up, or
    /// the lecture's when there is none
    #[arg(value_name = "FILE|LAB")]
    pub lab: Option<String>,
    /// Form of the drawing; without it, what the ending of the output file says, else text
    #[arg(short, long, conflicts_with = "json")]
    pub format: Option<GraphFormat>,
    /// Write to this file instead of standard output
    #[arg(short, long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Draw each namespace, however many there are
    #[arg(short, long)]
    pub all: bool,
}

/// A form of a drawing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum GraphFormat {
    Text,
    Mermaid,
    Dot,
    Svg,
}
