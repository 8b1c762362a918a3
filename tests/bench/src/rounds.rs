//! Measures all workloads. Each round runs a workload once in every mode, so that a drift of the
//! machine affects all modes alike; every second round takes the modes in reverse order.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Result, anyhow, ensure};

use crate::{
    args::Args,
    machine::Machine,
    modes::Mode,
    network::{Network, NetworkKind},
    networks::Networks,
    programs::{self, ForeignPrograms},
    progress::Progress,
    record::{
        AdvantageRecord, ModeRecord, ProgramRecord, Record, ResultRecord, SCHEMA, WorkloadRecord,
    },
    statistics::{Summary, ratios},
    tracking::flush,
    workloads::workload::{Better, Metric, Workload},
};

pub(crate) fn measure(args: &Args, machine: impl FnOnce() -> Machine) -> Result<Record> {
    let begin = Instant::now();
    let began = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let workloads = args.workloads();
    ensure!(
        workloads.iter().any(|workload| !modes_of(args, workload).is_empty()),
        "none of these workloads runs in any of these modes: see --list"
    );
    let foreign = ForeignPrograms::now();
    let mut networks = Networks::default();
    let modes = build(args, &mut networks);
    ensure!(modes.iter().any(|mode| mode.missing.is_none()), "no mode can be built here");
    // Read now: by building the modes, their kernel modules and with them their settings appeared.
    let machine = machine();

    let mut progress = Progress::new();
    for workload in &workloads {
        let samples = modes_of(args, workload).len() * rounds_of(args, workload);
        progress.expect(samples, workload.expected(args.window()));
    }
    let mut results = Vec::new();
    let mut described = Vec::new();
    let mut costs = Vec::new();
    for workload in &workloads {
        let begin = Instant::now();
        results.extend(rounds(args, workload, &mut networks, &mut progress));
        costs.extend(run_times_of_programs(args, workload, &mut networks, &foreign));
        described.push(describe(args, workload, begin.elapsed()));
    }
    progress.clear();
    Ok(Record {
        schema: SCHEMA,
        began,
        seconds: begin.elapsed().as_secs(),
        quick: args.quick,
        rounds: args.rounds(),
        window_ms: args.window().as_millis(),
        machine,
        modes,
        workloads: described,
        advantages: compare(&results),
        results,
        programs: costs,
    })
}

/// The run times of our programs during a workload; none for workloads that do not measure them.
fn run_times_of_programs(
    args: &Args,
    workload: &Workload,
    networks: &mut Networks,
    foreign: &ForeignPrograms,
) -> Vec<ProgramRecord> {
    if !programs::are_measured(workload) || !modes_of(args, workload).contains(&Mode::Ours) {
        return Vec::new();
    }
    let costs =
        networks.get(Mode::Ours, workload.kind).map_err(str::to_owned).and_then(|network| {
            catching_panics(|| programs::measure(workload, network, args.window(), foreign))
        });
    costs.unwrap_or_else(|why| {
        eprintln!("{}: run times of programs not measured: {why}", workload.name);
        Vec::new()
    })
}

/// How often a workload runs in each mode.
fn rounds_of(args: &Args, workload: &Workload) -> usize {
    args.rounds().min(workload.max_rounds)
}

/// The modes of a workload that are to be measured.
fn modes_of(args: &Args, workload: &Workload) -> Vec<Mode> {
    let wanted = args.modes();
    workload.modes.iter().copied().filter(|mode| wanted.contains(mode)).collect()
}

/// Builds every mode's network.
fn build(args: &Args, networks: &mut Networks) -> Vec<ModeRecord> {
    let mut modes = Vec::new();
    for mode in args.modes() {
        let missing = networks.get(mode, NetworkKind::Default).err().map(str::to_owned);
        if let Some(why) = &missing {
            eprintln!("{}: not measured: {why}", mode.name());
        }
        modes.push(ModeRecord { name: mode.name(), about: mode.about(), missing });
    }
    modes
}

