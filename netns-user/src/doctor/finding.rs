//! The result of a check: its severity, its consequence, and a command that repairs the fault.

use schemars::JsonSchema;
use serde::Serialize;

/// Shows the last messages of the kernel.
pub(super) const KERNEL_LOG: &str = "dmesg | tail -n 20";

/// The severity of a finding.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It works.
    #[serde(rename = "ok")]
    Sound,
    /// It works only in part or not for every lab, or it could not be checked.
    #[serde(rename = "warning")]
    Doubtful,
    /// It does not work.
    #[serde(rename = "fault")]
    Faulty,
}

/// The result of one check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Finding {
    /// The name of the check.
    pub check: &'static str,
    /// The severity.
    pub verdict: Verdict,
    /// The observed state, in words.
    pub found: String,
    /// The consequence for labs, in words; `None`: there is nothing to add.
    pub meaning: Option<String>,
    /// A shell command that repairs the fault, or shows its cause where no command can repair it;
    /// `None`: there is nothing to repair, or no such command.
    pub command: Option<String>,
}

impl Finding {
    pub(super) fn new(check: &'static str, verdict: Verdict, found: impl Into<String>) -> Self {
        Self { check, verdict, found: found.into(), meaning: None, command: None }
    }

    pub(super) fn sound(check: &'static str, found: impl Into<String>) -> Self {
        Self::new(check, Verdict::Sound, found)
    }

    pub(super) fn meaning(mut self, text: impl Into<String>) -> Self {
        self.meaning = Some(text.into());
        self
    }

    pub(super) fn command(mut self, text: impl Into<String>) -> Self {
        self.command = Some(text.into());
        self
    }
}
