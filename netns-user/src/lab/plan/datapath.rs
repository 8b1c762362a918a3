//! What `up` would do to a router's datapath.

use crate::{
    datapath::{Datapath, DatapathChange},
    lab::{
        actual_state::ActualState,
        changes::{Change, ChangeKind},
        datapaths::RouterDatapath,
        error::LabError,
        record::LabRecord,
        resources::Resource,
    },
    net::Netns,
};

/// What `up` does to a router's datapath.
#[derive(Clone, Debug)]
pub(in crate::lab) enum DatapathPlan {
    /// There is none yet, or one that cannot be changed to the wanted one: it is replaced and its
    /// connections end.
    Install {
        replaces: bool,
    },
    Change(Vec<DatapathChange>),
}

/// Plans a router's datapath. A datapath cannot move to another router: then it is replaced.
pub(super) fn datapath_plan(
    record: &LabRecord,
    actual_state: &ActualState,
    changes: &[Change],
    datapath: &RouterDatapath,
) -> Result<DatapathPlan, LabError> {
    let spec = &datapath.spec;
    let netns = Netns::of(datapath.router.as_deref());
    let replaced = changes.iter().any(|change| {
        let both = (&change.resource, &netns);
        matches!(both, (Resource::Namespace { name, .. }, Netns::Named(router))
            if name == router && change.kind != ChangeKind::Change)
    });
    let installed = record.datapaths.contains(&spec.lab).then(|| Datapath::open(&spec.lab).ok());
    let Some(living) = installed.flatten() else {
        // An interrupted change may have installed one without recording it.
        let replaces = Datapath::installed_at(&spec.lab).is_some();
        return Ok(DatapathPlan::Install { replaces });
    };
    if replaced || !actual_state.has(&netns) || !living.is_whole() {
        return Ok(DatapathPlan::Install { replaces: true });
    }
    let changes =
        netns.run(|| living.is_here()?.then(|| living.changes_to(spec)).transpose())??;
    // The datapath may be in another namespace, if the lab's first router was another one.
    Ok(changes.map_or(DatapathPlan::Install { replaces: true }, DatapathPlan::Change))
}
