//! Loads the eBPF object.

use std::{fs, io, path::Path, thread, time::Duration};

use aya::{
    Ebpf, EbpfLoader,
    maps::{Map, MapData, ProgramArray},
    programs::{SchedClassifier, TestRun as _, TestRunOptions},
};
use netns_common::abi::{
    MAPPINGS_OF_FLOW, REPORT, Stage, buckets_of, maps, programs, summaries_of, words_of,
};

use super::{
    error::{DatapathError, map_error, program_error},
    load_retry::load_retry,
    marks,
    pins::{Pins, pin_error},
};
use crate::threads::{WorkQueue, cpus, on_threads};

/// The programs of every datapath in addition to the stages.
const BESIDE_STAGES: [&str; 8] = [
    programs::FROM_NAMESPACE,
    programs::TO_UPLINK,
    programs::FROM_UPLINK,
    programs::FROM_REASSEMBLER,
    programs::NOTE_PORT,
    programs::FORGET_FLOWS,
    programs::RESTORE_FLOWS,
    programs::START_SWEEPER,
];

/// The programs that take the verifier longest. They are begun first: begun last, each would keep
/// one CPU busy while the others idle.
const LONGEST: [&str; 7] = [
    programs::FROM_NAMESPACE,
    programs::TO_UPLINK,
    Stage::OutboundFragment.program(),
    Stage::OutboundSlow.program(),
    Stage::OutboundLookup.program(),
    Stage::AllocateEim.program(),
    Stage::EgressLookup.program(),
];

/// The pin of the program that will remove flows from the next flow table.
const NEXT_FORGETTER: &str = "next_forgetter";

/// Loads the object into the kernel: creates and pins the maps, or reuses pinned ones.
pub(super) fn load(pins: &Pins, flow_capacity: u32) -> Result<Ebpf, DatapathError> {
    let mut loader = EbpfLoader::new();
    for name in maps::PINNED {
        loader.map_pin_path(name, pins.map(name));
    }
    size(&mut loader, flow_capacity);
    loader.load(marks::object()?).map_err(DatapathError::Load)
}

/// Sets the sizes of the maps for so many flows.
pub(super) fn size(loader: &mut EbpfLoader<'_>, flow_capacity: u32) {
    loader
        .map_max_entries(maps::FLOWS, flow_capacity)
        .map_max_entries(maps::FLOW_TAILS, flow_capacity)
        .map_max_entries(maps::FLOW_INDEX, buckets_of(flow_capacity))
        .map_max_entries(maps::FLOW_WORDS, words_of(flow_capacity))
        .map_max_entries(maps::FLOW_SUMMARIES, summaries_of(flow_capacity))
        .map_max_entries(maps::MAPPINGS, flow_capacity.saturating_mul(MAPPINGS_OF_FLOW as u32));
}

/// The classifier of that name, loaded.
pub(super) fn classifier<'a>(
    object: &'a mut Ebpf,
    name: &'static str,
) -> Result<&'a mut SchedClassifier, DatapathError> {
    let error = program_error(name);
    let program = object.program_mut(name).ok_or_else(|| missing(name))?;
    let program: &mut SchedClassifier = program.try_into().map_err(error)?;
    if program.fd().is_err() {
        load_retry(|| program.load()).map_err(error)?;
    }
    Ok(program)
}

/// Loads all programs except those of the packet log, and fills the table of stages.
pub(super) fn fill_stages(object: &mut Ebpf, pins: &Pins) -> Result<(), DatapathError> {
    let names: Vec<_> = Stage::ALL.into_iter().map(Stage::program).chain(BESIDE_STAGES).collect();
    load_programs(object, &names)?;
    let mut table = stages(pins)?;
    for stage in Stage::ALL {
        put(object, &mut table, stage as u32, stage.program())?;
    }
    Ok(())
}

