//! The headline figures for README.md: a table and a plot, made by a run of the benchmark.

use std::{fmt::Write as _, fs, path::Path};

use anyhow::{Context as _, Result};

use crate::{
    output::Output,
    record::{AdvantageRecord, Record},
    statistics::Summary,
};

/// The table stands between these lines of README.md.
const BEGIN: &str = "<!-- bench:begin -->\n";
const END: &str = "<!-- bench:end -->\n";

/// The plot, from the root of the repository.
const PLOT: &str = "docs/bench.svg";

/// A file by which the root of the repository is found.
const DESCRIPTION: &str = "docs/bench.md";

const OURS: &str = "ours";
const PEERS: [&str; 2] = ["iptables-nft", "nftables"];

/// A workload of the table: its name, the metric, and its name for readers.
#[derive(Clone, Copy, Debug)]
struct Headline {
    workload: &'static str,
    metric: &'static str,
    title: &'static str,
}

const fn headline(workload: &'static str, metric: &'static str, title: &'static str) -> Headline {
    Headline { workload, metric, title }
}

const HEADLINES: [Headline; 7] = [
    headline("udp-1", "rate", "UDP, one flow"),
    headline("forward-only-1", "cost", "forwarding only, one flow"),
    headline("forward-only-100k", "cost", "forwarding only, 100,000 flows"),
    headline("tcp-crr", "rate", "TCP connections"),
    headline("new-flows-100k", "rate", "new flows beside 100,000"),
    headline("publish-10k", "rate", "connections to 10,000 published ports"),
    headline("publish-10k", "publishing", "publishing 10,000 ports one by one"),
];

/// Names of the workloads that the table needs.
pub(crate) fn workloads() -> impl Iterator<Item = &'static str> {
    HEADLINES.into_iter().map(|headline| headline.workload)
}

/// Names of the modes that the table needs.
pub(crate) fn modes() -> impl Iterator<Item = &'static str> {
    [OURS].into_iter().chain(PEERS)
}

/// A row of the table: how many times better ours is than each of the [`PEERS`].
#[derive(Debug)]
struct Row {
    headline: Headline,
    against: [Option<Summary>; PEERS.len()],
}

fn rows(advantages: &[AdvantageRecord]) -> Vec<Row> {
    let rows = HEADLINES.map(|headline| Row {
        headline,
        against: PEERS.map(|peer| {
            let is_it = |advantage: &&AdvantageRecord| {
                (advantage.workload, advantage.metric) == (headline.workload, headline.metric)
                    && (advantage.of, advantage.against) == (OURS, peer)
            };
            advantages.iter().find(is_it).map(|advantage| advantage.summary)
        }),
    });
    rows.into_iter().filter(|row| row.against.iter().any(Option::is_some)).collect()
}

/// README.md and the plot of a repository, read and tried before the run.
pub(crate) struct Readme {
    text: String,
    readme: Output,
    plot: Output,
}

impl Readme {
    /// The files of the repository that has the folder `within`.
    ///
    /// # Errors
    /// When there is no such repository, README.md lacks the lines around the table, or a file
    /// cannot be written.
    pub(crate) fn of(within: &Path) -> Result<Self> {
        let within = std::path::absolute(within)?;
        let root = within.ancestors().find(|folder| folder.join(DESCRIPTION).is_file());
        let root = root.with_context(|| {
            format!("{} is in no repository of netns: {DESCRIPTION} is missing", within.display())
        })?;
        let readme = Output::of(root.join("README.md"))?;
        let text = fs::read_to_string(&readme.file)
            .with_context(|| format!("cannot read {}", readme.file.display()))?;
        with_block(&text, "")?;
        Ok(Self { text, readme, plot: Output::of(root.join(PLOT))? })
    }

    /// Writes the table into README.md, and the plot beside docs/bench.md.
    ///
    /// # Errors
    /// When nothing was measured against the kernel's NAT, or a file cannot be written.
    pub(crate) fn write(&self, record: &Record) -> Result<()> {
        let rows = rows(&record.advantages);
        anyhow::ensure!(
            !rows.is_empty(),
            "README.md is unchanged: no workload was measured in our mode and in one of the kernel's"
        );
        self.readme.write(&with_block(&self.text, &block(record, &rows))?)?;
        self.plot.write(&plot(&rows))
    }
}

/// The text of README.md with another block between the two lines.
fn with_block(readme: &str, block: &str) -> Result<String> {
    let (before, rest) = readme
        .split_once(BEGIN)
        .with_context(|| format!("README.md has no line {}", BEGIN.trim()))?;
    let (_, after) =
        rest.split_once(END).with_context(|| format!("README.md has no line {}", END.trim()))?;
    Ok(format!("{before}{BEGIN}{block}{END}{after}"))
}

