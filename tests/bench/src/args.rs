//! The command line.

use std::{fmt::Write as _, path::PathBuf, time::Duration};

use crate::{
    modes::Mode,
    readme,
    workloads::{catalogue::WORKLOADS, workload::Workload},
};

const EXAMPLES: &str = "Examples:
  cargo xtask bench --quick
  cargo xtask bench --json bench.json --report bench/
  cargo xtask bench --only udp-1 --only tcp
  cargo xtask bench --readme
  cargo xtask bench --icount
  cargo xtask bench --list

docs/bench.md describes the workloads, the modes and the JSON file.";

/// Measure the NAT against the kernel's own, and both against a bare cable
#[derive(Debug, clap::Parser)]
#[command(name = "cargo xtask bench", bin_name = "cargo xtask bench", after_help = EXAMPLES)]
pub(crate) struct Args {
    /// Fewer and shorter rounds, without the long workloads: less than three minutes instead of a
    /// quarter of an hour
    #[arg(long)]
    pub(crate) quick: bool,
    /// Run only this workload, or those whose names begin so; may be given several times
    #[arg(long, value_name = "NAME", value_parser = known_workload)]
    pub(crate) only: Vec<String>,
    /// Measure in this mode only; may be given several times
    #[arg(long, value_name = "NAME", value_parser = known_mode)]
    mode: Vec<Mode>,
    /// How often each workload runs in each mode [default: 5, with --quick 3]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u8).range(1..))]
    rounds: Option<u8>,
    /// How long a workload runs in one mode in one round, in milliseconds [default: 800, with
    /// --quick 250]
    #[arg(long, value_name = "MS", value_parser = clap::value_parser!(u16).range(10..))]
    window: Option<u16>,
    /// Write the results to this file
    #[arg(long, value_name = "FILE")]
    pub(crate) json: Option<PathBuf>,
    /// Write a page with plots to this folder, which is made if it is missing
    #[arg(long, value_name = "DIR")]
    pub(crate) report: Option<PathBuf>,
    /// Write the headline figures into README.md, and their plot beside docs/bench.md, of the
    /// repository that has this folder [default: the current one]; runs only what they need
    #[arg(
        long,
        value_name = "DIR",
        num_args = 0..=1,
        default_missing_value = ".",
        conflicts_with_all = ["only", "mode"]
    )]
    pub(crate) readme: Option<PathBuf>,
    /// List the workloads and run none
    #[arg(long)]
    pub(crate) list: bool,
}

impl Args {
    /// How often each workload runs in each mode.
    pub(crate) fn rounds(&self) -> usize {
        self.rounds.map_or(if self.quick { 3 } else { 5 }, usize::from)
    }

    /// How long a workload runs in one mode in one round.
    pub(crate) fn window(&self) -> Duration {
        Duration::from_millis(self.window.map_or(if self.quick { 250 } else { 800 }, u64::from))
    }

    /// The modes to measure in.
    pub(crate) fn modes(&self) -> Vec<Mode> {
        let wanted = |mode: &Mode| match &self.mode[..] {
            _ if self.readme.is_some() => readme::modes().any(|name| name == mode.name()),
            [] => true,
            chosen => chosen.contains(mode),
        };
        Mode::ALL.into_iter().filter(wanted).collect()
    }

    /// The output of `--list`: each workload with the modes that it runs in.
    pub(crate) fn catalogue(&self) -> String {
        let modes = self.modes();
        let mut text = String::new();
        for workload in self.workloads() {
            let (run, skipped): (Vec<&Mode>, Vec<&Mode>) =
                modes.iter().partition(|mode| workload.modes.contains(mode));
            let names = |modes: &[&Mode]| {
                modes.iter().map(|mode| mode.name()).collect::<Vec<_>>().join(", ")
            };
            let which = match (run.is_empty(), skipped.is_empty()) {
                (_, true) => "in all modes".to_owned(),
                (true, false) => "in none of these modes".to_owned(),
                _ if skipped.len() < 3 => format!("not in {}", names(&skipped)),
                _ => format!("in {}", names(&run)),
            };
            writeln!(text, "{:<18} {}\n{:<18}   {which}", workload.name, workload.about, "")
                .expect("text grows");
        }
        text
    }