fn describe(args: &Args, workload: &Workload, took: Duration) -> WorkloadRecord {
    let Workload { name, about, series, .. } = *workload;
    WorkloadRecord {
        name,
        about,
        modes: modes_of(args, workload).into_iter().map(Mode::name).collect(),
        series: series.map(|series| series.name),
        x: series.map(|series| series.x),
        x_is: series.map(|series| series.x_is),
        seconds: took.as_secs_f64(),
    }
}

/// Runs all rounds of one workload: a result for each metric and mode.
fn rounds(
    args: &Args,
    workload: &Workload,
    networks: &mut Networks,
    progress: &mut Progress,
) -> Vec<ResultRecord> {
    let count = rounds_of(args, workload);
    let expected = workload.expected(args.window());
    let mut modes = Vec::new();
    let mut missing = Vec::new();
    for mode in modes_of(args, workload) {
        // A mode that cannot be built at all is reported once, with the mode.
        if networks.get(mode, NetworkKind::Default).is_err() {
            progress.skip(count, expected);
            continue;
        }
        match networks.get(mode, workload.kind) {
            Ok(_) => modes.push(mode),
            Err(why) => {
                progress.skip(count, expected);
                missing.push((mode, why.to_owned()));
            }
        }
    }
    let mut results_of_modes: Vec<Vec<ResultRecord>> =
        modes.iter().map(|mode| empty_results(workload, *mode)).collect();
    let load = catching_panics(|| workload.load(networks.built(&modes, workload.kind)));
    for round in 0..count {
        for step in 0..modes.len() {
            let at = if round % 2 == 0 { step } else { modes.len() - 1 - step };
            progress.next(workload.name, modes[at].name(), expected);
            let sample = match networks.get(modes[at], workload.kind) {
                Ok(network) => {
                    load.clone().and_then(|load| sample(workload, network, args.window(), load))
                }
                Err(error) => Err(error.to_owned()),
            };
            record_round(&mut results_of_modes[at], round, sample);
        }
    }
    for result in results_of_modes.iter_mut().flatten() {
        let samples: Vec<_> = result.samples.iter().copied().flatten().collect();
        result.summary = Summary::of(&samples);
    }
    for (mode, why) in missing {
        let mut results = empty_results(workload, mode);
        (0..count).for_each(|round| record_round(&mut results, round, Err(why.clone())));
        results_of_modes.push(results);
    }
    let mut results: Vec<_> = results_of_modes.into_iter().flatten().collect();
    let order = |metric| workload.metrics.iter().position(|other| other.name == metric);
    results.sort_by_key(|result| order(result.metric));
    results
}

/// One sample, or why there is none. The connection tables are flushed before and after it: all
/// namespaces share the hash table of conntrack, so entries of one mode would slow other modes
/// down.
fn sample(
    workload: &Workload,
    network: &Network,
    window: Duration,
    load: Option<f64>,
) -> Result<Vec<f64>, String> {
    catching_panics(|| {
        flush(network)?;
        let sample = workload.sample(network, window, load);
        let flushed = flush(network);
        // The first error is the cause.
        let sample = sample?;
        flushed?;
        Ok(sample)
    })
}

/// Runs `action` and turns its error or panic into text: one failed sample must not discard minutes
/// of other samples.
fn catching_panics<T>(action: impl FnOnce() -> Result<T>) -> Result<T, String> {
    let done = catch_unwind(AssertUnwindSafe(action)).unwrap_or_else(|panic| {
        let said = panic.downcast_ref::<String>().map(String::as_str);
        let said = said.or_else(|| panic.downcast_ref::<&str>().copied());
        Err(anyhow!("panicked: {}", said.unwrap_or("no message")))
    });
    done.map_err(|error| format!("{error:#}"))
}

fn empty_results(workload: &Workload, mode: Mode) -> Vec<ResultRecord> {
    let result = |metric: &Metric| ResultRecord {
        workload: workload.name,
        metric: metric.name,
        mode: mode.name(),
        unit: metric.unit,
        better: metric.better,
        samples: Vec::new(),
        summary: None,
        errors: Vec::new(),
    };
    workload.metrics.iter().map(result).collect()
}

