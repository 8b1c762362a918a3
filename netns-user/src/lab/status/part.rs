//! A part of a lab, as `netns status` shows it.

use schemars::JsonSchema;
use serde::Serialize;

use crate::lab::resources::Deviation;

/// The kind of a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum PartKind {
    Namespace,
    Uplink,
    Bridge,
    Cable,
    Address,
    Route,
    #[serde(rename = "name servers")]
    Resolver,
    #[serde(rename = "hosts file")]
    Hosts,
    Datapath,
}

impl PartKind {
    /// The kind in a word.
    pub fn name(self) -> &'static str {
        match self {
            Self::Namespace => "namespace",
            Self::Uplink => "uplink",
            Self::Bridge => "bridge",
            Self::Cable => "cable",
            Self::Address => "address",
            Self::Route => "route",
            Self::Resolver => "name servers",
            Self::Hosts => "hosts file",
            Self::Datapath => "datapath",
        }
    }
}

/// A part of a lab and its state.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Part {
    /// The kind of the part.
    pub kind: PartKind,
    /// Its name.
    pub name: String,
    /// Its role, addresses and ends according to the topology.
    pub detail: String,
    /// Whether it exists.
    pub present: bool,
    /// Its interfaces that are switched off.
    pub off: Vec<String>,
    /// Its settings that somebody has changed by hand.
    pub changed: Vec<Deviation>,
}

impl Part {
    /// A part that exists and is as the topology has it.
    pub(super) fn new(kind: PartKind, name: impl Into<String>, detail: impl Into<String>) -> Self {
        let (name, detail) = (name.into(), detail.into());
        Self { kind, name, detail, present: true, off: Vec::new(), changed: Vec::new() }
    }

    /// Whether it exists, is switched on, and is as the topology has it.
    pub fn works(&self) -> bool {
        self.present && self.off.is_empty() && self.changed.is_empty()
    }
}
