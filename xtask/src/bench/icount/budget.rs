//! The budgets of our datapath, in instructions of the guest.

use super::figures::Figures;

/// The kernel whose figures have a budget.
const KERNEL: &str = "6.12";

/// The most instructions that the mode `ours` may need, by workload: about a twentieth above the
/// figures in docs/bench.md.
const BUDGETS: [(&str, f64); 4] = [
    ("forward-only-1", 7_160.0),
    ("udp-1", 19_300.0),
    ("tcp-crr", 181_000.0),
    ("new-flows-10k", 12_250.0),
];

/// A line for each workload that needs more than its budget, or was not measured.
pub(super) fn exceeded(figures: &Figures) -> Vec<String> {
    if !figures.release.starts_with(KERNEL) {
        return Vec::new();
    }
    let line = |(workload, budget): (&str, f64)| match figures.median(workload, "ours") {
        None => Some(format!("{workload} was not measured: the lines above say why")),
        Some(median) if median > budget => Some(format!(
            "{workload}: {median:.0} instructions, and the budget is {budget:.0}: make it cheaper, \
             or raise the budget in {}",
            file!()
        )),
        Some(_) => None,
    };
    BUDGETS.into_iter().filter_map(line).collect()
}
