//! Carries out a plan. Before each step the record says what may exist.
//!
//! It uses `plan`, `record` and `forwarding`.

mod network;

use std::{panic::resume_unwind, thread};

use network::make_network;

use super::{
    datapaths::RouterDatapath,
    error::LabError,
    forwarding::{
        gates,
        machine::{self, ForwardingChange},
    },
    plan::{Plan, datapath::DatapathPlan},
    progress::{Progress, check_goes_on, step},
    record::LabRecord,
};
use crate::{
    datapath::{Datapath, DatapathError, PreparedDatapath},
    net::Netns,
    step::NetlinkPool,
};

/// Carries out a plan. The record must name both the topology that exists and the one that is
/// wanted.
///
/// # Errors
/// When the kernel refuses something, or `progress` asks to stop; everything done before stays.
pub(in crate::lab) fn apply(
    plan: &Plan,
    record: &mut LabRecord,
    progress: &dyn Progress,
) -> Result<(), LabError> {
    let replaced = plan.datapaths.iter().filter_map(|(datapath, kind)| {
        matches!(kind, DatapathPlan::Install { replaces: true }).then_some(&datapath.spec.lab)
    });
    let gone: Vec<&String> = plan.removed_datapaths.iter().chain(replaced).collect();
    for name in &gone {
        gates::close(record, name)?;
        record.datapaths.remove(*name);
    }
    // The record drops their names first, so that nobody takes a half removed datapath for a whole
    // one.
    record.write_state()?;
    gone.into_iter().try_for_each(|name| Datapath::remove(name))?;
    for name in &plan.half_made {
        record.delete_half_made(name)?;
    }
    // The verifier checks the programs while the network is made.
    let prepared = thread::scope(|scope| {
        let prepare = |(datapath, kind): &(RouterDatapath, DatapathPlan)| match kind {
            DatapathPlan::Install { .. } => Datapath::prepare(&datapath.spec).map(Some),
            DatapathPlan::Change(_) => Ok(None),
        };
        let preparing = scope.spawn(move || {
            plan.datapaths.iter().map(prepare).collect::<Result<Vec<_>, DatapathError>>()
        });
        if plan.forwarding == Some(ForwardingChange::SwitchOn) {
            step(progress, "forwarding", || machine::switch_on(record))?;
        }
        if plan.steps().next().is_some() {
            step(progress, "network", || make_network(plan, record, progress))?;
        }
        preparing.join().unwrap_or_else(|cause| resume_unwind(cause)).map_err(LabError::from)
    })?;
    for ((datapath, _), prepared) in plan.datapaths.iter().zip(prepared) {
        check_goes_on(progress.goes_on())?;
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
    let mut pool = NetlinkPool::new();
    plan.late_routes().try_for_each(|step| pool.apply(&step))?;
    if let Some(ForwardingChange::Restore(_)) = plan.forwarding {
        step(progress, "forwarding", || machine::switch_back(record))?;
    }
    check_goes_on(progress.goes_on())
}

/// Installs a prepared datapath, or changes the one that is installed.
fn make_datapath(
    datapath: &RouterDatapath,
    prepared: Option<PreparedDatapath>,
    record: &mut LabRecord,
    advanced: &(dyn Fn(usize, usize) -> bool + Sync),
) -> Result<(), LabError> {
    let RouterDatapath { router, spec } = datapath;
    let netns = Netns::of(router.as_deref());
    match prepared {
        Some(prepared) => {
            match netns.run(|| prepared.install(spec, advanced))? {
                Err(DatapathError::Interrupted) => return Err(LabError::Interrupted),
                installed => installed?,
            };
            record.datapaths.insert(spec.lab.clone());
            record.write_state()
        }
        None => {
            let living = Datapath::open(&spec.lab)?;
            Ok(netns.run(|| living.converge(spec))??)
        }
    }
}
