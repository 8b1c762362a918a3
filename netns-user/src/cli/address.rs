//! Addresses of interfaces.

use clap::{Args, Subcommand};
use ipnet::Ipv4Net;

use super::{
    Changing,
    end::{parse_address, parse_end},
};
use crate::step::End;

/// Add or delete addresses of interfaces
///
/// An address comes with the length of its network: while the interface is on, the namespace
/// has a route to all of that network. `netns show NAME` shows both.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  netns addr add 192.168.15.1/24 red:veth-red
  netns addr del 192.168.15.1/24 red:veth-red")]
pub struct AddrArgs {
    #[command(subcommand)]
    pub change: AddrChange,
}

/// What to do with an address.
#[derive(Debug, Subcommand)]
pub enum AddrChange {
    /// Give an interface an address
    #[command(after_help = "\
Example:
  netns addr add 192.168.15.1/24 red:veth-red")]
    Add(AddressArgs),
    /// Take an address from an interface
    ///
    /// Takes an address from an interface, and with it the routes that need it. With the first
    /// address of a network the kernel takes further ones of the same network too.
    #[command(after_help = "\
Example:
  netns addr del 192.168.15.1/24 red:veth-red")]
    Del(AddressArgs),
}

/// Which address of which interface.
#[derive(Debug, Args)]
pub struct AddressArgs {
    /// The address and the length of its network, for example 192.168.15.1/24
    #[arg(value_name = "ADDRESS/LENGTH", value_parser = parse_address)]
    pub address: Ipv4Net,
    /// The interface
    #[arg(value_name = "[NAMESPACE:]INTERFACE", value_parser = parse_end)]
    pub end: End,
    #[command(flatten)]
    pub changing: Changing,
}
