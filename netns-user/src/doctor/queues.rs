//! Checks for traffic shaping on router ports, which most packets of a lab bypass.

use super::{
    finding::{Finding, Verdict},
    subject::Subject,
};
use crate::{
    lab::{self, QueueOnPort},
    shell,
};

const CHECK: &str = "queues";

/// Shows all queueing disciplines.
const QUEUES: &str = "tc qdisc show";

pub(super) fn check(subject: &Subject) -> Vec<Finding> {
    let Some(lab) = subject.lab.as_ref().filter(|_| subject.living) else { return Vec::new() };
    vec![match lab::queues_on_ports(lab) {
        Ok(found) if lab.nat.via_stack => Finding::sound(
            CHECK,
            format!("packets pass all queueing disciplines ({})", count(found.len())),
        ),
        Ok(found) => judge(&found),
        Err(error) => Finding::new(CHECK, Verdict::Doubtful, error.to_string())
            .meaning("the queueing disciplines could not be read; this shows them")
            .command(QUEUES),
    }]
}

fn count(found: usize) -> String {
    match found {
        0 => "there is none on a cable".to_owned(),
        1 => "there is one on a cable".to_owned(),
        found => format!("there are {found} on cables"),
    }
}

fn judge(found: &[QueueOnPort]) -> Finding {
    let Some(first) = found.first() else {
        return Finding::sound(CHECK, "no router port has a queueing discipline");
    };
    let names: Vec<String> =
        found.iter().map(|one| format!("\"{}\" ({})", one.port, one.kind)).collect();
    let have =
        if found.len() == 1 { "has a queueing discipline" } else { "have queueing disciplines" };
    let inside = first
        .router
        .as_deref()
        .map_or_else(String::new, |router| format!("-n {} ", shell::word(router)));
    Finding::new(
        CHECK,
        Verdict::Doubtful,
        format!("{} {have}, which most packets bypass", names.join(", ")),
    )
    .meaning(
        "the datapath delivers packets directly to the namespace's end of the cable: shape traffic \
         at that end, or set `via_stack = true` in the topology file",
    )
    .command(format!("tc {inside}-s qdisc show dev {}", shell::word(&first.port)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_queueing_discipline_on_a_port_is_named() {
        assert_eq!(judge(&[]).verdict, Verdict::Sound);
        let one = QueueOnPort {
            router: Some("gw".to_owned()),
            port: "veth-blue-br".to_owned(),
            kind: "tbf".to_owned(),
        };
        let finding = judge(&[one]);
        assert_eq!(finding.verdict, Verdict::Doubtful);
        assert_eq!(
            finding.found,
            "\"veth-blue-br\" (tbf) has a queueing discipline, which most packets bypass"
        );
        assert_eq!(finding.command.unwrap(), "tc -n gw -s qdisc show dev veth-blue-br");
    }
}
