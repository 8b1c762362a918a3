//! Virtual cables.

use clap::{Args, Subcommand};

use super::{
    Changing,
    interface::{NewInterface, parse_interface, parse_mtu, parse_new_interface},
};
use crate::net::Interface;

/// Add, delete or list virtual cables
///
/// A virtual cable is a veth pair: two interfaces, each of which receives the frames that the other
/// sends. Write an interface as NAMESPACE:INTERFACE, or as INTERFACE for one of this machine.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  netns cable add red:veth-red blue:veth-blue
  netns cable add red:veth-red=192.168.15.1/24 veth-red-br --bridge v-net-0 --up
  netns cable list
  netns cable del red:veth-red")]
pub struct CableArgs {
    #[command(subcommand)]
    pub action: CableAction,
}

/// The actions on cables.
#[derive(Debug, Subcommand)]
pub enum CableAction {
    /// Add a cable
    ///
    /// Adds a cable between two namespaces. Without --up both ends are down; an end has an address
    /// only if the argument gives one. If a step fails, everything is undone.
    #[command(after_help = "\
Examples:
  netns cable add red:veth-red blue:veth-blue
  netns cable add red:veth-red=192.168.15.1/24 blue:veth-blue=192.168.15.2/24 --up
  netns cable add red:veth-red veth-red-br --bridge v-net-0 --mtu 1400
  netns cable add red:veth-red blue:veth-blue --dry-run | sh -e")]
    Add(CableAddArgs),
    /// Delete a cable
    ///
    /// Deletes both ends of a cable. Name either end. A cable that belongs to a lab is not deleted.
    #[command(after_help = "\
Example:
  netns cable del red:veth-red")]
    Del(CableDelArgs),
    /// List cables
    ///
    /// Lists the cables with both ends on this machine or in named namespaces. Shows the namespace,
    /// the state and the bridge of each end.
    #[command(after_help = "\
Examples:
  netns cable list
  netns cable list red")]
    List(CableListArgs),
}

/// The cable to add.
#[derive(Debug, Args)]
pub struct CableAddArgs {
    /// One end
    #[arg(
        value_name = "[NAMESPACE:]INTERFACE[=ADDRESS/LENGTH]",
        value_parser = parse_new_interface
    )]
    pub one: NewInterface,
    /// The other end
    #[arg(
        value_name = "[NAMESPACE:]INTERFACE[=ADDRESS/LENGTH]",
        value_parser = parse_new_interface
    )]
    pub other: NewInterface,
    /// Attach the end that is in the bridge's namespace to this bridge
    #[arg(long, value_name = "[NAMESPACE:]BRIDGE", value_parser = parse_interface)]
    pub bridge: Option<Interface>,
    /// MTU of both ends, in bytes
    #[arg(long, value_name = "BYTES", value_parser = parse_mtu)]
    pub mtu: Option<u32>,
    /// Set both ends up
    #[arg(long)]
    pub up: bool,
    #[command(flatten)]
    pub changing: Changing,
}

/// The cable to delete.
#[derive(Debug, Args)]
pub struct CableDelArgs {
    /// Either end
    #[arg(value_name = "[NAMESPACE:]INTERFACE", value_parser = parse_interface)]
    pub interface: Interface,
    #[command(flatten)]
    pub changing: Changing,
}

/// The cables to list.
#[derive(Debug, Args)]
pub struct CableListArgs {
    /// Only cables with an end in this namespace
    pub namespace: Option<String>,
}
