//! The table at the top of the report: how many times better ours is than each other mode.

use super::html::{add, anchor, escape};
use crate::{
    modes::Mode,
    record::{AdvantageRecord, Record},
};

/// Ratios from here on count as better, and those below its inverse as worse: what is between is
/// within the noise of most machines.
const EVEN: f64 = 1.05;

/// A row for the first metric of each workload, a column for each other mode.
pub(super) fn table(record: &Record) -> String {
    let ours = Mode::Ours.name();
    let of_ours: Vec<_> = record.advantages.iter().filter(|it| it.of == ours).collect();
    let is_measured = |mode: &&str| of_ours.iter().any(|it| it.against == *mode);
    let modes: Vec<_> = record.modes.iter().map(|mode| mode.name).filter(is_measured).collect();
    if modes.is_empty() {
        return String::new();
    }
    let mut text = String::from(
        "<h2 id=\"headline\">Ours against each other mode</h2><p>How many times better <b>ours</b> \
         is: the median of the ratios of all rounds. More than 1 is in favour of ours, whichever \
         way the figure goes.</p><table><tr><th>workload<th>figure",
    );
    modes.iter().for_each(|mode| add(&mut text, &format!("<th>{mode}")));
    for workload in &record.workloads {
        let of_workload: Vec<_> =
            of_ours.iter().filter(|it| it.workload == workload.name).collect();
        let Some(first) = of_workload.first() else { continue };
        let (name, metric) = (workload.name, first.metric);
        let link = anchor(name, metric);
        add(
            &mut text,
            &format!(
                "<tr><td><a href=\"#{link}\" title=\"{}\">{name}</a><td>{metric}",
                escape(workload.about)
            ),
        );
        for mode in &modes {
            let found = of_workload.iter().find(|it| it.against == *mode && it.metric == metric);
            text.push_str(&found.map_or_else(|| "<td>".to_owned(), |it| cell(it)));
        }
    }
    text.push_str("</table>");
    text
}

fn cell(advantage: &AdvantageRecord) -> String {
    let summary = advantage.summary;
    let class = match summary.median {
        median if median >= EVEN => "better",
        median if median <= 1.0 / EVEN => "worse",
        _ => "even",
    };
    format!(
        "<td class=\"{class}\" title=\"{:.2} to {:.2} in {} rounds\">{:.2}",
        summary.min, summary.max, advantage.rounds, summary.median
    )
}