fn block(record: &Record, rows: &[Row]) -> String {
    let mut text = String::from("| workload | against iptables-nft | against nftables |\n");
    text.push_str("| --- | --- | --- |\n");
    for Row { headline, against } in rows {
        write!(text, "| {} (`{}`) |", headline.title, headline.workload).expect("text grows");
        for summary in against {
            let cell = summary.map_or_else(
                || "-".to_owned(),
                |Summary { median, min, max }| format!("**{median:.2}** ({min:.2} to {max:.2})"),
            );
            write!(text, " {cell} |").expect("text grows");
        }
        text.push('\n');
    }
    let (rounds, window) = (record.rounds, record.window_ms);
    let machine = &record.machine;
    let (cpus, kernel) = (machine.cpus, &machine.kernel);
    let cpu = machine.cpu.split_whitespace().collect::<Vec<_>>().join(" ");
    write!(
        text,
        "\nSpeed of this NAT divided by that of the kernel's, in the same round: the median of \
         {rounds} rounds of\n{window} ms, the smallest and the largest in brackets. Above 1, this \
         NAT is faster. The kernel's NAT runs\nwith br_netfilter, as on a machine with Docker. \
         Measured on {cpus} CPUs\n({cpu}), Linux {kernel}.\n\n![the table as a plot]({PLOT})\n"
    )
    .expect("text grows");
    text
}

/// Lengths of the plot, in pixels of an unscaled page.
const LABELS: f64 = 260.0;
const BAR: f64 = 14.0;
const ROW: f64 = 2.0 * BAR + 16.0;
const UNIT: f64 = 130.0;
/// The colours of the [`PEERS`], as in the page of plots.
const COLOURS: [&str; PEERS.len()] = ["#c33", "#36c"];

/// A bar for each ratio, and a line at 1: to the right of it, ours is faster.
fn plot(rows: &[Row]) -> String {
    let most = rows.iter().flat_map(|row| row.against).flatten();
    let most = most.map(|summary| summary.median).fold(2.0, f64::max);
    let (width, mut y) = (LABELS + most * UNIT + 60.0, 30.0);
    let mut body = String::new();
    for (at, peer) in PEERS.into_iter().enumerate() {
        let (x, colour) = (LABELS + 170.0 * f64::from(u8::from(at > 0)), COLOURS[at]);
        writeln!(
            body,
            "<rect x=\"{x}\" y=\"6\" width=\"12\" height=\"12\" fill=\"{colour}\"/>\
             <text x=\"{}\" y=\"17\">against {peer}</text>",
            x + 18.0
        )
        .expect("text grows");
    }
    for row in rows {
        let middle = y + BAR + 5.0;
        writeln!(
            body,
            "<text x=\"{}\" y=\"{middle}\" text-anchor=\"end\">{}</text>",
            LABELS - 10.0,
            row.headline.title
        )
        .expect("text grows");
        for (summary, colour) in row.against.iter().zip(COLOURS) {
            if let Some(Summary { median, .. }) = summary {
                let length = median * UNIT;
                writeln!(
                    body,
                    "<rect x=\"{LABELS}\" y=\"{y}\" width=\"{length:.0}\" height=\"{BAR}\" \
                     fill=\"{colour}\"/><text x=\"{:.0}\" y=\"{}\">{median:.2}</text>",
                    LABELS + length + 5.0,
                    y + BAR - 2.0
                )
                .expect("text grows");
            }
            y += BAR;
        }
        y += ROW - 2.0 * BAR;
    }
    let one = LABELS + UNIT;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width:.0} {y:.0}\" \
         font-family=\"sans-serif\" font-size=\"13\">\n\
         <rect width=\"100%\" height=\"100%\" fill=\"#fff\"/>\n{body}\
         <line x1=\"{one}\" y1=\"24\" x2=\"{one}\" y2=\"{y:.0}\" stroke=\"#555\" \
         stroke-dasharray=\"3\"/>\n</svg>\n"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn advantage(
        workload: &'static str,
        metric: &'static str,
        against: &'static str,
    ) -> AdvantageRecord {
        let summary = Summary { median: 1.5, min: 1.25, max: 2.0 };
        AdvantageRecord { workload, metric, of: OURS, against, rounds: 3, summary }
    }

    #[test]
    fn a_row_has_the_ratio_against_each_peer_that_was_measured() {
        let rows = rows(&[
            advantage("udp-1", "rate", "iptables-nft"),
            advantage("udp-1", "rate", "cable"),
            advantage("tcp-rr", "transactions", "nftables"),
        ]);
        assert_eq!(rows.len(), 1);
        assert!(rows[0].against[0].is_some() && rows[0].against[1].is_none(), "{rows:?}");
    }

    #[test]
    fn the_block_replaces_what_stands_between_the_lines() {
        let readme = format!("before\n{BEGIN}old\n{END}after\n");
        let text = with_block(&readme, "new\n").expect("both lines");
        assert_eq!(text, format!("before\n{BEGIN}new\n{END}after\n"));
        assert!(with_block("no lines", "new\n").is_err());
    }

    #[test]
    fn the_plot_has_a_bar_for_each_ratio() {
        let rows = rows(&[
            advantage("udp-1", "rate", "iptables-nft"),
            advantage("udp-1", "rate", "nftables"),
        ]);
        let svg = plot(&rows);
        assert_eq!(svg.matches(">1.50</text>").count(), 2, "{svg}");
    }
}
