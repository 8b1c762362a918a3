//! The arguments of the commands on the NAT rules of a running lab.

use std::net::Ipv4Addr;

use clap::{Args, Subcommand};
use ipnet::Ipv4Net;

use super::{Changing, LabOptions, Protocols};
use crate::rules::{
    Filtering, ForwardTarget, Mapping, MssClamp, Ports, parse_host_address, parse_network,
    parse_source,
};

/// Add, delete or list masquerade rules of a running lab
///
/// A masquerade rule gives packets from the source network the uplink's address when they leave by
/// the uplink, so that replies come back. A new rule takes effect at once. Deleting a rule ends its
/// own connections only. If several rules match, the longest prefix wins; between equal prefixes, a
/// rule for one uplink wins over a rule for every uplink.
///
/// In a lab with several routers, the rule goes to the router of the uplink, or without --uplink to
/// every router with a bridge in the source network. A router that the source does not reach is
/// refused. The rule is in eBPF, so iptables neither lists nor deletes it; --explain prints the
/// equivalent iptables rule.
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

/// The actions on masquerade rules.
#[derive(Debug, Subcommand)]
pub enum MasqueradeChange {
    /// Add a masquerade rule
    #[command(after_help = "\
Examples:
  netns masquerade add 192.168.15.0/24 --uplink ens3
  netns masquerade add 192.168.15.0/24 --except 10.0.0.0/8
  netns masquerade add 192.168.15.0/24 --mapping endpoint-independent

To change a rule, change it in the file of the lab and run `netns up FILE`.")]
    Add(MasqueradeAddArgs),
    /// Delete a masquerade rule and end its connections
    #[command(after_help = "\
Example:
  netns masquerade del 192.168.15.0/24")]
    Del(MasqueradeRuleArgs),
    /// List the masquerade rules of each router with their counters
    #[command(after_help = "\
Examples:
  netns masquerade list
  netns masquerade list --json    [{router, source, uplink, flows, packets, bytes}]")]
    List(RuleListArgs),
}

/// The masquerade rule to add.
#[derive(Debug, Args)]
pub struct MasqueradeAddArgs {
    #[command(flatten)]
    pub rule: MasqueradeRuleArgs,
    /// A destination network without masquerade, such as 10.0.0.0/8: packets to it keep their
    /// source address, and packets from it may come in. It must know the way back to the source.
    /// Can be repeated
    #[arg(long, value_name = "NETWORK", value_parser = parse_network)]
    pub except: Vec<Ipv4Net>,
    /// The new source address: one of the router's addresses at the uplink; by default, the kernel
    /// selects it
    #[arg(long, value_name = "ADDRESS", requires = "uplink")]
    pub to: Option<Ipv4Addr>,
    /// Upper limit of the TCP maximum segment size (MSS), in bytes; pmtu derives it from the MTU of
    /// the uplink and of the namespace's cable
    #[arg(long, value_name = "BYTES|pmtu")]
    pub mss_clamp: Option<MssClamp>,
    /// Mapping of inside ports to external ports (RFC 4787 section 4.1)
    #[arg(long, value_name = "MAPPING", default_value_t)]
    pub mapping: Mapping,
    /// Filtering: the remote endpoints that may connect to an endpoint-independent mapping (RFC
    /// 4787 section 5)
    #[arg(long, value_name = "FILTERING", default_value_t, requires = "mapping")]
    pub filtering: Filtering,
}

/// The lab and router whose rules are listed.
#[derive(Debug, Args)]
pub struct RuleListArgs {
    #[command(flatten)]
    pub about: LabOptions,
}

/// The source and the uplink that name a masquerade rule.
#[derive(Debug, Args)]
pub struct MasqueradeRuleArgs {
    /// The source network, for example 192.168.15.0/24
    #[arg(value_parser = parse_source)]
    pub source: Ipv4Net,
    /// The uplink; by default, every uplink
    #[arg(long)]
    pub uplink: Option<String>,
    #[command(flatten)]
    pub about: LabOptions,
    #[command(flatten)]
    pub changing: Changing,
}

/// Add, delete or list port forwards of a running lab
///
/// Connections to the port on an address of the host go to the target: from outside, from the host
/// itself (also to 127.0.0.1) and from the namespaces. A range of ports is one rule and goes to an
/// equally long range at the target. A new rule takes effect at once. Deleting a rule ends its own
/// connections only. In a lab with several routers, the rule goes to the router that the target is
/// behind.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  netns forward add tcp 80 192.168.15.2:80
  netns forward add tcp,udp 53 blue:53
  netns forward add udp 53 192.168.15.2:5353 --address 192.168.1.10
  netns forward add tcp 8000-17999 192.168.15.2:8000
  netns forward add tcp 22 192.168.15.1:22 --from 192.168.1.0/24
  netns forward del tcp 80
  netns forward list")]
pub struct ForwardArgs {
    #[command(subcommand)]
    pub change: ForwardChange,
}

/// The actions on forward rules.
#[derive(Debug, Subcommand)]
pub enum ForwardChange {
    /// Add a port forward
    #[command(after_help = "\
Examples:
  netns forward add tcp 80 192.168.15.2:80
  netns forward add udp 5000-5009 192.168.15.2:6000 --from 192.168.1.0/24
  netns forward add 8080:80 blue    as docker has it: tcp, port 8080 of the host to blue:80")]
    Add(ForwardAddArgs),
    /// Delete a port forward and end its connections
    #[command(after_help = "\
Example:
  netns forward del tcp 80")]
    Del(ForwardDelArgs),
    /// List the port forwards of each router with their counters
    #[command(after_help = "\
Examples:
  netns forward list
  netns forward list --json    [{router, protocol, address, port, target, flows, ...}]")]
    List(RuleListArgs),
}

/// The forward to add.
#[derive(Debug, Args)]
pub struct ForwardAddArgs {
    #[command(flatten)]
    pub listen: ListenArgs,
    /// A namespace of the lab, or its address, and the port there: blue:80 or 192.168.15.2:80; for
    /// a range, its first port
    #[arg(value_name = "TARGET")]
    pub target: ForwardTarget,
    /// A client network that may use the forward, such as 192.168.1.0/24; by default, every client
    /// may. Can be repeated
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

/// The protocol, ports and address of a forward on the host.
#[derive(Clone, Debug, Args)]
pub struct ListenArgs {
    /// The protocol: tcp, udp, sctp or udplite; or several, such as tcp,udp
    #[arg(value_name = "PROTOCOL")]
    pub protocol: Protocols,
    /// Port of the host, or a range like 8000-17999
    pub port: Ports,
    /// Address of the host; by default, every address of the host
    #[arg(long, value_parser = parse_host_address)]
    pub address: Option<Ipv4Addr>,
}
