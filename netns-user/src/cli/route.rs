//! Routes.

use std::net::Ipv4Addr;

use clap::{ArgGroup, Args, Subcommand};

use super::{
    Changing, Forcing, NetnsArgs,
    interface::{Destination, parse_destination},
};

/// Add, delete or list routes
///
/// A route says by which gateway or out of which interface a network is reached. The network is
/// written with the namespace that has the route, as NAMESPACE:NETWORK/LENGTH, or
/// NAMESPACE:default for all that no other route is for; without a namespace it is this
/// machine's.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  netns route add blue:192.168.1.0/24 --via 192.168.15.5
  netns route add blue:default --via 192.168.15.5
  netns route add 192.168.15.0/24 --via 192.168.1.10
  netns route del blue:default
  netns route list blue")]
pub struct RouteArgs {
    #[command(subcommand)]
    pub change: RouteChange,
}

/// What to do with a route.
#[derive(Debug, Subcommand)]
pub enum RouteChange {
    /// Add a route
    #[command(after_help = "\
Examples:
  netns route add blue:192.168.1.0/24 --via 192.168.15.5
  netns route add blue:default --via 192.168.15.5
  netns route add blue:10.0.0.0/8 --dev veth-blue --metric 100
  netns route add 192.168.15.0/24 --via 192.168.1.10    a route of this machine")]
    Add(RouteAddArgs),
    /// Delete a route
    ///
    /// Deletes the route to a network. Where there are several, --via, --dev and --metric say
    /// which.
    #[command(after_help = "\
Examples:
  netns route del blue:default
  netns route del blue:default --metric 100")]
    Del(RouteDelArgs),
    /// List routes
    ///
    /// Lists the IPv4 routes of this machine and of all named namespaces, those that come with an
    /// address included.
    #[command(after_help = "\
Examples:
  netns route list
  netns route list blue")]
    List(NetnsArgs),
}

/// The route to add.
#[derive(Debug, Args)]
#[command(override_usage = "netns route add [OPTIONS] <[NAMESPACE:]NETWORK|default> \
                      <--via <ADDRESS>|--dev <INTERFACE>>")]
#[command(group = ArgGroup::new("way").args(["via", "dev"]).required(true).multiple(true))]
pub struct RouteAddArgs {
    /// The network that it leads to, and the namespace that gets it
    #[arg(value_name = "[NAMESPACE:]NETWORK|default", value_parser = parse_destination)]
    pub to: Destination,
    /// Address of the gateway
    #[arg(long, value_name = "ADDRESS")]
    pub via: Option<Ipv4Addr>,
    /// The interface, one of that namespace; by a gateway the kernel finds it
    #[arg(long, value_name = "INTERFACE")]
    pub dev: Option<String>,
    /// Of several routes to a network the one with the lowest metric counts
    #[arg(long, value_name = "NUMBER", default_value_t = 0)]
    pub metric: u32,
    #[command(flatten)]
    pub forcing: Forcing,
    #[command(flatten)]
    pub changing: Changing,
}

/// The route to delete.
#[derive(Debug, Args)]
pub struct RouteDelArgs {
    /// The network that it leads to, and the namespace that has it
    #[arg(value_name = "[NAMESPACE:]NETWORK|default", value_parser = parse_destination)]
    pub to: Destination,
    /// Address of its gateway
    #[arg(long, value_name = "ADDRESS")]
    pub via: Option<Ipv4Addr>,
    /// Its interface
    #[arg(long, value_name = "INTERFACE")]
    pub dev: Option<String>,
    /// Its metric
    #[arg(long, value_name = "NUMBER")]
    pub metric: Option<u32>,
    #[command(flatten)]
    pub forcing: Forcing,
    #[command(flatten)]
    pub changing: Changing,
}
