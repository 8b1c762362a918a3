//! The arguments of the commands for packagers.

use std::path::PathBuf;

use clap::{Args, ValueEnum};

/// Print a completion script for a shell
///
/// Prints a script with which the shell completes commands, options, files, namespaces, interfaces,
/// labs, routers and rules at the Tab key. The packages of netns install it already. The script
/// asks the `netns` that is in the path; labs and rules are known to root only.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  source <(netns completions bash)
  netns completions zsh > /usr/local/share/zsh/site-functions/_netns
  netns completions fish > ~/.config/fish/completions/netns.fish")]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub shell: Shell,
}

/// A shell that has completions.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Shell {
    Bash,
    Elvish,
    Fish,
    Powershell,
    Zsh,
}

/// Write the manual pages to a folder
///
/// Writes a page for the program and one for each command, with the text of `--help`.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  netns man-pages /usr/local/share/man/man1")]
pub struct ManPagesArgs {
    /// The folder; created if it does not exist
    pub folder: PathBuf,
}
