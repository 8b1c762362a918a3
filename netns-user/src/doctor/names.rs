//! Whether the names that a lab will bear are free.

use nix::unistd::geteuid;

use super::{Finding, Subject, Verdict, shell};
use crate::{
    lab::{self, LabError},
    step::Step,
};

const CHECK: &str = "names";

pub(super) fn check(subject: &Subject) -> Vec<Finding> {
    // The names of labs in general are anybody's.
    let Some(lab) = &subject.lab else { return Vec::new() };
    match lab::obstacles(lab) {
        Ok(found) if found.is_empty() => vec![Finding::sound(
            CHECK,
            if subject.living { "those of the lab are its own" } else { "none is taken" },
        )],
        Ok(found) => found.iter().map(taken).collect(),
        Err(_) if !geteuid().is_root() => {
            vec![Finding::unseen(CHECK, "what others have", subject)]
        }
        Err(error) => vec![
            Finding::new(CHECK, Verdict::Doubtful, error.to_string())
                .meaning("whether a name is taken is not known: this shows what there is")
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
            ("the lab is refused while that one is up", format!("netns down {}", shell::word(lab)))
        }
        error => ("the lab is refused: if nobody needs what is there, this deletes it", rid(error)),
    };
    finding.meaning(meaning).command(command)
}

/// The command that deletes what is in the way.
fn rid(error: &LabError) -> String {
    match error {
        LabError::NamespaceTaken(name) => format!("netns del {}", shell::word(name)),
        LabError::LinkTaken(interface) => {
            Step::DeleteLink { interface: interface.clone() }.commands().join(" && ")
        }
        LabError::RouteTaken { to, metric } => format!("ip route del {to} metric {metric}"),
        LabError::FileTaken { path } => format!("rm {}", shell::word(&path.to_string_lossy())),
        LabError::DatapathTaken { lab, .. } => format!("netns down {}", shell::word(lab)),
        // What cannot be read is told by the command that reads it.
        _ => "netns status".to_owned(),
    }
}
