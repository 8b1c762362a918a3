//! Settings of interfaces.

use clap::{ArgGroup, Args, Subcommand, ValueEnum};

use super::{Changing, Forcing, NetnsArgs, interface::parse_interface};
use crate::net::Interface;

/// Switch interfaces on and off, set their MTU, list them
///
/// Interfaces are written as NAMESPACE:INTERFACE, those of this machine without a namespace.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  netns link set red:veth-red up
  netns link set red:veth-red --mtu 1400
  netns link list red")]
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
    /// List interfaces
    ///
    /// Lists the interfaces of this machine and of all named namespaces: their kind, whether they
    /// are on, their MTU and Ethernet address, and the bridge that each is a port of.
    #[command(after_help = "\
Examples:
  netns link list
  netns link list red")]
    List(NetnsArgs),
}

/// What to set.
#[derive(Debug, Args)]
#[command(
    override_usage = "netns link set [OPTIONS] <[NAMESPACE:]INTERFACE> <STATE|--mtu <BYTES>>"
)]
#[command(group = ArgGroup::new("setting").args(["state", "mtu"]).required(true).multiple(true))]
pub struct LinkSetArgs {
    /// The interface
    #[arg(value_name = "[NAMESPACE:]INTERFACE", value_parser = parse_interface)]
    pub interface: Interface,
    /// Whether it is on
    #[arg(value_name = "STATE")]
    pub state: Option<LinkState>,
    /// The largest packet that it takes, in bytes
    #[arg(long, value_name = "BYTES")]
    pub mtu: Option<u32>,
    #[command(flatten)]
    pub forcing: Forcing,
    #[command(flatten)]
    pub changing: Changing,
}

/// On or off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LinkState {
    Up,
    Down,
}
