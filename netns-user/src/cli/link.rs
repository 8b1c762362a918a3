//! Settings of interfaces.

use clap::{Args, Subcommand, ValueEnum};

use super::{Changing, end::parse_end};
use crate::step::End;

/// Switch interfaces on and off, set their MTU
///
/// Interfaces are written as NAMESPACE:INTERFACE, those of this machine without a namespace.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  netns link set red:veth-red up
  netns link set red:veth-red --mtu 1400")]
pub struct LinkArgs {
    #[command(subcommand)]
    pub change: LinkChange,
}

/// What to do with an interface.
#[derive(Debug, Subcommand)]
pub enum LinkChange {
    /// Switch an interface on or off, or set its MTU
    ///
    /// Where a cable to a bridge is complete by it, the command waits until the bridge's port is
    /// open.
    #[command(after_help = "\
Examples:
  netns link set red:veth-red up
  netns link set red:lo down
  netns link set red:veth-red up --mtu 1400")]
    Set(LinkSetArgs),
}

/// What to set.
#[derive(Debug, Args)]
pub struct LinkSetArgs {
    /// The interface
    #[arg(value_name = "[NAMESPACE:]INTERFACE", value_parser = parse_end)]
    pub end: End,
    /// Whether it is on
    #[arg(value_name = "STATE", required_unless_present = "mtu")]
    pub state: Option<LinkState>,
    /// The largest packet that it takes, in bytes
    #[arg(long, value_name = "BYTES")]
    pub mtu: Option<u32>,
    #[command(flatten)]
    pub changing: Changing,
}

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LinkState {
    Up,
    Down,
}
