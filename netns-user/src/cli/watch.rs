//! The arguments of the commands that show the NAT at work.

use clap::{Args, Subcommand};

use super::{Changing, LabArgument, LabOptions};

/// Show the NAT rules with their counters
///
/// Shows the masquerade and forward rules of a running lab as they are in the kernel, with the
/// connections, packets and bytes of each, and the dropped packets by reason. Packets and bytes
/// count both directions. Each router of the lab has its own rules and counters. With --json, each
/// reason has its usual cause and its remedy.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  netns nat
  netns nat lecture --json       {lab, routers: [{router, masquerades, forwards, usage, drops}]}
  netns nat --router home        one router only, in JSON too")]
pub struct NatArgs {
    #[command(flatten)]
    pub about: LabArgument,
}

/// Show or flush the connections that the NAT tracks
///
/// Shows each tracked connection: protocol, state, addresses before and after translation, age,
/// time left, packets and bytes. `flush` forgets them all. In a lab with several routers, it also
/// shows which router tracks the connection.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  netns flows
  netns flows --lab lecture --json
  netns flows --router home
  netns flows flush")]
#[command(mut_args(|arg| arg.global(true)))]
pub struct FlowsArgs {
    #[command(subcommand)]
    pub change: Option<FlowsChange>,
    #[command(flatten)]
    pub about: LabOptions,
}

/// The actions on flows.
#[derive(Debug, Subcommand)]
pub enum FlowsChange {
    /// Forget all connections
    #[command(after_help = "\
Example:
  netns flows flush")]
    Flush(Changing),
}

/// Show each packet and what the NAT does with it
///
/// Prints a line for each packet from a namespace or an uplink: its addresses, and whether it was
/// passed to the network stack, translated or dropped, and why. Ends with Ctrl-C. While the command
/// runs, logging variants replace the eBPF programs; otherwise logging costs nothing. It shows one
/// router, by default the first.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  netns log
  netns log lecture --count 10
  netns log --json     one JSON object per line")]
pub struct LogArgs {
    #[command(flatten)]
    pub about: LabArgument,
    /// Stop after this many packets
    #[arg(long)]
    pub count: Option<u64>,
}

/// Show rules and flows live
///
/// Shows, updated every second, the rates of all rules, the dropped packets by reason, and the
/// busiest flows with their addresses before and after translation, state, age, packets and bytes.
/// Ends with q, Esc or Ctrl-C. Without a terminal it prints one frame. It shows one router, by
/// default the first.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  netns watch
  netns watch --once lecture
  netns watch --json   {lab, router, rules, drops, flows, ...}: the current counters and flows")]
pub struct WatchArgs {
    #[command(flatten)]
    pub about: LabArgument,
    /// Print one frame, with the rates of one second
    #[arg(long)]
    pub once: bool,
}
