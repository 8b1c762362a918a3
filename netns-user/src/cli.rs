//! The command line, as clap reads it.

use std::{
    ffi::OsString,
    net::{Ipv4Addr, SocketAddrV4},
    path::PathBuf,
};

use clap::{Args, Parser, Subcommand};
use ipnet::Ipv4Net;

use crate::{
    commands::doctor::DoctorArgs,
    rules::{ForwardProtocol, parse_host_address, parse_source, parse_target},
};

const EXIT_CODES: &str = "\
Exit codes: 0 success, 1 failure, 2 wrong usage; `exec` ends with the code of its command.";

/// Network labs on one Linux machine: namespaces, cables, bridges, a router, and NAT in eBPF
/// instead of iptables.
#[derive(Debug, Parser)]
#[command(name = "netns", version, about, long_about, arg_required_else_help = true)]
#[command(after_help = EXIT_CODES)]
pub struct Cli {
    /// Show results as JSON
    #[arg(long, global = true)]
    pub json: bool,
    #[command(subcommand)]
    pub command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    Demo(DemoArgs),
    Up(UpArgs),
    Down(DownArgs),
    Doctor(DoctorArgs),
    Status(StatusArgs),
    Add(AddArgs),
    Del(DelArgs),
    List(ListArgs),
    Exec(ExecArgs),
    Show(ShowArgs),
    Masquerade(MasqueradeArgs),
    Forward(ForwardArgs),
    Nat(NatArgs),
    Flows(FlowsArgs),
    Log(LogArgs),
    Watch(WatchArgs),
}

/// Show the lecture's lab at work
///
/// Builds the lecture's lab, draws it, checks one after another what the lecture promises and
/// shows the rules with their counters. On a terminal it stays with a live view until Ctrl-C.
/// The lab is torn down in any case.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  netns demo
  netns demo --json    the checks with their outcome

Exit codes: 0 only when every check held; 130 when interrupted before that.")]
pub struct DemoArgs {}

/// Build a lab
///
/// Builds the lab that a topology file (TOML) describes. It lives on without a process until
/// `netns down`. Building the same lab twice changes nothing; when something fails half-way,
/// nothing stays behind.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  netns up             the lecture's lab: red and blue on a bridge, behind a router
  netns up my.toml     the lab of a file")]
pub struct UpArgs {
    /// The topology file; without it, the lecture's lab
    pub file: Option<PathBuf>,
}

/// Take a lab down
///
/// Takes down all that belongs to a lab, past whatever is gone already, and reports all that
/// could not be taken down. A lab that is not up is no error.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  netns down           the only lab that is up
  netns down lecture   the lab of that name
  netns down my.toml   the lab that was built from a file")]
pub struct DownArgs {
    /// Name of the lab, or its topology file; may be left out when only one lab is up
    pub lab: Option<String>,
}

/// Show labs and whether their parts are all there
///
/// Shows each lab that is up with its namespaces, uplinks, bridges, cables, datapath and
/// rules, and what of them is missing. Ends with 1 when something is.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  netns status lecture")]
pub struct StatusArgs {
    /// Name of the lab; without it, all labs
    pub lab: Option<String>,
}

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
}

/// Delete a namespace
///
/// Takes the name of a namespace away, as `ip netns del` does. The namespace and its links
/// are gone as soon as no process is left in it.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  netns del red")]
pub struct DelArgs {
    /// Name of the namespace
    pub name: String,
}

/// List namespaces
///
/// Lists all named network namespaces, those of `ip netns` too: the lab that each belongs
/// to, its addresses and how many links it has, loopback included.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  netns list --json")]
pub struct ListArgs {}

/// Run a command in a namespace
///
/// Runs a command inside a namespace, in the place of this program, so that signals and the
/// exit code are the command's own (a shell shows death by a signal as 128 and its number).
/// Files in /etc/netns/NAME/ lie over those of /etc meanwhile, resolv.conf for example, and
/// /sys shows the namespace's links.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  netns exec red -- ping -c 1 192.168.15.2
  netns exec blue -- sh -c 'ip -br address'

