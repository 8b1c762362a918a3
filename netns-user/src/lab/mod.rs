//! Labs: built from a topology, recorded in /run, torn down by their record.
//!
//! A lab outlives the process that built it: the kernel holds all of it. The record says what to
//! take down, and is written before the first object is made.
//!
//! The way of `up`: `resources` and `datapaths` say what a topology consists of, `actual_state`
//! reads what exists, `changes` compares the two, `plan` adds the datapaths and the settings of the
//! machine, and `apply` carries the plan out. `down` follows the `record`, in `take_down`.
//!
//! This folder uses `topology`, `step`, `net` and `datapath`; the commands, `doctor` and the
//! demonstration use it. Inside, `record` is below all others, and each module uses only modules
//! that come before it on this way.

mod actual_state;
mod apply;
mod changes;
mod commands;
mod datapaths;
mod down;
mod error;
mod forwarding;
mod lock;
mod plan;
mod preflight;
mod progress;
mod rcu_expedited;
mod record;
mod resources;
mod status;
mod surroundings;
mod take_down;
mod up;

pub use changes::ChangeKind;
pub use commands::{down_commands, undo_commands};
pub use down::{DownOutcome, TakenDown, all_labs, down};
pub use error::LabError;
pub(crate) use error::remount_command;
pub use plan::{Plan, lines::PlannedChange, plan};
pub(crate) use plan::{obstacles, refusal};
pub(crate) use preflight::{
    auto_uplink, default_interface,
    machine::{Reachability, uplink_fault},
    requirements::read_only_places,
    rights::Rights,
};
pub use preflight::{require_root, rights::refusal_reason};
pub use progress::{Progress, Silent};
pub use record::LabRecord;
pub use resources::Deviation;
pub(crate) use status::kept_files::KeptFiles;
pub use status::{LabStatus, Part, PartKind, status};
pub(crate) use surroundings::{
    other_masquerades::{OtherMasquerade, other_masquerades},
    other_nats::{OtherForward, other_forwards, other_forwards_of},
    queues::{QueueOnPort, queues_on_ports},
    shadowed::{ShadowedListener, shadowed, shadowed_by},
    uncovered::{UncoveredInterface, interfaces_of_other_labs, uncovered},
};
pub use up::{UpOutcome, up};

/// The lab that a command is about: the named one, or else the only one.
///
/// # Errors
/// When that lab is not up or not complete, when no lab is up, or when several are.
pub fn choose(lab: Option<&str>) -> Result<LabRecord, LabError> {
    let record = match lab {
        Some(name) => LabRecord::load(name)?,
        None => {
            let (mut all, faults) = LabRecord::survey()?;
            match (all.pop(), all.as_slice()) {
                (None, _) => return Err(faults.into_iter().next().unwrap_or(LabError::NoLab)),
                (Some(only), []) => only,
                (Some(last), others) => {
                    let names = others.iter().chain([&last]).map(|record| record.name());
                    return Err(LabError::SeveralLabs(names.collect::<Vec<_>>().join(", ")));
                }
            }
        }
    };
    let record = settled(record)?;
    if record.is_settled() { Ok(record) } else { Err(record.unfinished()) }
}

/// The record, read again once no process builds, changes or takes down the lab. If it still is not
/// settled, its `up` or `down` was interrupted.
///
/// # Errors
/// [`LabError::NotUp`] when the lab is taken down in the meantime; when it takes too long.
pub fn settled(record: LabRecord) -> Result<LabRecord, LabError> {
    if record.is_settled() || require_root().is_err() {
        return Ok(record);
    }
    lock::wait_for_others()?;
    LabRecord::load(record.name())
}

/// Waits until no process builds, changes or takes down a lab. Returns whether one did.
///
/// # Errors
/// When it takes too long.
pub fn wait_for_changes() -> Result<bool, LabError> {
    lock::wait_for_others()
}
