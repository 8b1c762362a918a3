//! Virtual cables.

use clap::{Args, Subcommand};

use super::{
    Changing,
    interface::{NewInterface, parse_interface, parse_mtu, parse_new_interface},
};
use crate::net::Interface;

/// Add, delete or list virtual cables
///
/// A virtual cable is a veth pair: two interfaces of which each gets what the other sends.
/// Interfaces are written as NAMESPACE:INTERFACE, those of this machine without a namespace.
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

/// What to do with cables.
#[derive(Debug, Subcommand)]
pub enum CableAction {
    /// Make a cable
    ///
    /// Makes a cable between two places. Both ends are off and have no address, unless --up
    /// and addresses are given. When one step fails, nothing stays.
    #[command(after_help = "\
Examples:
  netns cable add red:veth-red blue:veth-blue
  netns cable add red:veth-red=192.168.15.1/24 blue:veth-blue=192.168.15.2/24 --up
  netns cable add red:veth-red veth-red-br --bridge v-net-0 --mtu 1400
  netns cable add red:veth-red blue:veth-blue --dry-run | sh -e")]
    Add(CableAddArgs),
    /// Delete a cable
    ///
    /// Deletes a cable by either end; the other end goes with it. One that belongs to a lab
    /// is left alone.
    #[command(after_help = "\
Example:
  netns cable del red:veth-red")]
    Del(CableDelArgs),
    /// List cables
    ///
    /// Lists the cables of which both ends are on this machine or in a named namespace: where
    /// each end is, whether it is on, and the bridge that it is a port of.
    #[command(after_help = "\
Examples:
  netns cable list
  netns cable list red")]
    List(CableListArgs),
}

/// The cable to make.
#[derive(Debug, Args)]
pub struct CableAddArgs {
    /// One end
    #[arg(value_name = "[NAMESPACE:]INTERFACE[=ADDRESS/LENGTH]", value_parser = parse_new_interface)]
    pub one: NewInterface,
    /// The other end
    #[arg(value_name = "[NAMESPACE:]INTERFACE[=ADDRESS/LENGTH]", value_parser = parse_new_interface)]
    pub other: NewInterface,
    /// Plug the end that is in the bridge's place into this bridge
    #[arg(long, value_name = "[NAMESPACE:]BRIDGE", value_parser = parse_interface)]
    pub bridge: Option<Interface>,
    /// The largest packet that both ends take, in bytes
    #[arg(long, value_name = "BYTES", value_parser = parse_mtu)]
    pub mtu: Option<u32>,
    /// Switch both ends on
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

/// Which cables to list.
#[derive(Debug, Args)]
pub struct CableListArgs {
    /// Only cables with an end in this namespace
    pub namespace: Option<String>,
}
