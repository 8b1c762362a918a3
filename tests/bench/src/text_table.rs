//! The table that a run prints at its end.

use std::fmt::Write as _;

use comfy_table::{CellAlignment, Table, presets};

use crate::{
    modes::Mode,
    record::{AdvantageRecord, Record, ResultRecord},
};

pub(crate) fn render(record: &Record) -> String {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header([
        "workload",
        "figure",
        "mode",
        "n",
        "median",
        "min",
        "max",
        "unit",
        "ours better",
        "min-max",
        "ours-peer",
    ]);
    for result in &record.results {
        table.add_row(row(record, result));
    }
    for column in 3..7 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    let mut text = format!("{table}\n");
    if !record.programs.is_empty() {
        writeln!(text, "\n{}\n", programs(record)).expect("text grows");
    }
    for mode in &record.modes {
        if let Some(why) = &mode.missing {
            writeln!(text, "not measured: {} ({}): {why}", mode.name, mode.about)
                .expect("text grows");
        }
    }
    for result in &record.results {
        for error in &result.errors {
            writeln!(text, "failed: {}, {}: {error}", result.workload, result.mode)
                .expect("text grows");
        }
    }
    text
}

/// The run times of our programs.
fn programs(record: &Record) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_header(["workload", "program", "runs", "ns/run", "instructions verified"]);
    for cost in &record.programs {
        table.add_row([
            cost.workload.to_owned(),
            cost.program.clone(),
            short(cost.runs as f64),
            short(cost.nanoseconds),
            cost.instructions.map_or_else(|| "-".to_owned(), |count| count.to_string()),
        ]);
    }
    for column in 2..5 {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table
}

fn row(record: &Record, result: &ResultRecord) -> Vec<String> {
    let mut cells =
        vec![result.workload.to_owned(), result.metric.to_owned(), result.mode.to_owned()];
    cells.push(result.samples.iter().flatten().count().to_string());
    match result.summary {
        Some(s) => cells.extend([s.median, s.min, s.max].map(short)),
        None => cells.extend(["-", "-", "-"].map(str::to_owned)),
    }
    cells.push(result.unit.to_owned());
    let advantage = |of: Mode| {
        let is_it = |advantage: &&AdvantageRecord| {
            (advantage.of, advantage.workload, advantage.metric, advantage.against)
                == (of.name(), result.workload, result.metric, result.mode)
        };
        record.advantages.iter().find(is_it).map(|advantage| advantage.summary)
    };
    let ours = advantage(Mode::Ours);
    cells.push(ours.map_or_else(String::new, |s| format!("×{:.2}", s.median)));
    cells.push(ours.map_or_else(String::new, |s| format!("{:.2}-{:.2}", s.min, s.max)));
    cells.extend(advantage(Mode::OursPeer).map(|s| format!("×{:.2}", s.median)));
    cells
}

/// A number with about three digits and an SI prefix.
pub(crate) fn short(value: f64) -> String {
    let (scaled, prefix) = match value {
        v if v >= 1e9 => (v / 1e9, " G"),
        v if v >= 1e6 => (v / 1e6, " M"),
        v if v >= 1e3 => (v / 1e3, " k"),
        v => (v, ""),
    };
    let digits = match scaled.abs() {
        v if v >= 100.0 => 0,
        v if v >= 0.1 || v == 0.0 => 2,
        v if v >= 0.01 => 3,
        _ => 4,
    };
    format!("{scaled:.digits$}{prefix}")
}

#[cfg(test)]
mod tests {
    use super::short;

    #[test]
    fn a_number_has_three_digits_and_a_prefix() {
        let shown = [0.0124, 0.5, 999.0, 13_900.0, 650_000.0, 17_000_000_000.0].map(short);
        assert_eq!(shown, ["0.012", "0.50", "999", "13.90 k", "650 k", "17.00 G"]);
    }
}
