//! What all commands that change something have in common.

use clap::Args;

/// Telling what is done.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct Changing {
    /// Print each step as the ip, sysctl or iptables command that it stands for
    #[arg(long)]
    pub explain: bool,
    /// Print these commands as a script for sh, in which what they cannot do is a comment, and
    /// change nothing
    #[arg(long)]
    pub dry_run: bool,
}

/// Changing what belongs to a lab.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct Forcing {
    /// Change it even if it belongs to a lab; `netns status` then reports the change
    #[arg(long)]
    pub force: bool,
}

impl Changing {
    /// Whether the commands are printed.
    pub fn tells(self) -> bool {
        self.explain || self.dry_run
    }
}
