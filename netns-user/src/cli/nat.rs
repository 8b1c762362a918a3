//! The NAT rules of a living lab.

use std::net::{Ipv4Addr, SocketAddrV4};

use clap::{Args, Subcommand};
use ipnet::Ipv4Net;

use super::Changing;
use crate::rules::{ForwardProtocol, parse_host_address, parse_source, parse_target};

/// Add or delete a masquerade rule of a living lab
///
/// What a source sends out of an uplink then bears the uplink's address, so that answers find
/// their way back. The rule holds at once. Deleting it ends the connections that it made. Of
/// several routers it is for the one that has the uplink, or without --uplink for each that has
/// a bridge in the source.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  netns masquerade add 192.168.15.0/24 --uplink ens3
  netns masquerade del 192.168.15.0/24")]
pub struct MasqueradeArgs {
    #[command(subcommand)]
    pub change: MasqueradeChange,
}

/// What to do with a masquerade rule.
#[derive(Debug, Subcommand)]
pub enum MasqueradeChange {
    /// Add a rule
    #[command(after_help = "\
Example:
  netns masquerade add 192.168.15.0/24 --uplink ens3")]
    Add(MasqueradeRuleArgs),
    /// Delete a rule and end the connections that it made
    #[command(after_help = "\
Example:
  netns masquerade del 192.168.15.0/24")]
    Del(MasqueradeRuleArgs),
}

/// Which masquerade rule.
#[derive(Debug, Args)]
pub struct MasqueradeRuleArgs {
    /// The inside network, for example 192.168.15.0/24
    #[arg(value_parser = parse_source)]
    pub source: Ipv4Net,
    /// The uplink; without it, every uplink
    #[arg(long)]
    pub uplink: Option<String>,
    /// Name of the lab; may be left out when only one lab is up
    #[arg(long)]
    pub lab: Option<String>,
    /// Of a lab with several routers, the namespace of the one that is meant; "machine" is the
    /// machine's own
    #[arg(long, value_name = "NAME")]
    pub router: Option<String>,
    #[command(flatten)]
    pub changing: Changing,
}

/// Add or delete a port forward of a living lab
///
/// What reaches the port on an address of the host goes to the target: from outside, from
/// the host itself (127.0.0.1 too) and from the namespaces. The rule holds at once. Deleting
/// it ends the connections that it made. Of several routers it is for the one that has the
/// target behind it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  netns forward add tcp 80 192.168.15.2:80
  netns forward add udp 53 192.168.15.2:5353 --address 192.168.1.10
  netns forward del tcp 80")]
pub struct ForwardArgs {
    #[command(subcommand)]
    pub change: ForwardChange,
}

/// What to do with a forward rule.
#[derive(Debug, Subcommand)]
pub enum ForwardChange {
    /// Add a rule
    #[command(after_help = "\
Example:
  netns forward add tcp 80 192.168.15.2:80")]
    Add(ForwardAddArgs),
    /// Delete a rule and end the connections that it made
    #[command(after_help = "\
Example:
  netns forward del tcp 80")]
    Del(ForwardDelArgs),
}

/// The forward to add.
#[derive(Debug, Args)]
pub struct ForwardAddArgs {
    #[command(flatten)]
    pub listen: ListenArgs,
    /// Address and port of a namespace, for example 192.168.15.2:80
    #[arg(value_parser = parse_target)]
    pub target: SocketAddrV4,
    /// Name of the lab; may be left out when only one lab is up
    #[arg(long)]
    pub lab: Option<String>,
    /// Of a lab with several routers, the namespace of the one that is meant; "machine" is the
    /// machine's own
    #[arg(long, value_name = "NAME")]
    pub router: Option<String>,
    #[command(flatten)]
    pub changing: Changing,
}

/// The forward to delete.
#[derive(Debug, Args)]
pub struct ForwardDelArgs {
    #[command(flatten)]
    pub listen: ListenArgs,
    /// Name of the lab; may be left out when only one lab is up
    #[arg(long)]
    pub lab: Option<String>,
    /// Of a lab with several routers, the namespace of the one that is meant; "machine" is the
    /// machine's own
    #[arg(long, value_name = "NAME")]
    pub router: Option<String>,
    #[command(flatten)]
    pub changing: Changing,
}

/// Where a forward listens.
#[derive(Clone, Copy, Debug, Args)]
pub struct ListenArgs {
    /// tcp or udp
    #[arg(value_enum)]
    pub protocol: ForwardProtocol,
    /// Port of the host
    #[arg(value_parser = clap::value_parser!(u16).range(1..))]
    pub port: u16,
    /// Address of the host; without it, every address of the host
    #[arg(long, value_parser = parse_host_address)]
    pub address: Option<Ipv4Addr>,
}
