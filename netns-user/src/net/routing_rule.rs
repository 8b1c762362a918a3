//! Routing rules (ip-rule(8)), which select the routing table for packets.

use std::net::IpAddr;

use futures::TryStreamExt;
use ipnet::Ipv4Net;
use rtnetlink::{
    IpVersion,
    packet_route::{
        route::RouteHeader,
        rule::{RuleAction, RuleAttribute, RuleFlags, RuleMessage},
    },
};

use super::{Netlink, error::NetError};

/// A rule for IPv4 that selects a table. Other selectors (marks, protocols, ports) are left out:
/// which packets match them is not known in advance.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RoutingRule {
    pub table: u32,
    /// Whether the rule is for packets that the selectors do not match.
    pub inverted: bool,
    /// `None`: any source.
    pub source: Option<Ipv4Net>,
    /// Name of the interface that a packet comes in by; `None`: any.
    pub incoming: Option<String>,
    /// Name of the interface that a local socket is bound to; `None`: any.
    pub bound_to: Option<String>,
}

impl Netlink {
    /// The rules for IPv4 that select a table.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn routing_rules(&self) -> Result<Vec<RoutingRule>, NetError> {
        let dump = self.handle().rule().get(IpVersion::V4).execute().try_collect::<Vec<_>>();
        match self.wait(dump, || "list the routing rules".into()) {
            Ok(messages) => Ok(messages.iter().filter_map(from_message).collect()),
            // A kernel without rules (CONFIG_IP_MULTIPLE_TABLES) has one table.
            Err(error) if is_unsupported(&error) => {
                let table = u32::from(RouteHeader::RT_TABLE_MAIN);
                Ok(vec![RoutingRule { table, ..RoutingRule::default() }])
            }
            Err(error) => Err(error),
        }
    }
}

fn is_unsupported(error: &NetError) -> bool {
    let NetError::Refused { cause, .. } = error else { return false };
    matches!(cause.raw_os_error(), Some(libc::EOPNOTSUPP | libc::EAFNOSUPPORT))
}

fn from_message(message: &RuleMessage) -> Option<RoutingRule> {
    let header = &message.header;
    if header.action != RuleAction::ToTable {
        return None;
    }
    let mut rule = RoutingRule {
        table: u32::from(header.table),
        inverted: header.flags.contains(RuleFlags::Invert),
        ..RoutingRule::default()
    };
    for attribute in &message.attributes {
        match attribute {
            // Numbers above 255 do not fit in the header.
            RuleAttribute::Table(table) => rule.table = *table,
            RuleAttribute::Source(IpAddr::V4(address)) => {
                rule.source = Some(Ipv4Net::new(*address, header.src_len).ok()?);
            }
            RuleAttribute::Iifname(name) => rule.incoming = Some(name.clone()),
            RuleAttribute::Oifname(name) => rule.bound_to = Some(name.clone()),
            _ => {}
        }
    }
    Some(rule)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    fn message(action: RuleAction, attributes: Vec<RuleAttribute>) -> RuleMessage {
        let mut message = RuleMessage::default();
        message.header.action = action;
        message.header.table = 252;
        message.header.src_len = 24;
        message.attributes = attributes;
        message
    }

    #[test]
    fn selectors_and_table_are_read() {
        let attributes = vec![
            RuleAttribute::Table(51820),
            RuleAttribute::Source(Ipv4Addr::new(10, 9, 1, 0).into()),
            RuleAttribute::Iifname("br-a".into()),
            RuleAttribute::FwMark(7),
        ];
        let expected = RoutingRule {
            table: 51820,
            source: Some("10.9.1.0/24".parse().unwrap()),
            incoming: Some("br-a".into()),
            ..RoutingRule::default()
        };
        assert_eq!(from_message(&message(RuleAction::ToTable, attributes)), Some(expected));
    }

    #[test]
    fn a_rule_without_a_table_is_left_out() {
        assert_eq!(from_message(&message(RuleAction::Blackhole, Vec::new())), None);
    }
}