/// Loads programs, one on each CPU at a time: the verifier takes a good part of a second for all of
/// them.
fn load_programs(object: &mut Ebpf, names: &[&'static str]) -> Result<(), DatapathError> {
    let wanted = object.programs_mut().filter_map(|(name, program)| {
        Some((*names.iter().find(|wanted| **wanted == name)?, program))
    });
    let mut wanted: Vec<_> = wanted.collect();
    wanted.sort_by_key(|(name, _)| !LONGEST.contains(name));
    let queue = WorkQueue::new(wanted);
    let work = || loop {
        let Some((name, program)) = queue.take() else { return Ok(()) };
        let error = program_error(name);
        let program: &mut SchedClassifier = program.try_into().map_err(error)?;
        load_retry(|| program.load()).map_err(error)?;
    };
    on_threads(cpus(), work).into_iter().collect()
}

/// Puts the program that writes the packet log into the table of stages.
pub(super) fn put_report(object: &mut Ebpf, pins: &Pins) -> Result<(), DatapathError> {
    put(object, &mut stages(pins)?, REPORT, programs::REPORT)
}

/// Removes the program that writes the packet log from the table of stages, if it is there.
pub(super) fn clear_report(pins: &Pins) -> Result<(), DatapathError> {
    // The only possible failure is an empty entry.
    let _ = stages(pins)?.clear_index(&REPORT);
    Ok(())
}

fn stages(pins: &Pins) -> Result<ProgramArray<MapData>, DatapathError> {
    let error = map_error(maps::STAGES);
    let data = MapData::from_pin(pins.map(maps::STAGES)).map_err(error)?;
    Map::from_map_data(data).and_then(ProgramArray::try_from).map_err(error)
}

fn put(
    object: &mut Ebpf,
    table: &mut ProgramArray<MapData>,
    index: u32,
    name: &'static str,
) -> Result<(), DatapathError> {
    let program = classifier(object, name)?;
    let fd = program.fd().map_err(program_error(name))?;
    table.set(index, fd, 0).map_err(map_error(maps::STAGES))
}

pub(super) fn missing(name: &'static str) -> DatapathError {
    DatapathError::Program { program: name, cause: aya::programs::ProgramError::NotLoaded }
}

/// Pins the program that removes flows, so that no command has to load it again.
pub(super) fn pin_forgetter(object: &mut Ebpf, pins: &Pins) -> Result<(), DatapathError> {
    pin_forgetter_at(object, &pins.program(programs::FORGET_FLOWS))
}

/// Replaces the pinned program that removes flows, atomically.
pub(super) fn replace_forgetter(object: &mut Ebpf, pins: &Pins) -> Result<(), DatapathError> {
    let next = pins.program(NEXT_FORGETTER);
    match fs::remove_file(&next) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => {
            return Err(pin_error("remove the pin", &next, cause));
        }
        // A process that was killed has left it.
        _ => {}
    }
    pin_forgetter_at(object, &next)?;
    fs::rename(&next, pins.program(programs::FORGET_FLOWS))
        .map_err(|cause| pin_error("rename the pin", &next, cause))
}

fn pin_forgetter_at(object: &mut Ebpf, path: &Path) -> Result<(), DatapathError> {
    let program = classifier(object, programs::FORGET_FLOWS)?;
    program.pin(path).map_err(|error| pin_error("pin a program at", path, io::Error::other(error)))
}

/// The offset of `ifindex` in `struct __sk_buff` (linux/bpf.h), in words.
const LINK_OF_PACKET: usize = 10;

/// Tells the programs the address of the device of a cable's end in the router. Must run on a
/// thread inside the router's namespace.
pub(super) fn note_port(object: &mut Ebpf, link: u32) -> Result<(), DatapathError> {
    let program = classifier(object, programs::NOTE_PORT)?;
    let frame = [0_u8; 64];
    let mut context = [0_u8; 4 * (LINK_OF_PACKET + 1)];
    context[4 * LINK_OF_PACKET..].copy_from_slice(&link.to_ne_bytes());
    let options = TestRunOptions {
        data_in: Some(&frame),
        ctx_in: Some(&context),
        ..TestRunOptions::default()
    };
    let error = program_error(programs::NOTE_PORT);
    program.test_run(options).map(drop).map_err(error)
}

/// The result of a program whose helper found no memory.
const NO_MEMORY: i32 = -libc::ENOMEM;

/// Attempts to start the timer, and the pause between them: a second in all.
const TIMER_ATTEMPTS: u32 = 200;
const TIMER_PAUSE: Duration = Duration::from_millis(5);

/// Starts the timer that removes expired flows. The kernel allocates its memory without waiting: it
/// may return `ENOMEM` (seen on 6.18), and succeed a moment later.
pub(super) fn start_sweeper(object: &mut Ebpf) -> Result<(), DatapathError> {
    let program = classifier(object, programs::START_SWEEPER)?;
    // The kernel wants a frame with an Ethernet header; the program does not look at it.
    let frame = [0_u8; 64];
    let run = || {
        let options = TestRunOptions { data_in: Some(&frame), ..TestRunOptions::default() };
        let result = program.test_run(options).map_err(program_error(programs::START_SWEEPER))?;
        Ok(result.return_value.cast_signed())
    };
    let code = run_with_memory(run, || thread::sleep(TIMER_PAUSE))?;
    if code == 0 {
        return Ok(());
    }
    Err(DatapathError::Sweeper(io::Error::from_raw_os_error(-code)))
}

/// Repeats a run that found no memory, with a pause before each repetition. Returns the last
/// result.
fn run_with_memory<E>(
    mut run: impl FnMut() -> Result<i32, E>,
    mut pause: impl FnMut(),
) -> Result<i32, E> {
    for _ in 1..TIMER_ATTEMPTS {
        match run()? {
            NO_MEMORY => pause(),
            code => return Ok(code),
        }
    }
    run()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_run_that_found_no_memory_is_repeated() {
        let mut codes = [NO_MEMORY, NO_MEMORY, 0].into_iter();
        let mut pauses = 0;
        let code = run_with_memory(|| codes.next().ok_or(()), || pauses += 1);
        assert_eq!((code, pauses), (Ok(0), 2));
        let mut codes = [-libc::EINVAL].into_iter();
        assert_eq!(
            run_with_memory(|| codes.next().ok_or(()), || panic!("no pause")),
            Ok(-libc::EINVAL)
        );
        let mut asked = 0;
        let run = || {
            asked += 1;
            Ok::<_, ()>(NO_MEMORY)
        };
        assert_eq!(run_with_memory(run, || ()), Ok(NO_MEMORY));
        assert_eq!(asked, TIMER_ATTEMPTS, "it gives up");
    }
}
