//! Looking at the NAT at work.

use clap::{Args, Subcommand};

use super::Changing;

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
    Flush(Changing),
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
