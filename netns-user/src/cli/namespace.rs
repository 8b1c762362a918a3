//! Single namespaces.

use std::ffi::OsString;

use clap::{Arg, ArgAction, Args};

use super::Changing;

/// Make a namespace
///
/// Makes an empty network namespace, as `ip netns add` does.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  netns add red")]
pub struct AddArgs {
    /// Name of the namespace
    pub name: String,
    #[command(flatten)]
    pub changing: Changing,
}

/// Delete a namespace
///
/// Takes the name of a namespace away, as `ip netns del` does. The namespace and its links
/// are gone as soon as no process is left in it. One that belongs to a lab is left alone.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  netns del red")]
pub struct DelArgs {
    /// Name of the namespace
    pub name: String,
    #[command(flatten)]
    pub changing: Changing,
}

/// List namespaces
///
/// Lists all named network namespaces, those of `ip netns` too: the lab that each belongs
/// to, its addresses and how many links it has, loopback and the NAT's own included.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  netns list
  netns list --json    [{name, lab, addresses, links}]")]
pub struct ListArgs {}

/// Run a command in a namespace
///
/// Runs a command inside a namespace, in the place of this program, so that signals and the
/// exit code are the command's own (a shell shows death by a signal as 128 and its number).
/// Files in /etc/netns/NAME/ lie over those of /etc meanwhile, resolv.conf for example, and
/// /sys shows the namespace's links.
///
/// With --isolate the command also has a PID namespace and a /proc of its own, as in a
/// container: `ps aux` shows nothing but the command (PID 2), what it starts, and a small init
/// (PID 1) that reaps what is left over. Signals and the exit code are still the command's
/// own. What it leaves running ends with it. Host name, users, files and IPC stay shared.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  netns exec red -- ping -c 1 192.168.15.2
  netns exec blue -- sh -c 'ip -br address'
  netns exec --isolate red -- ps aux

Exit codes: those of the command; 126 when it cannot be run, 127 when it is not found.")]
// The global one would be shown in its help, where it has no meaning.
#[command(arg = Arg::new("json").long("json").action(ArgAction::SetTrue).hide(true))]
pub struct ExecArgs {
    /// Give it a PID namespace and a /proc of its own too: it sees no other processes
    #[arg(long)]
    pub isolate: bool,
    /// Name of the namespace
    pub name: String,
    /// The command and its arguments
    #[arg(required = true, trailing_var_arg = true, allow_hyphen_values = true)]
    #[arg(value_name = "CMD")]
    pub command: Vec<OsString>,
}

/// Show links, addresses, routes and neighbours
///
/// Shows the links, addresses, IPv4 routes and neighbours of a namespace. Without a name:
/// those of the only lab's router, else of the machine itself.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  netns show        the router of the only lab that is up, or this machine
  netns show red")]
pub struct ShowArgs {
    /// Name of the namespace; without it, the only lab's router, else the machine
    pub name: Option<String>,
}

/// Show the processes in a namespace
///
/// Shows the processes whose network namespace it is, whoever has started them. PID is the
/// number that this shell knows a process by; PID INSIDE the one that it has in a PID namespace
/// of its own, as under `exec --isolate`. On a terminal, long command lines are cut.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  netns ps             all named namespaces
  netns ps red
  netns ps red --json")]
pub struct PsArgs {
    /// Name of the namespace; without it, all that have a name
    pub name: Option<String>,
}

/// Whose things to list.
#[derive(Debug, Args)]
pub struct NetnsArgs {
    /// Only those of this namespace
    pub namespace: Option<String>,
}
