//! Takes a lab down.

use super::{
    LabError, LabRecord,
    clear::{clear, waits},
    diff::diff,
    preflight,
    turn::{Turn, hurry_commands},
    world::World,
};
use crate::{
    datapath::Datapath,
    step::{Place, Step},
};

/// What `down` did.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DownOutcome {
    Down {
        /// Names of the lab's that namespaces of others bore; they were left alone.
        strangers: Vec<String>,
    },
    /// No lab of that name was up.
    NotUp,
}

/// Takes the lab down: datapath, links, namespaces, settings, record. What is gone already
/// counts as done, a lab that is not up too.
///
/// # Errors
/// All that could not be taken down, together. The record then stays for another attempt.
pub fn down(lab: &str) -> Result<DownOutcome, LabError> {
    preflight::require_root()?;
    let turn = Turn::wait()?;
    match LabRecord::find(lab)? {
        Some(record) => {
            let strangers = record.strangers()?;
            LabError::collect(clear(&record, &turn))?;
            Ok(DownOutcome::Down { strangers })
        }
        None => Ok(DownOutcome::NotUp),
    }
}

/// The commands of other programs that [`down`] stands for, for what stands of the lab; none
/// when it is not up.
///
/// # Errors
/// When the record cannot be read or the kernel refuses to tell.
pub fn down_commands(lab: &str) -> Result<Vec<String>, LabError> {
    preflight::require_root()?;
    let Some(record) = LabRecord::find(lab)? else { return Ok(Vec::new()) };
    let pieces = record.pieces();
    let actual = World::of(&record, &pieces)?.actual(&pieces);
    // What goes with something else needs no step of its own.
    let steps = diff(&actual, &[]).into_iter().filter_map(|mut difference| difference.steps.pop());
    let pins =
        record.datapaths.iter().map(|name| format!("rm -r {}", Datapath::pins_of(name).display()));
    let (hurry, calm) = hurry_commands(waits(&pieces)).map(<[String; 2]>::into).unzip();
    let mut commands: Vec<String> = hurry.into_iter().chain(pins).collect();
    commands.extend(steps.flat_map(|step| step.commands()));
    commands.extend(calm);
    commands.extend(record.settings.iter().flat_map(|(key, value)| {
        Step::Set { place: Place::Machine, key: key.clone(), value: value.clone() }.commands()
    }));
    Ok(commands)
}
