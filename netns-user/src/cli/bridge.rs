//! Bridges.

use clap::{Args, Subcommand};

use super::{
    Changing, Forcing,
    interface::{NewInterface, parse_interface, parse_mtu, parse_new_interface},
};
use crate::net::Interface;

/// Add, delete or list bridges, plug interfaces in and out
///
/// A bridge is a switch: whatever is plugged in is on one network. It is an interface too, and
/// with an address of that network the place where it stands takes part in it. Bridges and
/// interfaces are written as NAMESPACE:INTERFACE, those of this machine without a namespace.
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

/// What to do with bridges.
#[derive(Debug, Subcommand)]
pub enum BridgeAction {
    /// Make a bridge
    ///
    /// Makes a bridge. It is off and has no address, unless --up and an address are given.
    #[command(after_help = "\
Examples:
  netns bridge add v-net-0
  netns bridge add host:v-net-0=192.168.15.5/24 --up")]
    Add(BridgeAddArgs),
    /// Delete a bridge
    ///
    /// Deletes a bridge. Its ports stay, as interfaces of their own. One that belongs to a lab
    /// is left alone.
    #[command(after_help = "\
Example:
  netns bridge del host:v-net-0")]
    Del(BridgeDelArgs),
    /// Plug an interface into a bridge
    #[command(after_help = "\
Example:
  netns bridge attach host:v-net-0 host:veth-red-br")]
    Attach(BridgeAttachArgs),
    /// Unplug an interface from its bridge
    #[command(after_help = "\
Examples:
  netns bridge detach host:veth-red-br
  netns bridge detach host:v-net-0 host:veth-red-br")]
    Detach(BridgeDetachArgs),
    /// List bridges
    ///
    /// Lists the bridges of this machine and of all named namespaces: whether they are on, their
    /// addresses, and their ports with what becomes of the frames there.
    #[command(after_help = "\
Examples:
  netns bridge list
  netns bridge list host")]
    List(BridgeListArgs),
}

/// The bridge to make.
#[derive(Debug, Args)]
pub struct BridgeAddArgs {
    /// Where it stands and what it is called, and its address on its network
    #[arg(value_name = "[NAMESPACE:]BRIDGE[=ADDRESS/LENGTH]", value_parser = parse_new_interface)]
    pub bridge: NewInterface,
    /// The largest packet that it takes, in bytes; without it, the smallest of its ports'
    #[arg(long, value_name = "BYTES", value_parser = parse_mtu)]
    pub mtu: Option<u32>,
    /// Switch it on
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

/// What to plug in where.
#[derive(Debug, Args)]
pub struct BridgeAttachArgs {
    /// The bridge
    #[arg(value_name = "[NAMESPACE:]BRIDGE", value_parser = parse_interface)]
    pub bridge: Interface,
    /// The interface, which must be where the bridge is
    #[arg(value_name = "[NAMESPACE:]INTERFACE", value_parser = parse_interface)]
    pub port: Interface,
    #[command(flatten)]
    pub forcing: Forcing,
    #[command(flatten)]
    pub changing: Changing,
}

/// What to unplug.
#[derive(Debug, Args)]
#[command(allow_missing_positional = true)]
pub struct BridgeDetachArgs {
    /// The bridge; may be left out, since an interface is a port of one bridge
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

/// Which bridges to list.
#[derive(Debug, Args)]
pub struct BridgeListArgs {
    /// Only the bridges of this namespace
    pub namespace: Option<String>,
}
