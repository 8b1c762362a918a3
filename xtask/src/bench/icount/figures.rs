//! The figures of a guest: read from the record of the benchmark, shown as a table, and written to
//! docs/bench.md.

use std::{fmt::Write as _, fs};

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::{virtual_machine::number_of, workspace::Workspace};

/// A workload that is counted, and the figure of it that becomes instructions.
#[derive(Debug)]
pub(super) struct Workload {
    pub(super) name: &'static str,
    metric: &'static str,
    /// The unit of work: the instructions are counted for one of it.
    of: &'static str,
}

/// The workloads, in the order of the table.
pub(super) const WORKLOADS: [Workload; 4] = [
    Workload { name: "forward-only-1", metric: "cost", of: "packet" },
    Workload { name: "udp-1", metric: "rate", of: "packet" },
    Workload { name: "tcp-crr", metric: "rate", of: "connection" },
    Workload { name: "new-flows-10k", metric: "rate", of: "flow" },
];

/// Instructions of a workload in a mode, in all rounds.
#[derive(Debug)]
struct Cell {
    workload: &'static str,
    mode: String,
    /// Ascending, at least one.
    samples: Vec<f64>,
}

/// The figures on one kernel.
#[derive(Debug)]
pub(super) struct Figures {
    /// The kernel's release, as uname(2) has it.
    pub(super) release: String,
    modes: Vec<String>,
    cells: Vec<Cell>,
}

impl Figures {
    /// Reads the record of the benchmark (docs/bench.md).
    ///
    /// # Errors
    /// When it is none, or nothing was measured.
    pub(super) fn read(record: &str) -> Result<Self> {
        let record: Value = serde_json::from_str(record).context("the guest printed no record")?;
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let array = |key: &str| record[key].as_array().cloned().unwrap_or_default();
        let mut cells = Vec::new();
        for result in array("results") {
            for error in result["errors"].as_array().into_iter().flatten() {
                eprintln!(
                    "{} in {}: {}",
                    text(&result["work"]),
                    text(&result["mode"]),
                    text(error)
                );
            }
            let is_it = |it: &&Workload| result["work"] == it.name && result["metric"] == it.metric;
            let Some(workload) = WORKLOADS.iter().find(is_it) else { continue };
            let samples = result["samples"].as_array().into_iter().flatten();
            let samples = samples.filter_map(Value::as_f64);
            // The guest's nanoseconds are instructions, and a rate is one for each of its seconds.
            let mut samples: Vec<f64> = match workload.metric {
                "rate" => samples.map(|rate| 1e9 / rate).collect(),
                _ => samples.collect(),
            };
            samples.sort_by(f64::total_cmp);
            if !samples.is_empty() {
                cells.push(Cell { workload: workload.name, mode: text(&result["mode"]), samples });
            }
        }
        ensure!(!cells.is_empty(), "no workload succeeded: the lines above say why");
        let modes = array("modes").iter().map(|mode| text(&mode["name"])).collect();
        Ok(Self { release: text(&record["machine"]["kernel"]), modes, cells })
    }

    /// The median of a workload in a mode.
    pub(super) fn median(&self, workload: &str, mode: &str) -> Option<f64> {
        let cell = self.cells.iter().find(|it| it.workload == workload && it.mode == mode)?;
        Some(cell.samples[cell.samples.len() / 2])
    }

    /// The largest deviation from the median among the middle half of the rounds, of all workloads
    /// and modes: work that the kernel does in the background makes a round dearer now and then.
    fn spread(&self) -> f64 {
        let of = |cell: &Cell| {
            let (count, median) = (cell.samples.len(), cell.samples[cell.samples.len() / 2]);
            let left_out = count.div_ceil(2) / 2;
            let middle = &cell.samples[left_out..count - left_out];
            middle.iter().map(|sample| (sample / median - 1.0).abs()).fold(0.0, f64::max)
        };
        self.cells.iter().map(of).fold(0.0, f64::max)
    }

    /// A table in Markdown: a row for each workload, a column for each mode.
    pub(super) fn table(&self) -> String {
        let mut text = format!("| Linux {} |", number_of(&self.release));
        for mode in &self.modes {
            let _ = write!(text, " `{mode}` |");
        }
        text.push_str("\n| --- |");
        text.push_str(&" --- |".repeat(self.modes.len()));
        for workload in &WORKLOADS {
            let _ = write!(text, "\n| `{}`, of a {} |", workload.name, workload.of);
            for mode in &self.modes {
                let cell = self.median(workload.name, mode);
                let _ = match cell {
                    Some(median) => write!(text, " {median:.0} |"),
                    None => write!(text, " - |"),
                };
            }
        }
        // Of fewer rounds, only the median is in the middle.
        if self.cells.iter().all(|cell| cell.samples.len() < 4) {
            text.push('\n');
            return text;
        }
        let spread = self.spread() * 100.0;
        let _ = write!(
            text,
            "\n\nThe middle rounds differ from the median by at most {spread:.1} %.\n"
        );
        text
    }
}

/// Writes the tables between the marks of docs/bench.md.
pub(super) fn write(workspace: &Workspace, all: &[Figures]) -> Result<()> {
    const BEGIN: &str = "<!-- icount:begin -->\n";
    const END: &str = "<!-- icount:end -->\n";
    let path = workspace.root().join("docs/bench.md");
    let text = fs::read_to_string(&path).context("cannot read docs/bench.md")?;
    let (before, rest) = text.split_once(BEGIN).context("docs/bench.md has no icount:begin")?;
    let (_, after) = rest.split_once(END).context("docs/bench.md has no icount:end")?;
    let tables: Vec<String> = all.iter().map(Figures::table).collect();
    let text = format!("{before}{BEGIN}{}{END}{after}", tables.join("\n"));
    fs::write(&path, text).context("cannot write docs/bench.md")
}

#[cfg(test)]
mod tests {
    use super::Figures;

    const RECORD: &str = r#"{
        "machine": {"kernel": "6.12.117+deb13-cloud-amd64"},
        "modes": [{"name": "nftables"}, {"name": "ours"}],
        "results": [
            {"work": "forward-only-1", "metric": "cost", "mode": "ours",
             "samples": [7000.0, null, 6800.0, 10000.0, 6900.0, 6850.0], "errors": []},
            {"work": "udp-1", "metric": "rate", "mode": "nftables", "samples": [50000.0],
             "errors": []},
            {"work": "udp-1", "metric": "CPU", "mode": "nftables", "samples": [1.0], "errors": []}
        ]}"#;

    #[test]
    fn rates_and_times_of_the_guest_become_instructions() {
        let figures = Figures::read(RECORD).expect("a record");
        assert_eq!(figures.median("forward-only-1", "ours"), Some(6900.0));
        assert_eq!(figures.median("udp-1", "nftables"), Some(20_000.0));
        assert_eq!(figures.median("udp-1", "ours"), None);
        let table = figures.table();
        assert!(table.starts_with("| Linux 6.12.117 | `nftables` | `ours` |\n"), "{table}");
        assert!(table.contains("| `forward-only-1`, of a packet | - | 6900 |"), "{table}");
        assert!(table.contains("by at most 1.4 %"), "the dearest round does not count: {table}");
    }

    #[test]
    fn a_guest_without_figures_is_an_error() {
        assert!(Figures::read("").is_err());
        assert!(Figures::read(r#"{"results": []}"#).is_err());
    }
}
