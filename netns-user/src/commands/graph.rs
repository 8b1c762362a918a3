//! `netns graph [FILE|LAB]`

use std::{collections::HashSet, hash::Hash, path::Path, process::ExitCode};

use anyhow::{Context as _, bail};

use super::{down::is_file, print_text, read_topology, routers::routers};
use crate::{
    cli::{GraphArgs, GraphFormat, or_of_environment},
    datapath::Datapath,
    files::write_output,
    graph::{Graph, dot, mermaid, svg, text::text},
    lab::{self, LabError},
    output::{style::DRAWING, terminal, to_json},
    shell,
    topology::Topology,
};

/// Draws a lab.
///
/// # Errors
/// When the file is faulty, the lab is not up, several are up and none is named, the extension of
/// the output file belongs to no format, or the drawing cannot be written.
pub fn run(args: &GraphArgs, json: bool) -> anyhow::Result<ExitCode> {
    let format = if json { GraphFormat::Text } else { format(args)? };
    let topology = topology(or_of_environment(args.lab.as_ref()).as_deref())?;
    let graph = Graph::new(&topology, !args.all);
    let drawing = if json { to_json(&graph)? } else { draw(&graph, format, args.output.is_some()) };
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
            Ok(record) => Ok(with_live_rules(record.topology)),
            Err(LabError::NoLab) => {
                crate::tell!("no lab is up: this is the lab that `netns up` builds");
                Ok(Topology::lecture())
            }
            Err(error) => Err(error.into()),
        },
    }
}

/// The topology of a lab that is up, with the rules that it has now: commands may have changed them
/// since `up`. Rules that cannot be read are those of its file.
fn with_live_rules(mut topology: Topology) -> Topology {
    let live = || -> anyhow::Result<_> {
        let (mut masquerades, mut forwards) = (Vec::new(), Vec::new());
        for router in routers(&topology, None)? {
            let datapath = Datapath::open(&router.datapath)?;
            masquerades.extend(datapath.masquerades()?.into_iter().map(|status| status.rule));
            forwards.extend(datapath.forwards()?.into_iter().map(|status| status.rule));
        }
        Ok((masquerades, forwards))
    };
    if let Ok((masquerades, forwards)) = live() {
        topology.masquerades = in_order(&topology.masquerades, masquerades);
        topology.forwards = in_order(&topology.forwards, forwards);
    }
    topology
}

/// The rules that exist, each once: those of the file first and in its order.
fn in_order<R: Clone + Eq + Hash>(of_file: &[R], live: Vec<R>) -> Vec<R> {
    let mut new = live.clone();
    let mut live: HashSet<R> = live.into_iter().collect();
    let mut rules = of_file.to_vec();
    // A rule that was taken is not taken a second time.
    rules.retain(|rule| live.remove(rule));
    new.retain(|rule| live.remove(rule));
    rules.extend(new);
    rules
}

fn draw(graph: &Graph, format: GraphFormat, in_file: bool) -> String {
    match format {
        GraphFormat::Mermaid => mermaid(graph),
        GraphFormat::Dot => dot(graph),
        GraphFormat::Svg => svg(graph),
        GraphFormat::Text => {
            let width = if in_file { usize::MAX } else { terminal::width() };
            let lines = text(graph, width, &DRAWING).join("\n") + "\n";
            // Standard output sees to colour by itself.
            if in_file { anstream::adapter::strip_str(&lines).to_string() } else { lines }
        }
    }
}

/// The format of the options: `--format`, else that of the output file.
fn format(args: &GraphArgs) -> anyhow::Result<GraphFormat> {
    match (args.format, &args.output) {
        (Some(format), _) => Ok(format),
        (None, Some(file)) => format_of(file, args.lab.as_deref()),
        (None, None) => Ok(GraphFormat::Text),
    }
}

/// The format that belongs to a file's extension.
fn format_of(file: &Path, lab: Option<&str>) -> anyhow::Result<GraphFormat> {
    let Some(extension) = file.extension() else { return Ok(GraphFormat::Text) };
    let extension = extension.to_string_lossy().to_lowercase();
    Ok(match extension.as_str() {
        "txt" => GraphFormat::Text,
        "svg" => GraphFormat::Svg,
        "dot" | "gv" => GraphFormat::Dot,
        "mmd" | "mermaid" => GraphFormat::Mermaid,
        other => bail!(
            "cannot draw {}: the formats are text (.txt), Mermaid (.mmd), DOT (.dot) and SVG (.svg), \
             not \"{other}\"; {}",
            file.display(),
            remedy(other, file, lab)
        ),
    })
}

/// How to make a file with an extension that belongs to no format.
fn remedy(extension: &str, file: &Path, lab: Option<&str>) -> String {
    let lab = lab.map(|lab| format!(" {}", shell::word(lab))).unwrap_or_default();
    let file = shell::word(&file.display().to_string());
    match extension {
        "json" => format!("for data, use --json: `netns graph{lab} --json -o {file}`"),
        "gif" | "jpeg" | "jpg" | "pdf" | "png" | "ps" | "webp" => format!(
            "Graphviz makes it: `netns graph{lab} --format dot | dot -T{extension} -o {file}`"
        ),
        _ => "select one with --format".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_extension_of_a_file_decides_its_format() {
        let of = |name: &str| format_of(Path::new(name), None).unwrap();
        assert_eq!(of("lab.svg"), GraphFormat::Svg);
        assert_eq!(of("LAB.SVG"), GraphFormat::Svg);
        assert_eq!(of("lab.gv"), GraphFormat::Dot);
        assert_eq!(of("a.b/lab.mmd"), GraphFormat::Mermaid);
        assert_eq!(of("lab.txt"), GraphFormat::Text);
        assert_eq!(of("a.b/svg"), GraphFormat::Text);
    }

    #[test]
    fn the_error_for_another_extension_names_the_formats_and_how_to_make_the_file() {
        let fault = |name: &str, lab| format_of(Path::new(name), lab).unwrap_err().to_string();
        assert_eq!(
            fault("my lab.png", Some("town")),
            "cannot draw my lab.png: the formats are text (.txt), Mermaid (.mmd), DOT (.dot) and SVG \
             (.svg), not \"png\"; Graphviz makes it: `netns graph town --format dot | dot -Tpng -o \
             'my lab.png'`"
        );
        let data = fault("lab.json", None);
        assert!(data.ends_with("use --json: `netns graph --json -o lab.json`"), "{data}");
        assert!(fault("lab.doc", None).ends_with("select one with --format"));
    }
}
