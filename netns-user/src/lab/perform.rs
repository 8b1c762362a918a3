//! Carries a plan out.

use std::{panic::resume_unwind, thread};

use super::{
    LabError, LabRecord, Progress,
    datapaths::RouterDatapath,
    forwarding, gates, in_place,
    network::make_network,
    plan::{DatapathFate, Plan},
    progress::step,
};
use crate::{
    datapath::{Datapath, DatapathError, PreparedDatapath},
    step::{Hands, Place},
};

/// Carries a plan out, with a record that tells of both what stands and what is to stand.
///
/// # Errors
/// When the kernel refuses something, or `progress` wants an end; what was done by then stays.
pub(super) fn perform(
    plan: &Plan,
    record: &mut LabRecord,
    progress: &dyn Progress,
) -> Result<(), LabError> {
    let replaced = plan.datapaths.iter().filter_map(|(datapath, fate)| {
        matches!(fate, DatapathFate::Installed { replaces: true }).then_some(&datapath.spec.lab)
    });
    let gone: Vec<&String> = plan.removed_datapaths.iter().chain(replaced).collect();
    for name in &gone {
        gates::close(record, name)?;
        record.datapaths.remove(*name);
    }
    // Before they go: nobody may take half of one for a whole one.
    record.write_state()?;
    gone.into_iter().try_for_each(|name| Datapath::remove(name))?;
    for name in &plan.wrecks {
        record.unmake(name)?;
    }
    // The verifier is busy with the programs while the network is made.
    let prepared = thread::scope(|scope| {
        let prepare = |(datapath, fate): &(RouterDatapath, DatapathFate)| match fate {
            DatapathFate::Installed { .. } => Datapath::prepare(&datapath.spec).map(Some),
            DatapathFate::Changed(_) => Ok(None),
        };
        let preparing = scope.spawn(move || {
            plan.datapaths.iter().map(prepare).collect::<Result<Vec<_>, DatapathError>>()
        });
        if plan.forwarding == Some(true) {
            step(progress, "forwarding", || forwarding::switch_on(record))?;
        }
        if plan.steps().next().is_some() {
            step(progress, "network", || make_network(plan, record, progress))?;
        }
        preparing.join().unwrap_or_else(|cause| resume_unwind(cause)).map_err(LabError::from)
    })?;
    for ((datapath, _), prepared) in plan.datapaths.iter().zip(prepared) {
        go_on(progress.goes_on())?;
        let name = match &datapath.router {
            Some(router) => format!("datapath of router \"{router}\""),
            None => "datapath".to_owned(),
        };
        step(progress, &name, || {
            let advanced = |done, all| progress.advanced(&name, done, all);
            make_datapath(datapath, prepared, record, &advanced)
        })?;
    }
    gates::open(&plan.wanted)?;
    let mut hands = Hands::new();
    plan.late_routes().try_for_each(|step| hands.apply(&step))?;
    if plan.forwarding == Some(false) {
        step(progress, "forwarding", || forwarding::switch_back(record))?;
    }
    go_on(progress.goes_on())
}

pub(super) fn go_on(goes_on: bool) -> Result<(), LabError> {
    if goes_on { Ok(()) } else { Err(LabError::Interrupted) }
}

/// Installs what is prepared, or changes what is there.
fn make_datapath(
    datapath: &RouterDatapath,
    prepared: Option<PreparedDatapath>,
    record: &mut LabRecord,
    advanced: &(dyn Fn(usize, usize) -> bool + Sync),
) -> Result<(), LabError> {
    let RouterDatapath { router, spec } = datapath;
    let place = Place::of(router.as_deref());
    match prepared {
        Some(prepared) => {
            match in_place(&place, || prepared.install(spec, advanced))? {
                Err(DatapathError::Interrupted) => return Err(LabError::Interrupted),
                installed => installed?,
            };
            record.datapaths.insert(spec.lab.clone());
            record.write_state()
        }
        None => {
            let living = Datapath::open(&spec.lab)?;
            Ok(in_place(&place, || living.converge(spec))??)
        }
    }
}
