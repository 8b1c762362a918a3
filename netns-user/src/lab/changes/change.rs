//! A change of a lab: a resource that is added, changed or removed.

use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    lab::resources::{Deviation, Resource},
    step::Step,
};

/// Whether a resource is added, changed or removed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum ChangeKind {
    Add,
    Change,
    Remove,
}

/// A resource to add, change or remove, and the steps that do it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::lab) struct Change {
    pub(in crate::lab) kind: ChangeKind,
    /// The wanted resource; for a removal, the actual one.
    pub(in crate::lab) resource: Resource,
    pub(in crate::lab) steps: Vec<Step>,
    /// The settings that change.
    pub(in crate::lab) deviations: Vec<Deviation>,
}

impl Change {
    pub(super) fn new(kind: ChangeKind, resource: Resource, steps: Vec<Step>) -> Self {
        Self { kind, resource, steps, deviations: Vec::new() }
    }

    /// The change from the actual resource to the wanted one, if they differ.
    pub(super) fn changing(is: &Resource, wanted: &Resource) -> Option<Self> {
        let (deviations, steps): (Vec<_>, Vec<_>) = is.corrections(wanted)?.into_iter().unzip();
        let steps: Vec<Step> = steps.into_iter().flatten().collect();
        let change = Self { deviations, ..Self::new(ChangeKind::Change, wanted.clone(), steps) };
        (!change.steps.is_empty()).then_some(change)
    }
}
