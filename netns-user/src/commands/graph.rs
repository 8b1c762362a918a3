//! `netns graph [FILE|LAB]`

use std::{path::Path, process::ExitCode};

use anyhow::Context as _;

use super::{down::is_file, print_text, read_topology};
use crate::{
    cli::{GraphArgs, GraphFormat, or_of_environment},
    files::write_output,
    graph::{Graph, dot, mermaid, svg, text::text},
    lab::{self, LabError},
    output::{style::DRAWING, terminal, to_json},
    topology::Topology,
};

/// Draws a lab.
///
/// # Errors
/// When the file is faulty, the lab is not up, several are up and none is named, or the
/// drawing cannot be written.
pub fn run(args: &GraphArgs, json: bool) -> anyhow::Result<ExitCode> {
    let topology = topology(or_of_environment(args.lab.as_ref()).as_deref())?;
    let graph = Graph::new(&topology, !args.all);
    let drawing = if json { to_json(&graph)? } else { draw(&graph, args) };
    match &args.output {
        Some(file) => {
            write_output(file, drawing.as_bytes())
                .with_context(|| format!("cannot write {}", file.display()))?;
        }
        None => print_text(&drawing)?,
    }
    Ok(ExitCode::SUCCESS)
}

fn topology(lab: Option<&str>) -> anyhow::Result<Topology> {
    match lab {
        Some(lab) if is_file(lab) => read_topology(Path::new(lab)),
        lab => match lab::choose(lab) {
            Ok(record) => Ok(record.topology),
            Err(LabError::NoLab) => {
                crate::tell!("no lab is up: this is the lab that `netns up` builds");
                Ok(Topology::lecture())
            }
            Err(error) => Err(error.into()),
        },
    }
}

fn draw(graph: &Graph, args: &GraphArgs) -> String {
    let format = args.format.or_else(|| args.output.as_deref().and_then(format_of));
    match format.unwrap_or(GraphFormat::Text) {
        GraphFormat::Mermaid => mermaid(graph),
        GraphFormat::Dot => dot(graph),
        GraphFormat::Svg => svg(graph),
        GraphFormat::Text => {
            let in_file = args.output.is_some();
            let width = if in_file { usize::MAX } else { terminal::width() };
            let lines = text(graph, width, &DRAWING).join("\n") + "\n";
            // Standard output sees to colour by itself.
            if in_file { anstream::adapter::strip_str(&lines).to_string() } else { lines }
        }
    }
}

/// The format that belongs to a file's extension.
fn format_of(file: &Path) -> Option<GraphFormat> {
    match file.extension()?.to_str()? {
        "svg" => Some(GraphFormat::Svg),
        "dot" | "gv" => Some(GraphFormat::Dot),
        "mmd" | "mermaid" => Some(GraphFormat::Mermaid),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_extension_of_a_file_decides_its_format() {
        let of = |name: &str| format_of(Path::new(name));
        assert_eq!(of("lab.svg"), Some(GraphFormat::Svg));
        assert_eq!(of("lab.gv"), Some(GraphFormat::Dot));
        assert_eq!(of("a.b/lab.mmd"), Some(GraphFormat::Mermaid));
        assert_eq!(of("lab.txt"), None);
        assert_eq!(of("svg"), None);
    }
}
