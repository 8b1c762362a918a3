//! `netns check FILE`

use std::process::ExitCode;

use schemars::JsonSchema;
use serde::Serialize;

use super::{origin, print, print_json, read_text};
use crate::{
    cli::CheckArgs,
    output::counted,
    topology::{Problem, Topology},
};

/// The result for a topology file.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Checked<'a> {
    /// Whether the file has no errors.
    valid: bool,
    /// The name of the lab; `None`: the file is not valid.
    lab: Option<&'a str>,
    /// The errors in the file, in the order of their lines.
    problems: Vec<Fault<'a>>,
}

/// An error in a topology file.
#[derive(Debug, Serialize, JsonSchema)]
struct Fault<'a> {
    /// The line, from 1 on.
    line: usize,
    /// The column in characters, from 1 on.
    column: usize,
    /// The error in words.
    message: &'a str,
}

/// Checks a topology file and changes nothing. With `json`, the errors in the file are a result.
///
/// # Errors
/// When the file cannot be read; without `json`, all errors in the file.
pub fn run(args: &CheckArgs, json: bool) -> anyhow::Result<ExitCode> {
    let origin = origin(&args.file);
    let text = read_text(&args.file)?;
    match Topology::parse(&text, &origin) {
        Ok(lab) => {
            let checked = Checked { valid: true, lab: Some(&lab.name), problems: Vec::new() };
            print(json, &checked, |_| format!("{}\n", summary(&lab)))?;
            Ok(ExitCode::SUCCESS)
        }
        Err(error) if json => {
            let problems = error.problems().iter().map(Fault::of).collect();
            print_json(&Checked { valid: false, lab: None, problems })?;
            Ok(ExitCode::FAILURE)
        }
        Err(error) => Err(error.into()),
    }
}

impl<'a> Fault<'a> {
    fn of(Problem { line, column, message }: &'a Problem) -> Self {
        Self { line: *line, column: *column, message }
    }
}

/// The number of parts of each kind, without the kinds that the lab does not have.
fn summary(lab: &Topology) -> String {
    let routers = lab.routers.iter().filter(|router| router.namespace.is_some());
    let parts = [
        (lab.namespaces.len(), "namespace"),
        (routers.count(), "router"),
        (lab.uplinks.len(), "uplink"),
        (lab.bridges.len(), "bridge"),
        (lab.cables.len(), "direct cable"),
        (lab.masquerades.len(), "masquerade"),
        (lab.forwards.len(), "forward"),
    ];
    let there = parts.into_iter().filter(|(count, _)| *count > 0);
    let parts: Vec<String> = there.map(|(count, what)| counted(count, what)).collect();
    let parts = if parts.is_empty() { "empty".to_owned() } else { parts.join(", ") };
    let on_machine = if lab.uses_machine() { "; this machine is a router" } else { "" };
    format!("lab \"{}\": {parts}{on_machine}", lab.name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_summary_counts_the_parts_of_each_kind() {
        assert_eq!(
            summary(&Topology::lecture()),
            "lab \"lecture\": 2 namespaces, 1 router, 1 uplink, 1 bridge, 1 masquerade, 1 forward"
        );
        let own = "name = \"own\"\n[[bridge]]\nname = \"br0\"\naddress = \"10.9.0.1/24\"\n";
        assert_eq!(
            summary(&Topology::parse(own, "own.toml").unwrap()),
            "lab \"own\": 1 bridge; this machine is a router"
        );
        let empty = Topology::parse("name = \"empty\"\n", "empty.toml").unwrap();
        assert_eq!(summary(&empty), "lab \"empty\": empty");
    }
}
