//! Asks `up` itself whether it would refuse: the last check, if no other one has found a fault.

use super::{
    finding::{Finding, Verdict},
    subject::Subject,
};
use crate::lab;

const CHECK: &str = "up";

/// The checks before this one explain faults better, but `up` decides.
pub(super) fn check(subject: &Subject) -> Option<Finding> {
    let error = lab::refusal(subject.lab.as_ref())?;
    let command = format!("netns plan{}", subject.argument());
    let found = error.to_string().replace('\n', "; ");
    Some(
        Finding::new(CHECK, Verdict::Faulty, found)
            .meaning("`netns up` fails; after a repair, this shows what it would do")
            .command(command),
    )
}
