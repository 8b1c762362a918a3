//! The arguments of `netns route`.

use std::net::Ipv4Addr;

use clap::{ArgGroup, Args, Subcommand};

use super::{
    Changing, Forcing, NetnsArgs,
    interface::{Destination, parse_destination},
};

/// Add, delete or list routes
///
/// A route leads to a network by a gateway or out of an interface. Write the destination as
/// NAMESPACE:NETWORK/LENGTH, or as NAMESPACE:default for the default route. Without a namespace,
/// the route is one of this machine.
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

/// The actions on routes.
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
    /// Deletes the route to a network. If there are several, select one with --via, --dev or
    /// --metric.
    #[command(after_help = "\
Examples:
  netns route del blue:default
  netns route del blue:default --metric 100")]
    Del(RouteDelArgs),
    /// List routes
    ///
    /// Lists the IPv4 routes of this machine and of all named namespaces, including those that the
    /// kernel adds with an address.
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
    /// The destination, and the namespace that gets the route
    #[arg(value_name = "[NAMESPACE:]NETWORK|default", value_parser = parse_destination)]
    pub to: Destination,
    /// Address of the gateway
    #[arg(long, value_name = "ADDRESS")]
    pub via: Option<Ipv4Addr>,
    /// An interface of that namespace; with a gateway, the kernel finds it
    #[arg(long, value_name = "INTERFACE")]
    pub dev: Option<String>,
    /// Metric; of several routes to a network, the one with the lowest metric is used
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
    /// The destination, and the namespace that has the route
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