    /// The workloads to run, in their order in the table.
    pub(crate) fn workloads(&self) -> Vec<&'static Workload> {
        let wanted = |workload: &&Workload| {
            if self.readme.is_some() {
                readme::workloads().any(|name| name == workload.name)
            } else if self.only.is_empty() {
                !(self.quick && workload.is_long)
            } else {
                self.only.iter().any(|name| workload.is_called(name))
            }
        };
        WORKLOADS.iter().filter(wanted).collect()
    }
}

fn known_mode(name: &str) -> Result<Mode, String> {
    let found = Mode::ALL.into_iter().find(|mode| mode.name() == name);
    let names = Mode::ALL.map(Mode::name).join(", ");
    found.ok_or_else(|| format!("there is no such mode; there are {names}"))
}

fn known_workload(name: &str) -> Result<String, String> {
    if WORKLOADS.iter().any(|workload| workload.is_called(name)) {
        return Ok(name.to_owned());
    }
    let names: Vec<_> = WORKLOADS.iter().map(|workload| workload.name).collect();
    Err(format!("there is no such workload; there are {}", names.join(", ")))
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::Args;

    fn parse(line: &str) -> Result<Args, String> {
        Args::try_parse_from(line.split(' ')).map_err(|error| error.to_string())
    }

    fn names(line: &str) -> Vec<&'static str> {
        parse(line).unwrap().workloads().iter().map(|workload| workload.name).collect()
    }

    #[test]
    fn the_error_for_an_unknown_workload_lists_the_known_ones() {
        let error = parse("bench --only udp1").unwrap_err();
        assert!(error.contains("udp1") && error.contains("udp-1"), "{error}");
        assert!(parse("bench --rounds 0").is_err());
    }

    #[test]
    fn the_list_says_which_modes_a_workload_runs_in() {
        let list = parse("bench --only forward-only-1 --only east-west").unwrap().catalogue();
        assert!(list.contains("  in all modes\n"), "{list}");
        assert!(list.contains("  in cable, routed, iptables-nft, ours\n"), "{list}");
        let list = parse("bench --only new-flows-10k --mode ours --mode ours-peer");
        assert!(list.unwrap().catalogue().contains("  not in ours-peer\n"));
    }

    #[test]
    fn every_mode_is_measured_unless_some_are_named() {
        let asked = parse("bench --mode ours --mode cable").unwrap().modes();
        assert_eq!(asked.iter().map(|mode| mode.name()).collect::<Vec<_>>(), ["cable", "ours"]);
        assert!(parse("bench").unwrap().modes().len() > asked.len());
        let error = parse("bench --mode iptables").unwrap_err();
        assert!(error.contains("iptables-nft"), "{error}");
    }

    #[test]
    fn readme_runs_what_its_table_needs_and_takes_no_other_choice() {
        assert!(names("bench --readme").len() < names("bench").len());
        assert_eq!(parse("bench --readme").unwrap().modes().len(), 3);
        let error = parse("bench --readme --only udp-1").unwrap_err();
        assert!(error.contains("--only") && error.contains("--readme"), "{error}");
        assert!(parse("bench --readme --mode ours").is_err());
    }

    #[test]
    fn workloads_run_in_the_order_of_the_catalogue() {
        assert_eq!(names("bench --only tcp-crr --only udp-1"), ["udp-1", "tcp-crr"]);
        assert!(names("bench --only tcp").contains(&"tcp-rr"));
        assert!(!names("bench --only udp").contains(&"tcp-rr"));
    }

    #[test]
    fn quick_leaves_out_long_workloads_unless_they_are_named() {
        let all = names("bench");
        let quick = names("bench --quick");
        assert!(quick.len() < all.len() && quick.contains(&"udp-1"), "{quick:?}");
        let long = all.iter().find(|name| !quick.contains(name)).unwrap();
        assert_eq!(names(&format!("bench --quick --only {long}")), [*long]);
    }
}
