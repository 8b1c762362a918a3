//! Checks for rules of another NAT, such as Docker's, for a port that the lab forwards.

use super::{
    finding::{Finding, Verdict},
    subject::{Router, Subject},
};
use crate::lab::{self, OtherForward};

const CHECK: &str = "other-nats";

/// Shows all rules that translate addresses.
const RULES: &str = "nft list ruleset; iptables-legacy-save -t nat";

/// Shows the ports that Docker forwards.
const DOCKER: &str = "docker ps --format '{{.Names}}: {{.Ports}}'";

pub(super) fn check(subject: &Subject) -> Vec<Finding> {
    let Some(lab) = &subject.lab else { return Vec::new() };
    // The routers are namespaces that do not exist yet, so they have no rules.
    if matches!(subject.router(), Router::Own) && !subject.living {
        return Vec::new();
    }
    match lab::other_forwards(lab) {
        Ok(found) if found.is_empty() => {
            vec![Finding::sound(CHECK, "no other NAT forwards a port that the lab forwards")]
        }
        Ok(found) => found.iter().map(judge).collect(),
        Err(_) if !nix::unistd::geteuid().is_root() => vec![Finding::unseen(CHECK, subject)],
        Err(error) => vec![
            Finding::new(CHECK, Verdict::Doubtful, error.to_string())
                .meaning("the rules of other NATs could not be read; this shows them")
                .command(RULES),
        ],
    }
}

fn judge(found: &OtherForward) -> Finding {
    const EFFECT: &str = "the rule translates only packets that come in by other interfaces, and \
                          connections that it has translated by an uplink break";
    let finding = Finding::new(CHECK, Verdict::Doubtful, found.in_words());
    if found.of_docker {
        let advice = "give the forward or the container another port; this shows Docker's ports";
        return finding.meaning(format!("{EFFECT}: {advice}")).command(DOCKER);
    }
    let advice = "give the forward another port, or delete the rule if nobody needs it";
    finding.meaning(format!("{EFFECT}: {advice}")).command(found.command.clone())
}
