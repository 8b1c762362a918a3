//! Checks whether labs work on this machine. Each check has a finding: its result, its consequence,
//! and a command that repairs the fault.
//!
//! The machine is the namespace of the calling thread. Each group of checks has its own file, in
//! which reading the machine and judging it are separate functions. Nothing is changed. This folder
//! uses `lab`, `datapath`, `net` and `topology`; only its command uses it.

mod files;
mod finding;
mod firewall;
mod forwarding;
mod kernel;
mod listeners;
mod managers;
mod names;
mod other_nats;
mod other_ways;
mod plan;
mod queues;
mod resolver;
mod rights;
mod subject;
mod subnets;

pub use finding::{Finding, Verdict};
pub use subject::{Subject, Trial};

/// Makes all checks.
#[must_use]
pub fn examine(subject: &Subject, trial: Trial) -> Vec<Finding> {
    let mut findings = vec![rights::check(subject)];
    findings.extend(kernel::check(subject, trial));
    findings.extend(files::check(subject));
    findings.extend(forwarding::check(subject));
    findings.extend(firewall::check(subject));
    findings.extend(managers::check(subject));
    findings.push(resolver::check(subject));
    findings.extend(names::check(subject));
    findings.extend(subnets::check(subject));
    findings.extend(other_ways::check(subject));
    findings.extend(listeners::check(subject));
    findings.extend(other_nats::check(subject));
    findings.extend(queues::check(subject));
    if is_sound(&findings) {
        findings.extend(plan::check(subject));
    }
    findings
}

/// Whether no finding is a fault.
#[must_use]
pub fn is_sound(findings: &[Finding]) -> bool {
    findings.iter().all(|finding| finding.verdict < Verdict::Faulty)
}
