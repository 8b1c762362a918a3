//! The options of every command that changes something.

use clap::Args;

/// Printing the changes as commands.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct Changing {
    /// Print each step as the equivalent ip, sysctl or iptables command
    #[arg(long)]
    pub explain: bool,
    /// Print these commands as a shell script and change nothing; a step that has no equivalent
    /// command is a comment
    #[arg(long)]
    pub dry_run: bool,
}

/// Changing an object that belongs to a lab.
#[derive(Clone, Copy, Debug, Default, Args)]
pub struct Forcing {
    /// Change it even if it belongs to a lab; `netns status` then reports the difference
    #[arg(long)]
    pub force: bool,
}

impl Changing {
    /// Whether the commands are printed.
    pub fn tells(self) -> bool {
        self.explain || self.dry_run
    }
}
