//! The order of things: every round of a work does it in every mode, so that what drifts while
//! the run lasts meets all modes alike; every second round goes backwards.

use std::{
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use anyhow::{Result, anyhow, ensure};

use crate::{
    args::Args,
    machine::Machine,
    modes::Mode,
    places::{Kind, Place, Places},
    programs::{self, Strangers},
    progress::Progress,
    record::{
        AdvantageRecord, ModeRecord, ProgramRecord, Record, ResultRecord, SCHEMA, WorkRecord,
    },
    statistics::{Summary, ratios},
    tracking::forget,
    works::{Better, Work},
};

pub(crate) fn measure(args: &Args, machine: impl FnOnce() -> Machine) -> Result<Record> {
    let begin = Instant::now();
    let began = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let works = args.works();
    ensure!(
        works.iter().any(|work| !modes_of(args, work).is_empty()),
        "none of these works is done in any of these modes: see --list"
    );
    let strangers = Strangers::now();
    let mut places = Places::default();
    let modes = build(args, &mut places);
    ensure!(modes.iter().any(|mode| mode.missing.is_none()), "no mode can be built here");
    // Now that the modes have loaded what they need, with its settings.
    let machine = machine();

    let mut progress = Progress::new();
    for work in &works {
        let samples = modes_of(args, work).len() * of_work(args, work);
        progress.expect(samples, work.likely(args.window()));
    }
    let mut results = Vec::new();
    let mut described = Vec::new();
    let mut costs = Vec::new();
    for work in &works {
        let begin = Instant::now();
        results.extend(rounds(args, work, &mut places, &mut progress));
        costs.extend(costs_of_programs(args, work, &mut places, &strangers));
        described.push(describe(args, work, begin.elapsed()));
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
        works: described,
        advantages: compare(&results),
        results,
        programs: costs,
    })
}

/// What our programs cost during a work, where that is counted.
fn costs_of_programs(
    args: &Args,
    work: &Work,
    places: &mut Places,
    strangers: &Strangers,
) -> Vec<ProgramRecord> {
    if !programs::are_counted(work) || !modes_of(args, work).contains(&Mode::Ours) {
        return Vec::new();
    }
    let costs = places
        .get(Mode::Ours, work.kind)
        .map_err(str::to_owned)
        .and_then(|place| guarded(|| programs::during(work, place, args.window(), strangers)));
    costs.unwrap_or_else(|why| {
        eprintln!("{}: programs not counted: {why}", work.name);
        Vec::new()
    })
}

/// How often a work is done in each mode.
fn of_work(args: &Args, work: &Work) -> usize {
    args.rounds().min(work.most_rounds)
}

/// Those of its modes that are to be measured.
fn modes_of(args: &Args, work: &Work) -> Vec<Mode> {
    let wanted = args.modes();
    work.modes.iter().copied().filter(|mode| wanted.contains(mode)).collect()
}

/// Builds every mode's network.
fn build(args: &Args, places: &mut Places) -> Vec<ModeRecord> {
    let mut modes = Vec::new();
    for mode in args.modes() {
        let missing = places.get(mode, Kind::Plain).err().map(str::to_owned);
        if let Some(why) = &missing {
            eprintln!("{}: not measured: {why}", mode.name());
        }
        modes.push(ModeRecord { name: mode.name(), about: mode.about(), missing });
    }
    modes
}

fn describe(args: &Args, work: &Work, took: Duration) -> WorkRecord {
    let Work { name, about, series, .. } = *work;
    WorkRecord {
        name,
        about,
        modes: modes_of(args, work).into_iter().map(Mode::name).collect(),
        series: series.map(|series| series.name),
        x: series.map(|series| series.x),
        x_is: series.map(|series| series.x_is),
        seconds: took.as_secs_f64(),
    }
}

/// All rounds of one work: a result for each figure and mode.
fn rounds(
    args: &Args,
    work: &Work,
    places: &mut Places,
    progress: &mut Progress,
) -> Vec<ResultRecord> {
    let count = of_work(args, work);
    let likely = work.likely(args.window());
    let mut modes = Vec::new();
    let mut missing = Vec::new();
    for mode in modes_of(args, work) {
        // What is missing from every work of a mode is told once, with the mode.
        if places.get(mode, Kind::Plain).is_err() {
            progress.skip(count, likely);
            continue;
        }
        match places.get(mode, work.kind) {
            Ok(_) => modes.push(mode),
            Err(why) => {
                progress.skip(count, likely);
                missing.push((mode, why.to_owned()));
            }
        }
    }
    let mut of_modes: Vec<Vec<ResultRecord>> =
        modes.iter().map(|mode| empty(work, *mode)).collect();
    for round in 0..count {
        for step in 0..modes.len() {
            let at = if round % 2 == 0 { step } else { modes.len() - 1 - step };
            progress.next(work.name, modes[at].name(), likely);
            let sample = match places.get(modes[at], work.kind) {
                Ok(place) => sample(work, place, args.window()),
                Err(error) => Err(error.to_owned()),
            };
            note(&mut of_modes[at], round, sample);
        }
    }
    for result in of_modes.iter_mut().flatten() {
        let samples: Vec<_> = result.samples.iter().copied().flatten().collect();
        result.summary = Summary::of(&samples);
    }
    for (mode, why) in missing {
        let mut results = empty(work, mode);
        (0..count).for_each(|round| note(&mut results, round, Err(why.clone())));
        of_modes.push(results);
    }
    let mut results: Vec<_> = of_modes.into_iter().flatten().collect();
    let order = |metric| work.metrics.iter().position(|other| other.name == metric);
    results.sort_by_key(|result| order(result.metric));
    results
}

