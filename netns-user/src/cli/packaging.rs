//! The commands that packages are made with.

use std::path::PathBuf;

use clap::Args;

/// Print a completion script for a shell
///
/// Prints what the shell needs to complete commands and options at the Tab key. A package has
/// it in place already.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  source <(netns completions bash)
  netns completions zsh > /usr/local/share/zsh/site-functions/_netns
  netns completions fish > ~/.config/fish/completions/netns.fish")]
pub struct CompletionsArgs {
    /// The shell
    #[arg(value_enum)]
    pub shell: clap_complete::Shell,
}

/// Write the manual pages to a folder
///
/// Writes a page for the program and one for each command: what `--help` says, for packages.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  netns man-pages /usr/local/share/man/man1")]
pub struct ManPagesArgs {
    /// The folder; it is made if it is not there
    pub folder: PathBuf,
}
