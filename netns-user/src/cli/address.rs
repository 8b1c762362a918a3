//! Addresses of interfaces.

use clap::{Args, Subcommand};
use ipnet::Ipv4Net;

use super::{
    Changing, Forcing, NetnsArgs,
    interface::{parse_address, parse_interface},
};
use crate::net::Interface;

/// Add, delete or list addresses of interfaces
///
/// An address comes with the length of its network: while the interface is on, the namespace
/// has a route to all of that network. Interfaces are written as NAMESPACE:INTERFACE, those of
/// this machine without a namespace.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  netns addr add 192.168.15.1/24 red:veth-red
  netns addr del 192.168.15.1/24 red:veth-red
  netns addr list red")]
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
    /// List addresses
    ///
    /// Lists the addresses of this machine and of all named namespaces, without those that each
    /// interface or namespace has for itself: loopback, and IPv6 link-local.
    #[command(after_help = "\
Examples:
  netns addr list
  netns addr list red")]
    List(NetnsArgs),
}

/// Which address of which interface.
#[derive(Debug, Args)]
pub struct AddressArgs {
    /// The address and the length of its network, for example 192.168.15.1/24
    #[arg(value_name = "ADDRESS/LENGTH", value_parser = parse_address)]
    pub address: Ipv4Net,
    /// The interface
    #[arg(value_name = "[NAMESPACE:]INTERFACE", value_parser = parse_interface)]
    pub interface: Interface,
    #[command(flatten)]
    pub forcing: Forcing,
    #[command(flatten)]
    pub changing: Changing,
}