/// One sample, or why there is none. Connections are forgotten before it and after: conntrack's hash
/// table is one for all namespaces, and what is left there would be in the way of other modes.
fn sample(work: &Work, place: &Place, window: Duration) -> Result<Vec<f64>, String> {
    guarded(|| {
        forget(place)?;
        let sample = work.sample(place, window);
        let forgotten = forget(place);
        // What went wrong first tells why.
        let sample = sample?;
        forgotten?;
        Ok(sample)
    })
}

/// What is done, or why not: also of a panic, since minutes of other samples are worth more than one.
fn guarded<T>(work: impl FnOnce() -> Result<T>) -> Result<T, String> {
    let done = catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|panic| {
        let said = panic.downcast_ref::<String>().map(String::as_str);
        let said = said.or_else(|| panic.downcast_ref::<&str>().copied());
        Err(anyhow!("panicked: {}", said.unwrap_or("no message")))
    });
    done.map_err(|error| format!("{error:#}"))
}

fn empty(work: &Work, mode: Mode) -> Vec<ResultRecord> {
    let result = |metric: &crate::works::Metric| ResultRecord {
        work: work.name,
        metric: metric.name,
        mode: mode.name(),
        unit: metric.unit,
        better: metric.better,
        samples: Vec::new(),
        summary: None,
        errors: Vec::new(),
    };
    work.metrics.iter().map(result).collect()
}

/// Adds a round's figures, or why there are none: that to the first, and once.
fn note(results: &mut [ResultRecord], round: usize, sample: Result<Vec<f64>, String>) {
    match sample {
        Ok(figures) => {
            for (result, figure) in results.iter_mut().zip(figures) {
                result.samples.push(Some(figure));
            }
        }
        Err(error) => {
            results.iter_mut().for_each(|result| result.samples.push(None));
            if let Some(first) = results.first_mut()
                && !first.errors.iter().any(|told| told.ends_with(&error))
            {
                first.errors.push(format!("round {}: {error}", round + 1));
            }
        }
    }
}

/// Ours against every other mode, with and without the option.
fn compare(results: &[ResultRecord]) -> Vec<AdvantageRecord> {
    let ours = [Mode::Ours, Mode::OursPeer].map(Mode::name);
    let pairs = results.iter().flat_map(|theirs| ours.map(|mode| (mode, theirs)));
    let mut all = Vec::new();
    for (mode, theirs) in pairs.filter(|(mode, theirs)| *mode != theirs.mode) {
        let same = |ours: &&ResultRecord| {
            (ours.mode, ours.work, ours.metric) == (mode, theirs.work, theirs.metric)
        };
        let Some(ours) = results.iter().find(same) else { continue };
        let ratios = match ours.better {
            Better::More => ratios(&ours.samples, &theirs.samples),
            Better::Less => ratios(&theirs.samples, &ours.samples),
            Better::Neither => continue,
        };
        if let Some(summary) = Summary::of(&ratios) {
            let ResultRecord { work, metric, mode: against, .. } = *theirs;
            let (of, rounds) = (ours.mode, ratios.len());
            all.push(AdvantageRecord { work, metric, of, against, rounds, summary });
        }
    }
    all
}

#[cfg(test)]
mod tests {
    use super::{Better, Mode, ResultRecord, compare, guarded, note};

    fn result(mode: &'static str, better: Better, samples: &[f64]) -> ResultRecord {
        let samples = samples.iter().copied().map(Some).collect();
        let (work, metric, unit) = ("work", "figure", "unit");
        ResultRecord {
            work,
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
    fn an_advantage_is_more_than_one_whichever_way_the_figure_goes() {
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
    fn a_panic_is_the_reason_of_a_failed_sample() {
        let panicked = guarded::<()>(|| panic!("{} is gone", "red"));
        assert_eq!(panicked, Err("panicked: red is gone".to_owned()));
        assert_eq!(guarded(|| Ok(1)), Ok(1));
    }

    #[test]
    fn what_is_no_merit_is_no_advantage() {
        let results = [Mode::Ours.name(), "routed"].map(|m| result(m, Better::Neither, &[1.0]));
        assert!(compare(&results).is_empty());
    }

    #[test]
    fn a_failed_round_has_no_figures_and_tells_why_once() {
        let mut results = [result("cable", Better::More, &[]), result("cable", Better::Less, &[])];
        note(&mut results, 0, Err("nothing arrives".to_owned()));
        note(&mut results, 1, Err("nothing arrives".to_owned()));
        note(&mut results, 2, Ok(vec![1.0, 2.0]));
        assert_eq!(results[0].samples, [None, None, Some(1.0)]);
        assert_eq!(results[1].samples, [None, None, Some(2.0)]);
        assert_eq!(results[0].errors, ["round 1: nothing arrives"]);
        assert!(results[1].errors.is_empty());
    }
}
