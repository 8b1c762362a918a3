//! Looking at the NAT at work.

use clap::{Args, Subcommand};

use super::{Changing, LabArgument, LabOptions};

/// Show the NAT rules with their counters
///
/// Shows the masquerade and forward rules of a living lab as the kernel holds them, with the
/// connections, packets and bytes that each has translated, and what was dropped and why.
/// Packets and bytes are those of both directions. Each router of the lab has its own.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  netns nat
  netns nat lecture --json       {lab, masquerades, forwards, drops}; of several routers
                                 {lab, routers: [{router, masquerades, forwards, drops}]}
  netns nat --router home        of one router alone, in JSON too")]
pub struct NatArgs {
    #[command(flatten)]
    pub about: LabArgument,
}

/// Show or flush the connections that the NAT tracks
///
/// Shows each tracked connection: protocol, state, addresses before and after translation,
/// age, packets and bytes. With `flush`, forgets them all. Of several routers it tells which
/// one tracks the connection, in JSON as `router`.
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

/// What to do with the flows.
#[derive(Debug, Subcommand)]
pub enum FlowsChange {
    /// Forget all connections
    #[command(after_help = "\
Example:
  netns flows flush")]
    Flush(Changing),
}

/// Show each packet and what becomes of it
///
/// Writes a line for each packet that a namespace sends or that comes in by an uplink: its
/// addresses, and whether it was passed to the stack, translated or dropped, and why. The
/// programs that write it take the place of the others while the command runs, so packets
/// cost nothing more when it does not. Ends with Ctrl-C. It is about one router at a time:
/// without --router, the first.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  netns log
  netns log lecture --count 10
  netns log --json     one object a line")]
pub struct LogArgs {
    #[command(flatten)]
    pub about: LabArgument,
    /// End after this many packets
    #[arg(long)]
    pub count: Option<u64>,
}

/// Watch rules and flows
///
/// Shows once a second the rates of all rules, what is dropped and why, and the busiest flows:
/// their addresses before and after translation, state, age, packets and bytes. Ends with q,
/// Esc or Ctrl-C. Where there is no terminal it shows one frame. It is about one router at a
/// time: without --router, the first.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  netns watch
  netns watch --once lecture
  netns watch --json   all counters and flows as they stand")]
pub struct WatchArgs {
    #[command(flatten)]
    pub about: LabArgument,
    /// Show one frame, over one second
    #[arg(long)]
    pub once: bool,
}
