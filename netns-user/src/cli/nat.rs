//! The NAT rules of a living lab.

use std::net::{Ipv4Addr, SocketAddrV4};

use clap::{Args, Subcommand};
use ipnet::Ipv4Net;

use super::{Changing, LabOptions};
use crate::rules::{
    Filtering, ForwardProtocol, Mapping, MssClamp, Ports, parse_host_address, parse_network,
    parse_source, parse_target,
};

/// Add, delete or list masquerade rules of a living lab
///
/// What a source sends out of an uplink then bears the uplink's address, so that answers find
/// their way back. The rule holds at once. Deleting it ends the connections that it made, and no
/// others. Of several rules for a source, the one of the longest network holds; of two as long,
/// that of the uplink before that of every uplink. Of several routers it is for the one that has
/// the uplink, or without --uplink for each that has a bridge in the source. It is in eBPF:
/// iptables neither shows nor deletes it, and what --explain tells is its equal there.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  netns masquerade add 192.168.15.0/24 --uplink ens3
  netns masquerade add 192.168.15.0/24 --uplink ens3 --except 10.0.0.0/8 --to 192.168.1.20
  netns masquerade add 192.168.15.0/24 --uplink ens3 --mss-clamp pmtu
  netns masquerade del 192.168.15.0/24
  netns masquerade list")]
pub struct MasqueradeArgs {
    #[command(subcommand)]
    pub change: MasqueradeChange,
}

/// What to do with a masquerade rule.
#[derive(Debug, Subcommand)]
pub enum MasqueradeChange {
    /// Add a masquerade rule
    #[command(after_help = "\
Examples:
  netns masquerade add 192.168.15.0/24 --uplink ens3
  netns masquerade add 192.168.15.0/24 --mapping endpoint-independent")]
    Add(MasqueradeAddArgs),
    /// Delete a masquerade rule and end the connections that it made
    #[command(after_help = "\
Example:
  netns masquerade del 192.168.15.0/24")]
    Del(MasqueradeRuleArgs),
    /// List the masquerade rules, with what they have translated
    #[command(after_help = "\
Example:
  netns masquerade list")]
    List(RuleListArgs),
}

/// The masquerade rule to add.
#[derive(Debug, Args)]
pub struct MasqueradeAddArgs {
    #[command(flatten)]
    pub rule: MasqueradeRuleArgs,
    /// A destination that is left alone, such as 10.0.0.0/8: what goes there keeps its source, and
    /// what comes from there is let in; may be given several times
    #[arg(long, value_name = "NETWORK", value_parser = parse_network)]
    pub except: Vec<Ipv4Net>,
    /// The address to bear: one that the router has at the uplink; without it, the kernel's choice
    #[arg(long, value_name = "ADDRESS", requires = "uplink")]
    pub to: Option<Ipv4Addr>,
    /// The largest segment that ends of TCP connections may announce, in bytes; pmtu: what fits
    /// the uplink and the namespace's cable
    #[arg(long, value_name = "BYTES|pmtu")]
    pub mss_clamp: Option<MssClamp>,
    /// Which outside port an inside port has (RFC 4787 section 4.1)
    #[arg(long, value_name = "MAPPING", default_value_t)]
    pub mapping: Mapping,
    /// Who outside may begin a connection to an endpoint-independent mapping (RFC 4787 section 5)
    #[arg(long, value_name = "FILTERING", default_value_t, requires = "mapping")]
    pub filtering: Filtering,
}

/// Whose rules to list.
#[derive(Debug, Args)]
pub struct RuleListArgs {
    #[command(flatten)]
    pub about: LabOptions,
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
    #[command(flatten)]
    pub about: LabOptions,
    #[command(flatten)]
    pub changing: Changing,
}

/// Add, delete or list port forwards of a living lab
///
/// What reaches the port on an address of the host goes to the target: from outside, from
/// the host itself (127.0.0.1 too) and from the namespaces. Several ports that follow each other
/// are one rule, and lead to as many of the target. The rule holds at once. Deleting it ends the
/// connections that it made, and no others. Of several routers it is for the one that has the
/// target behind it.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  netns forward add tcp 80 192.168.15.2:80
  netns forward add udp 53 192.168.15.2:5353 --address 192.168.1.10
  netns forward add tcp 8000-17999 192.168.15.2:8000
  netns forward add tcp 22 192.168.15.1:22 --from 192.168.1.0/24
  netns forward del tcp 80
  netns forward list")]
pub struct ForwardArgs {
    #[command(subcommand)]
    pub change: ForwardChange,
}

/// What to do with a forward rule.
#[derive(Debug, Subcommand)]
pub enum ForwardChange {
    /// Add a port forward
    #[command(after_help = "\
Examples:
  netns forward add tcp 80 192.168.15.2:80
  netns forward add udp 5000-5009 192.168.15.2:6000 --from 192.168.1.0/24")]
    Add(ForwardAddArgs),
    /// Delete a port forward and end the connections that it made
    #[command(after_help = "\
Example:
  netns forward del tcp 80")]
    Del(ForwardDelArgs),
    /// List the port forwards, with what they have translated
    #[command(after_help = "\
Example:
  netns forward list")]
    List(RuleListArgs),
}

/// The forward to add.
#[derive(Debug, Args)]
pub struct ForwardAddArgs {
    #[command(flatten)]
    pub listen: ListenArgs,
    /// Address and port of a namespace, for example 192.168.15.2:80; of several ports, where the
    /// first leads
    #[arg(value_parser = parse_target)]
    pub target: SocketAddrV4,
    /// Whom it is for, such as 192.168.1.0/24; for others there is no forward. May be given
    /// several times; without it, everybody
    #[arg(long, value_name = "NETWORK", value_parser = parse_network)]
    pub from: Vec<Ipv4Net>,
    #[command(flatten)]
    pub about: LabOptions,
    #[command(flatten)]
    pub changing: Changing,
}

/// The forward to delete.
#[derive(Debug, Args)]
pub struct ForwardDelArgs {
    #[command(flatten)]
    pub listen: ListenArgs,
    #[command(flatten)]
    pub about: LabOptions,
    #[command(flatten)]
    pub changing: Changing,
}

/// Where a forward listens.
#[derive(Clone, Copy, Debug, Args)]
pub struct ListenArgs {
    /// The protocol whose ports these are
    #[arg(value_enum)]
    pub protocol: ForwardProtocol,
    /// Port of the host, or several, like 8000-17999
    pub port: Ports,
    /// Address of the host; without it, every address of the host
    #[arg(long, value_parser = parse_host_address)]
    pub address: Option<Ipv4Addr>,
}
