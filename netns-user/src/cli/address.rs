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
/// An address has a prefix length. While the interface is up, the namespace has a route to that
/// subnet. Write an interface as NAMESPACE:INTERFACE, or as INTERFACE for one of this machine.
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

/// The actions on addresses.
#[derive(Debug, Subcommand)]
pub enum AddrChange {
    /// Add an address to an interface
    #[command(after_help = "\
Example:
  netns addr add 192.168.15.1/24 red:veth-red")]
    Add(AddressArgs),
    /// Delete an address of an interface
    ///
    /// Deletes an address and the routes that depend on it. If it is the first address of its
    /// subnet, the kernel deletes the other addresses of that subnet too.
    #[command(after_help = "\
Example:
  netns addr del 192.168.15.1/24 red:veth-red")]
    Del(AddressArgs),
    /// List addresses
    ///
    /// Lists the addresses of this machine and of all named namespaces. Loopback and IPv6
    /// link-local addresses are left out.
    #[command(after_help = "\
Examples:
  netns addr list
  netns addr list red")]
    List(NetnsArgs),
}

/// An address and its interface.
#[derive(Debug, Args)]
pub struct AddressArgs {
    /// The address and its prefix length, for example 192.168.15.1/24
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
