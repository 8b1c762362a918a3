//! Checks that the names of a lab's namespaces, interfaces, routes and files are free.

use nix::unistd::geteuid;

use super::{
    finding::{Finding, Verdict},
    subject::Subject,
};
use crate::{
    lab::{self, LabError},
    shell,
    step::Step,
};

const CHECK: &str = "names";

pub(super) fn check(subject: &Subject) -> Vec<Finding> {
    // Labs in general have no names to check.
    let Some(lab) = &subject.lab else { return Vec::new() };
    match lab::obstacles(lab) {
        Ok(found) if found.is_empty() => vec![Finding::sound(
            CHECK,
            if subject.living { "the lab is up and uses them" } else { "none is taken" },
        )],
        Ok(found) => found.iter().map(taken).collect(),
        Err(_) if !geteuid().is_root() => {
            vec![Finding::unseen(CHECK, subject)]
        }
        Err(error) => vec![
            Finding::new(CHECK, Verdict::Doubtful, error.to_string())
                .meaning("the existing names could not be read; this shows them")
                .command("netns list; ip -br link"),
        ],
    }
}

fn taken(error: &LabError) -> Finding {
    let finding = Finding::new(CHECK, Verdict::Faulty, error.to_string());
    let (meaning, command) = match error {
        LabError::NamespaceOfLab { lab, .. }
        | LabError::LinkOfLab { lab, .. }
        | LabError::UplinkOfLab { lab, .. }
        | LabError::ForwardOfLab { lab, .. } => {
            ("`netns up` fails while that lab is up", format!("netns down {}", shell::word(lab)))
        }
        error => ("`netns up` fails; if nobody needs that object, this deletes it", rid(error)),
    };
    finding.meaning(meaning).command(command)
}

/// The command that deletes the object in the way.
fn rid(error: &LabError) -> String {
    match error {
        LabError::NamespaceTaken(name) => format!("netns del {}", shell::word(name)),
        LabError::LinkTaken(interface) => {
            Step::DeleteLink { interface: interface.clone() }.commands().join(" && ")
        }
        LabError::RouteTaken { to, metric } => format!("ip route del {to} metric {metric}"),
        LabError::FileTaken { path } => format!("rm {}", shell::word(&path.to_string_lossy())),
        LabError::DatapathTaken { lab, .. } => format!("netns down {}", shell::word(lab)),
        // `netns status` shows which record cannot be read.
        _ => "netns status".to_owned(),
    }
}
