//! Checks for rules of another NAT, such as Docker's, for a port that the lab forwards or for
//! sources of the lab.

use super::{
    finding::{Finding, Verdict},
    subject::{Router, Subject},
};
use crate::lab::{self, OtherForward, OtherMasquerade};

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
    let found =
        lab::other_forwards(lab).and_then(|forwards| Ok((forwards, lab::other_masquerades(lab)?)));
    match found {
        Ok((forwards, masquerades)) if forwards.is_empty() && masquerades.is_empty() => {
            vec![Finding::sound(CHECK, "no other NAT has rules for the lab's ports and sources")]
        }
        Ok((forwards, masquerades)) => {
            forwards.iter().map(forward).chain(masquerades.iter().map(masquerade)).collect()
        }
        Err(_) if !nix::unistd::geteuid().is_root() => vec![Finding::unseen(CHECK, subject)],
        Err(error) => vec![
            Finding::new(CHECK, Verdict::Doubtful, error.to_string())
                .meaning("the rules of other NATs could not be read; this shows them")
                .command(RULES),
        ],
    }
}

fn masquerade(found: &OtherMasquerade) -> Finding {
    let (verdict, effect) = match found.is_used {
        true => (Verdict::Doubtful, "the rules of the lab have no effect; this deletes the rule"),
        false => (Verdict::Sound, "if nobody needs the rule, this deletes it"),
    };
    let finding = Finding::new(CHECK, verdict, found.in_words());
    finding.meaning(effect).command(found.command.clone())
}

fn forward(found: &OtherForward) -> Finding {
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
