//! Labs: built from a topology, recorded in /run, torn down by their record.
//!
//! A lab outlives the process that built it: the kernel holds all of it. The record says
//! what to take down, and is written before the first object is made.

mod clear;
mod commands;
mod datapaths;
mod diff;
mod down;
mod error;
mod forwarding;
mod gates;
mod inside;
mod journal;
mod lost;
mod machine;
mod network;
mod perform;
mod pieces;
mod plan;
mod planned;
mod preflight;
mod progress;
mod queues;
mod record;
mod record_files;
pub(crate) mod resolver;
mod shadowed;
mod status;
mod turn;
mod uncovered;
mod up;
mod world;

pub use commands::{down_commands, undo_commands};
pub use down::{DownOutcome, TakenDown, all_labs, down};
pub use error::LabError;
pub(crate) use machine::{Ways, uplink_fault};
pub use pieces::Deviation;
pub(crate) use plan::obstacles;
pub use plan::{Plan, plan};
pub use planned::{PlannedChange, Verb};
pub use preflight::require_root;
pub(crate) use preflight::{auto_uplink, default_interface};
pub use progress::{Progress, Silent};
pub(crate) use queues::{QueueOnPort, queues_on_ports};
pub use record::LabRecord;
pub(crate) use resolver::edited as edited_resolvers;
pub(crate) use shadowed::{ShadowedListener, shadowed, shadowed_by};
pub use status::{LabStatus, Part, PartKind, status};
pub(crate) use uncovered::{UncoveredInterface, interfaces_of_other_labs, uncovered};
pub use up::{UpOutcome, up};

use crate::{
    net::{NetError, netns},
    step::Place,
};

/// Runs `work` on a thread inside a namespace, or on the calling thread when it is the
/// machine's own.
///
/// # Errors
/// When the namespace cannot be entered; then `work` has not run.
pub fn in_place<T: Send>(place: &Place, work: impl FnOnce() -> T + Send) -> Result<T, NetError> {
    match place {
        Place::Namespace(name) => netns::run_in(name, work),
        Place::Machine => Ok(work()),
    }
}

/// The lab that a command is about: the one named, else the only one there is.
///
/// # Errors
/// When that lab is not up or not finished, when no lab is up, or when several are.
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

/// The record, once nobody builds, changes or takes down the lab. It tells of an `up` or `down`
/// that was interrupted, if it is not settled even so.
///
/// # Errors
/// [`LabError::NotUp`] when the lab is taken down meanwhile; when it takes too long.
pub fn settled(record: LabRecord) -> Result<LabRecord, LabError> {
    if record.is_settled() || require_root().is_err() {
        return Ok(record);
    }
    turn::wait_for_others()?;
    LabRecord::load(record.name())
}

/// Waits until nobody builds, changes or takes down a lab; whether somebody did.
///
/// # Errors
/// When it takes too long.
pub fn wait_for_changes() -> Result<bool, LabError> {
    turn::wait_for_others()
}
