//! What `up` would do to a router's datapath.

use crate::{
    datapath::{Datapath, DatapathChange},
    lab::{
        LabError,
        actual_state::ActualState,
        changes::{Change, ChangeKind},
        datapaths::RouterDatapath,
        record::LabRecord,
        resources::Resource,
    },
    net::Netns,
};

/// What becomes of a router's datapath.
#[derive(Clone, Debug)]
pub(in crate::lab) enum DatapathPlan {
    /// There is none yet, or one that cannot become what is wanted, which goes with its
    /// connections.
    Install {
        replaces: bool,
    },
    Change(Vec<DatapathChange>),
}

/// A datapath lives in its router: with another router it must be made anew.
pub(super) fn datapath_plan(
    record: &LabRecord,
    actual_state: &ActualState,
    changes: &[Change],
    datapath: &RouterDatapath,
) -> Result<DatapathPlan, LabError> {
    let spec = &datapath.spec;
    let netns = Netns::of(datapath.router.as_deref());
    let replaced = changes.iter().any(|change| {
        matches!((&change.resource, &netns), (Resource::Namespace { name, .. }, Netns::Named(router))
            if name == router && change.kind != ChangeKind::Change)
    });
    let installed = record.datapaths.contains(&spec.lab).then(|| Datapath::open(&spec.lab).ok());
    let Some(living) = installed.flatten() else {
        // What an interrupted change has installed, but could not write down.
        let replaces = Datapath::installed_at(&spec.lab).is_some();
        return Ok(DatapathPlan::Install { replaces });
    };
    if replaced || !actual_state.has(&netns) || !living.is_whole() {
        return Ok(DatapathPlan::Install { replaces: true });
    }
    let changes =
        netns.run(|| living.is_here()?.then(|| living.changes_to(spec)).transpose())??;
    // The lab's first router may have been another one.
    Ok(changes.map_or(DatapathPlan::Install { replaces: true }, DatapathPlan::Change))
}
