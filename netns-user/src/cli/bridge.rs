//! Bridges.

use clap::{Args, Subcommand};

use super::{
    Changing, Forcing,
    interface::{NewInterface, parse_interface, parse_mtu, parse_new_interface},
};
use crate::net::Interface;

/// Add, delete or list bridges, attach and detach their ports
///
/// A bridge is a switch: its ports are on one network. A bridge is also an interface. With an
/// address on the bridge, its own namespace is on that network too. Write a bridge or an interface
/// as NAMESPACE:INTERFACE, or as INTERFACE for one of this machine.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  netns bridge add host:v-net-0=192.168.15.5/24 --up
  netns bridge attach host:v-net-0 host:veth-red-br
  netns bridge list")]
pub struct BridgeArgs {
    #[command(subcommand)]
    pub action: BridgeAction,
}

/// The actions on bridges.
#[derive(Debug, Subcommand)]
pub enum BridgeAction {
    /// Add a bridge
    ///
    /// Adds a bridge. Without --up it is down; without an address in the argument it has none.
    #[command(after_help = "\
Examples:
  netns bridge add v-net-0
  netns bridge add host:v-net-0=192.168.15.5/24 --up")]
    Add(BridgeAddArgs),
    /// Delete a bridge
    ///
    /// Deletes a bridge. The interfaces that were its ports stay. A bridge that belongs to a lab is
    /// not deleted.
    #[command(after_help = "\
Example:
  netns bridge del host:v-net-0")]
    Del(BridgeDelArgs),
    /// Make an interface a port of a bridge
    #[command(after_help = "\
Example:
  netns bridge attach host:v-net-0 host:veth-red-br")]
    Attach(BridgeAttachArgs),
    /// Detach an interface from its bridge
    #[command(after_help = "\
Examples:
  netns bridge detach host:veth-red-br
  netns bridge detach host:v-net-0 host:veth-red-br")]
    Detach(BridgeDetachArgs),
    /// List bridges
    ///
    /// Lists the bridges of this machine and of all named namespaces, with their state, MTU,
    /// addresses and ports. A port that does not forward frames is marked as closed.
    #[command(after_help = "\
Examples:
  netns bridge list
  netns bridge list host")]
    List(BridgeListArgs),
}

/// The bridge to add.
#[derive(Debug, Args)]
pub struct BridgeAddArgs {
    /// Its namespace and name, and perhaps its address
    #[arg(value_name = "[NAMESPACE:]BRIDGE[=ADDRESS/LENGTH]", value_parser = parse_new_interface)]
    pub bridge: NewInterface,
    /// MTU in bytes; by default, the smallest MTU of its ports
    #[arg(long, value_name = "BYTES", value_parser = parse_mtu)]
    pub mtu: Option<u32>,
    /// Set it up
    #[arg(long)]
    pub up: bool,
    #[command(flatten)]
    pub changing: Changing,
}

/// The bridge to delete.
#[derive(Debug, Args)]
pub struct BridgeDelArgs {
    /// The bridge
    #[arg(value_name = "[NAMESPACE:]BRIDGE", value_parser = parse_interface)]
    pub bridge: Interface,
    #[command(flatten)]
    pub changing: Changing,
}

/// The port to attach, and its bridge.
#[derive(Debug, Args)]
pub struct BridgeAttachArgs {
    /// The bridge
    #[arg(value_name = "[NAMESPACE:]BRIDGE", value_parser = parse_interface)]
    pub bridge: Interface,
    /// The interface, in the same namespace as the bridge
    #[arg(value_name = "[NAMESPACE:]INTERFACE", value_parser = parse_interface)]
    pub port: Interface,
    #[command(flatten)]
    pub forcing: Forcing,
    #[command(flatten)]
    pub changing: Changing,
}

/// The port to detach.
#[derive(Debug, Args)]
#[command(allow_missing_positional = true)]
pub struct BridgeDetachArgs {
    /// The bridge; optional, since an interface is a port of at most one bridge
    #[arg(value_name = "[NAMESPACE:]BRIDGE", value_parser = parse_interface)]
    pub bridge: Option<Interface>,
    /// The interface
    #[arg(value_name = "[NAMESPACE:]INTERFACE", value_parser = parse_interface)]
    pub port: Interface,
    #[command(flatten)]
    pub forcing: Forcing,
    #[command(flatten)]
    pub changing: Changing,
}

/// The bridges to list.
#[derive(Debug, Args)]
pub struct BridgeListArgs {
    /// Only the bridges of this namespace
    pub namespace: Option<String>,
}