/// Adds the figures of a round, or its error: to the first metric only, and each error once.
fn record_round(results: &mut [ResultRecord], round: usize, sample: Result<Vec<f64>, String>) {
    match sample {
        Ok(figures) => {
            for (result, figure) in results.iter_mut().zip(figures) {
                result.samples.push(Some(figure));
            }
        }
        Err(error) => {
            results.iter_mut().for_each(|result| result.samples.push(None));
            if let Some(first) = results.first_mut()
                && !first.errors.iter().any(|known| known.ends_with(&error))
            {
                first.errors.push(format!("round {}: {error}", round + 1));
            }
        }
    }
}

/// The advantages of the modes `ours` and `ours-peer` over every other mode.
fn compare(results: &[ResultRecord]) -> Vec<AdvantageRecord> {
    let ours = [Mode::Ours, Mode::OursPeer].map(Mode::name);
    let pairs = results.iter().flat_map(|theirs| ours.map(|mode| (mode, theirs)));
    let mut all = Vec::new();
    for (mode, theirs) in pairs.filter(|(mode, theirs)| *mode != theirs.mode) {
        let same = |ours: &&ResultRecord| {
            (ours.mode, ours.workload, ours.metric) == (mode, theirs.workload, theirs.metric)
        };
        let Some(ours) = results.iter().find(same) else { continue };
        let ratios = match ours.better {
            Better::More => ratios(&ours.samples, &theirs.samples),
            Better::Less => ratios(&theirs.samples, &ours.samples),
            Better::Neither => continue,
        };
        if let Some(summary) = Summary::of(&ratios) {
            let ResultRecord { workload, metric, mode: against, .. } = *theirs;
            let (of, rounds) = (ours.mode, ratios.len());
            all.push(AdvantageRecord { workload, metric, of, against, rounds, summary });
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::{Better, Mode, ResultRecord, catching_panics, compare, record_round};

    fn result(mode: &'static str, better: Better, samples: &[f64]) -> ResultRecord {
        let samples = samples.iter().copied().map(Some).collect();
        let (workload, metric, unit) = ("workload", "figure", "unit");
        ResultRecord {
            workload,
            metric,
            mode,
            unit,
            better,
            samples,
            summary: None,
            errors: Vec::new(),
        }
    }

    #[test]
    fn an_advantage_is_above_one_for_metrics_to_maximise_and_to_minimise() {
        for (better, ours) in [(Better::More, [4.0, 6.0]), (Better::Less, [1.0, 1.5])] {
            let ours = result(Mode::Ours.name(), better, &ours);
            let theirs = result("routed", better, &[2.0, 3.0]);
            let advantages = compare(&[theirs, ours]);
            assert_eq!(advantages.len(), 1);
            assert_eq!((advantages[0].of, advantages[0].against), ("ours", "routed"));
            assert!((advantages[0].summary.median - 2.0).abs() < 1e-9, "{advantages:?}");
        }
    }

    #[test]
    fn a_panic_becomes_the_error_of_its_sample() {
        let panicked = catching_panics::<()>(|| panic!("{} is gone", "red"));
        assert_eq!(panicked, Err("panicked: red is gone".to_owned()));
        assert_eq!(catching_panics(|| Ok(1)), Ok(1));
    }

    #[test]
    fn a_metric_with_no_better_direction_has_no_advantage() {
        let results = [Mode::Ours.name(), "routed"].map(|m| result(m, Better::Neither, &[1.0]));
        assert!(compare(&results).is_empty());
    }

    #[test]
    fn a_failed_round_has_no_samples_and_its_error_is_listed_once() {
        let mut results = [result("cable", Better::More, &[]), result("cable", Better::Less, &[])];
        record_round(&mut results, 0, Err("nothing arrives".to_owned()));
        record_round(&mut results, 1, Err("nothing arrives".to_owned()));
        record_round(&mut results, 2, Ok(vec![1.0, 2.0]));
        assert_eq!(results[0].samples, [None, None, Some(1.0)]);
        assert_eq!(results[1].samples, [None, None, Some(2.0)]);
        assert_eq!(results[0].errors, ["round 1: nothing arrives"]);
        assert!(results[1].errors.is_empty());
    }
}
