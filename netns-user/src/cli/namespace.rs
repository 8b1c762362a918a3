//! The arguments of the commands on single namespaces.

use std::ffi::OsString;

use clap::{Arg, ArgAction, Args};

use super::Changing;

/// Add a namespace
///
/// Adds an empty network namespace, as `ip netns add` does.
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
/// Removes the name of a namespace, as `ip netns del` does. The kernel deletes the namespace and
/// its links once no process is left in it. A namespace that belongs to a lab is not deleted.
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
/// Lists all named network namespaces, including those of `ip netns`. Shows the lab, the addresses
/// and the number of links of each; loopback and the links of the NAT count too.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  netns list
  netns list --json    [{name, lab, addresses, links}]")]
pub struct ListArgs {}

/// Run a command in a namespace
///
/// Runs a command in a namespace. The command replaces this program, so it gets the signals, and
/// its exit code is returned (a shell reports death by a signal as 128 plus the signal's number).
/// The command sees the files of /etc/netns/NAME/ in place of those in /etc, for example
/// resolv.conf and hosts, and the namespace's links in /sys. In a lab, hosts has the names of all
/// its namespaces.
///
/// With --isolate the command also gets its own PID namespace and /proc, as in a container: `ps
/// aux` shows only the command (PID 2), its children and a small init (PID 1). Signals and exit
/// code work as without it. When the command ends, all its children are killed. Host name, users,
/// files and IPC stay shared with the machine.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  netns exec red -- ping -c 1 192.168.15.2
  netns exec blue -- sh -c 'ip -br address'
  netns exec --all -- ip -br address    in every namespace, one after another
  netns exec --isolate red -- ps aux

Exit codes: those of the command; 126 when it cannot be run, 127 when it is not found.")]
// Hides the global --json from the help of `exec`, which ignores it.
#[command(arg = Arg::new("json").long("json").action(ArgAction::SetTrue).hide(true))]
pub struct ExecArgs {
    /// Also give the command its own PID namespace and /proc, so that it sees no other processes
    #[arg(long)]
    pub isolate: bool,
    /// Run the command in every named namespace, one after another
    #[arg(long, conflicts_with = "isolate")]
    pub all: bool,
    /// Name of the namespace; left out with --all
    #[arg(required_unless_present = "all")]
    pub name: Option<OsString>,
    /// The command and its arguments
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    #[arg(value_name = "CMD")]
    pub command: Vec<OsString>,
}

/// Show links, addresses, routes and neighbours
///
/// Shows the links, addresses, IPv4 routes and neighbours of a namespace. Without a name it shows
/// the router of the only lab that is up, else this machine.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  netns show        the router of the only lab that is up, else this machine
  netns show red")]
pub struct ShowArgs {
    /// Name of the namespace; by default, the only lab's router, else this machine
    pub name: Option<String>,
}

/// Show the processes in a namespace
///
/// Shows all processes in a network namespace, no matter who started them. PID is the number of the
/// process on this machine; PID INSIDE is its number in its own PID namespace, as with
/// `exec --isolate`. On a terminal, long command lines are cut.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  netns ps             all named namespaces
  netns ps red
  netns ps red --json")]
pub struct PsArgs {
    /// Name of the namespace; by default, all named namespaces
    pub name: Option<String>,
}

/// Show the namespace of a process
///
/// Prints the names of the network namespace that a process is in, as `ip netns identify` does. It
/// prints nothing if that namespace has no name.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  netns identify         this shell's own
  netns identify 4711")]
pub struct IdentifyArgs {
    /// Number of the process; by default, the process that runs the command
    pub pid: Option<i32>,
}

/// Print the numbers of the processes in a namespace
///
/// Prints the number of each process in a network namespace, one a line, as `ip netns pids` does.
/// `netns ps` shows more of them.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  netns pids red")]
pub struct PidsArgs {
    /// Name of the namespace
    pub name: String,
}

/// The namespace and interface to list.
#[derive(Debug, Args)]
pub struct NetnsArgs {
    /// List only this namespace
    pub namespace: Option<String>,
    /// List only interfaces of this name
    #[arg(long, value_name = "INTERFACE")]
    pub dev: Option<String>,
}
