//! docs/drop-reasons.md: every drop reason, and what to do about it.

use netns_common::abi::DropReason;

use super::prose::paragraph;
use crate::datapath::{DropAdvice, drop_advice};

const INTRODUCTION: &str = "\
# The drop reasons

<!-- Made by `cargo xtask docs` from the code. Change the rows there, not this page. -->

The NAT counts each packet that it drops, under one reason. `netns nat` shows the reasons that have
occurred with their packets and bytes, `netns watch` their rates, and `netns log` each packet with
its reason while it happens:

    netns nat
    netns nat --json
    netns log --count 20

The counters begin at 0 when the lab is built. `evicted` and `other-nat-unrecorded` count packets
that were not dropped. Packets that the kernel drops elsewhere, as at a full queue or by a firewall,
are not counted here. [nat.md](nat.md) describes the NAT, [topology.md](topology.md) has the keys of
the topology file that the remedies name, and `netns up FILE` applies a change of them to a lab that
is up.
";

/// The page.
pub(super) fn page() -> String {
    let mut text = INTRODUCTION.to_owned();
    let mut reasons = DropReason::ALL;
    reasons.sort_by_key(|reason| reason.name());
    for reason in reasons {
        text += &section(reason);
    }
    text
}

fn section(reason: DropReason) -> String {
    let DropAdvice { cause, basis, remedy } = drop_advice(reason);
    let basis = basis.map(|basis| format!("- Basis: {basis}"));
    let lines =
        [Some(format!("- Usual cause: {cause}")), basis, Some(format!("- Remedy: {remedy}"))];
    let lines: String = lines.iter().flatten().map(|line| item(line)).collect();
    format!("\n## `{}`\n\n{}\n{lines}", reason.name(), paragraph(reason.meaning()))
}

/// An item of a list, whose further lines are indented.
fn item(line: &str) -> String {
    paragraph(line).trim_end().replace('\n', "\n  ") + "\n"
}

#[test]
fn every_reason_has_a_cause_and_a_remedy_in_sentences() {
    for reason in DropReason::ALL {
        let DropAdvice { cause, basis, remedy } = drop_advice(reason);
        for text in [Some(cause), basis, Some(remedy)].into_iter().flatten() {
            assert!(text.ends_with('.') && !text.contains("  "), "{}: {text}", reason.name());
        }
    }
}