Exit codes: those of the command; 126 when it cannot be run, 127 when it is not found.")]
pub struct ExecArgs {
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
Example:
  netns show red")]
pub struct ShowArgs {
    /// Name of the namespace
    pub name: Option<String>,
}

/// Add or delete a masquerade rule of a living lab
///
/// What a source sends out of an uplink then bears the uplink's address, so that answers find
/// their way back. The rule holds at once. Deleting it ends the connections that it made.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  netns masquerade add 192.168.15.0/24 --uplink ens3
  netns masquerade del 192.168.15.0/24")]
pub struct MasqueradeArgs {
    #[command(subcommand)]
    pub change: MasqueradeChange,
}

/// What to do with a masquerade rule.
#[derive(Debug, Subcommand)]
pub enum MasqueradeChange {
    /// Add a rule
    #[command(after_help = "\
Example:
  netns masquerade add 192.168.15.0/24 --uplink ens3")]
    Add(MasqueradeRuleArgs),
    /// Delete a rule and end the connections that it made
    #[command(after_help = "\
Example:
  netns masquerade del 192.168.15.0/24")]
    Del(MasqueradeRuleArgs),
}

/// Which masquerade rule.
#[derive(Debug, Args)]
pub struct MasqueradeRuleArgs {
    /// The inside network, for example 192.168.15.0/24
    #[arg(value_parser = parse_source)]
    pub source: Ipv4Net,
    /// The uplink; without it, every uplink
    #[arg(long)]
    pub uplink: Option<String>,
    /// Name of the lab; may be left out when only one lab is up
    #[arg(long)]
    pub lab: Option<String>,
}

/// Add or delete a port forward of a living lab
///
/// What reaches the port on an address of the host goes to the target: from outside, from
/// the host itself (127.0.0.1 too) and from the namespaces. The rule holds at once. Deleting
/// it ends the connections that it made.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  netns forward add tcp 80 192.168.15.2:80
  netns forward add udp 53 192.168.15.2:5353 --address 192.168.1.10
  netns forward del tcp 80")]
pub struct ForwardArgs {
    #[command(subcommand)]
    pub change: ForwardChange,
}

/// What to do with a forward rule.
#[derive(Debug, Subcommand)]
pub enum ForwardChange {
    /// Add a rule
    #[command(after_help = "\
Example:
  netns forward add tcp 80 192.168.15.2:80")]
    Add(ForwardAddArgs),
    /// Delete a rule and end the connections that it made
    #[command(after_help = "\
Example:
  netns forward del tcp 80")]
    Del(ForwardDelArgs),
}

/// The forward to add.
#[derive(Debug, Args)]
pub struct ForwardAddArgs {
    #[command(flatten)]
    pub listen: ListenArgs,
    /// Address and port of a namespace, for example 192.168.15.2:80
    #[arg(value_parser = parse_target)]
    pub target: SocketAddrV4,
    /// Name of the lab; may be left out when only one lab is up
    #[arg(long)]
    pub lab: Option<String>,
}

/// The forward to delete.
#[derive(Debug, Args)]
pub struct ForwardDelArgs {
    #[command(flatten)]
    pub listen: ListenArgs,
    /// Name of the lab; may be left out when only one lab is up
    #[arg(long)]
    pub lab: Option<String>,
}

/// Where a forward listens.
#[derive(Debug, Args)]
pub struct ListenArgs {
    /// tcp or udp
    #[arg(value_enum)]
    pub protocol: ForwardProtocol,
    /// Port of the host
    #[arg(value_parser = clap::value_parser!(u16).range(1..))]
    pub port: u16,
    /// Address of the host; without it, every address of the host
    #[arg(long, value_parser = parse_host_address)]
    pub address: Option<Ipv4Addr>,
}

/// Show the NAT rules with their counters
///
/// Shows the masquerade and forward rules of a living lab as the kernel holds them, with the
/// connections, packets and bytes that each has translated, and what was dropped and why.
/// Packets and bytes are those of both directions.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  netns nat
  netns nat lecture --json")]
pub struct NatArgs {
    /// Name of the lab; may be left out when only one lab is up
    pub lab: Option<String>,
}

/// Show or flush the connections that the NAT tracks
///
/// Shows each tracked connection: protocol, state, addresses before and after translation,
/// age, packets and bytes. With `flush`, forgets them all.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  netns flows
  netns flows --lab lecture --json
  netns flows flush")]
pub struct FlowsArgs {
    #[command(subcommand)]
    pub change: Option<FlowsChange>,
    /// Name of the lab; may be left out when only one lab is up
    #[arg(long, global = true)]
    pub lab: Option<String>,
}

/// What to do with the flows.
#[derive(Debug, Subcommand)]
pub enum FlowsChange {
    /// Forget all connections
    #[command(after_help = "\
Example:
  netns flows flush")]
    Flush,
}

/// Show each packet and what becomes of it
///
/// Writes a line for each packet that a namespace sends or that comes in by an uplink: its
/// addresses, and whether it was passed to the stack, translated or dropped, and why. The
/// programs that write it take the place of the others while the command runs, so packets
/// cost nothing more when it does not. Ends with Ctrl-C.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  netns log
  netns log lecture --count 10
  netns log --json     one object a line")]
pub struct LogArgs {
    /// Name of the lab; may be left out when only one lab is up
    pub lab: Option<String>,
    /// End after this many packets
    #[arg(long)]
    pub count: Option<u64>,
}

/// Watch rules and flows
///
/// Shows once a second the rates of all rules, what is dropped and why, and the busiest flows:
/// their addresses before and after translation, state, age, packets and bytes. Ends with q,
/// Esc or Ctrl-C. Where there is no terminal it shows one frame.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  netns watch
  netns watch --once lecture
  netns watch --json   all counters and flows as they stand")]
pub struct WatchArgs {
    /// Name of the lab; may be left out when only one lab is up
    pub lab: Option<String>,
    /// Show one frame, over one second
    #[arg(long)]
    pub once: bool,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definitions_hold_together() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_has_help_with_an_example() {
        for command in Cli::command().get_subcommands() {
            let name = command.get_name();
            assert!(command.get_long_about().is_some(), "{name}");
            let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(after.contains(&format!("  netns {name}")), "{name}: {after}");
        }
    }

    #[test]
    fn exec_leaves_the_options_of_its_command_alone() {
        for line in ["netns exec red -- ls -l --json", "netns exec red ls -l --json"] {
            let cli = Cli::try_parse_from(line.split(' ')).unwrap();
            let Command::Exec(args) = cli.command else { panic!("not exec") };
            assert_eq!(args.command, ["ls", "-l", "--json"]);
            assert!(!cli.json);
        }
    }
}
