//! The arguments of `netns link`.

use clap::{ArgGroup, Args, Subcommand, ValueEnum};

use super::{Changing, Forcing, NetnsArgs, interface::parse_interface};
use crate::net::Interface;

/// Set interfaces up or down, set their MTU or bridge, move, delete or list them
///
/// Write an interface as NAMESPACE:INTERFACE, or as INTERFACE for one of this machine.
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

/// The actions on interfaces.
#[derive(Debug, Subcommand)]
pub enum LinkChange {
    /// Set an interface up or down, set its MTU or bridge, or move it
    ///
    /// If both ends of a cable to a bridge are then up, the command waits until the bridge port
    /// forwards frames.
    #[command(after_help = "\
Examples:
  netns link set red:veth-red up
  netns link set red:lo down
  netns link set red:veth-red up --mtu 1400
  netns link set host:veth-red-br --master v-net-0
  netns link set veth-red --netns red")]
    Set(LinkSetArgs),
    /// Delete an interface
    ///
    /// Deletes a bridge, or both ends of a cable, as `netns bridge del` and `netns cable del` do.
    #[command(after_help = "\
Example:
  netns link del red:veth-red")]
    Del(LinkDelArgs),
    /// List interfaces
    ///
    /// Lists the interfaces of this machine and of all named namespaces, with their kind, state,
    /// MTU and Ethernet address, and the bridge that each is a port of.
    #[command(after_help = "\
Examples:
  netns link list
  netns link list red")]
    List(NetnsArgs),
}

/// The settings of an interface.
#[derive(Debug, Args)]
#[command(override_usage = "netns link set [OPTIONS] <[NAMESPACE:]INTERFACE> \
                      <STATE|--mtu <BYTES>|--master <BRIDGE>|--no-master|--netns <NAME>>")]
#[command(group = ArgGroup::new("setting")
    .args(["state", "mtu", "master", "no_master", "netns"])
    .required(true)
    .multiple(true))]
pub struct LinkSetArgs {
    /// The interface
    #[arg(value_name = "[NAMESPACE:]INTERFACE", value_parser = parse_interface)]
    pub interface: Interface,
    /// The new state
    #[arg(value_name = "STATE")]
    pub state: Option<LinkState>,
    /// MTU in bytes
    #[arg(long, value_name = "BYTES")]
    pub mtu: Option<u32>,
    /// Make it a port of this bridge, as `netns bridge attach` does
    #[arg(long, value_name = "BRIDGE", conflicts_with_all = ["no_master", "netns"])]
    pub master: Option<String>,
    /// Detach it from its bridge
    #[arg(long, conflicts_with = "netns")]
    pub no_master: bool,
    /// Move it to this namespace, where it is down and has no address
    #[arg(long, value_name = "NAME", conflicts_with_all = ["state", "mtu"])]
    pub netns: Option<String>,
    #[command(flatten)]
    pub forcing: Forcing,
    #[command(flatten)]
    pub changing: Changing,
}

/// The interface to delete.
#[derive(Debug, Args)]
pub struct LinkDelArgs {
    /// The bridge, or either end of a cable
    #[arg(value_name = "[NAMESPACE:]INTERFACE", value_parser = parse_interface)]
    pub interface: Interface,
    #[command(flatten)]
    pub changing: Changing,
}

/// The state of an interface.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LinkState {
    Up,
    Down,
}
