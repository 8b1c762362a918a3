//! The lecture's checks, in its order.

use std::net::{Ipv4Addr, SocketAddrV4};

use super::{
    check::{Act, Check, Reach, RuleChange},
    roles::Roles,
};
use crate::net::Netns;

/// Where the web server outside listens.
pub const OUTSIDE_PORT: u16 = 8080;

/// Every check for these roles. The last one is the check that ends the listening.
pub fn checks(roles: &Roles) -> Vec<Check> {
    let (client, server) = (&roles.client.namespace, &roles.server.namespace);
    let (host, outside) = (&roles.host, &roles.outside.namespace);
    let host_socket = SocketAddrV4::new(roles.host_address, roles.port);
    let fetch = |from: Netns, address: SocketAddrV4, seen: Option<Ipv4Addr>| Act::Fetch {
        from,
        address,
        from_namespace: server.clone(),
        client: seen,
    };
    let list = [
        (
            format!("{client} pings {server}"),
            "two cables into one bridge make a network".to_owned(),
            Act::Ping {
                rule: RuleChange::None,
                from: roles.client.netns(),
                to: vec![roles.server.address],
                expect: Reach::Reply,
            },
        ),
        (
            format!("{host} pings {client}"),
            "the bridge is the host's own interface to that network".to_owned(),
            Act::Ping {
                rule: RuleChange::None,
                from: roles.router.clone(),
                to: vec![roles.client.address],
                expect: Reach::Reply,
            },
        ),
        (
            "each sees its interfaces only".to_owned(),
            "a namespace hides the interfaces of all others, the host's included".to_owned(),
            Act::Interfaces {
                of: [&roles.client, &roles.server]
                    .map(|host| (host.netns(), host.interface.clone()))
                    .to_vec(),
                lab: roles.interfaces.clone(),
            },
        ),
        (
            format!("{server} pings outside, no rule"),
            format!("{outside} knows no way back to an inside address"),
            Act::Ping {
                rule: RuleChange::Remove,
                from: roles.server.netns(),
                to: roles.destinations(),
                expect: Reach::NoReply,
            },
        ),
        (
            format!("{server} pings outside, masqueraded"),
            "with the host's address on its packets the answers find back".to_owned(),
            Act::Ping {
                rule: RuleChange::Add,
                from: roles.server.netns(),
                to: roles.destinations(),
                expect: Reach::Reply,
            },
        ),
        (
            format!("{server} gets a page from {outside}"),
            format!("a server in {outside} takes {host} for its client"),
            Act::Fetch {
                from: roles.server.netns(),
                address: SocketAddrV4::new(roles.outside.address, OUTSIDE_PORT),
                from_namespace: outside.clone(),
                client: Some(roles.host_address),
            },
        ),
        (
            format!("{outside} gets {host_socket}"),
            format!("the forward leads to {server}, which sees the real client"),
            fetch(roles.outside.netns(), host_socket, Some(roles.outside.address)),
        ),
        (
            format!("{host} gets {host_socket}"),
            "the host's own connections follow the forward too".to_owned(),
            fetch(roles.router.clone(), host_socket, None),
        ),
        (
            format!("{host} gets 127.0.0.1:{}", roles.port),
            "and so does its loopback address".to_owned(),
            fetch(roles.router.clone(), SocketAddrV4::new(Ipv4Addr::LOCALHOST, roles.port), None),
        ),
        (
            format!("{client} gets {host_socket}"),
            format!("from inside, through the host's address, back inside to {server}"),
            fetch(roles.client.netns(), host_socket, None),
        ),
        (
            format!("{outside} heard only {host}"),
            "every packet of all the above, counted on the wire by its source".to_owned(),
            Act::Heard { only: roles.host_address },
        ),
    ];
    list.into_iter().map(|(name, shows, act)| Check { name, shows, act }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::Topology;

    #[test]
    fn the_rule_is_back_before_anything_needs_it_and_listening_ends_last() {
        let checks = checks(&Roles::of(&Topology::lecture()).unwrap());
        let position =
            |wanted: fn(&Act) -> bool| checks.iter().position(|check| wanted(&check.act));
        let without =
            position(|act| matches!(act, Act::Ping { rule: RuleChange::Remove, .. })).unwrap();
        let with = position(|act| matches!(act, Act::Ping { rule: RuleChange::Add, .. })).unwrap();
        let fetch = position(|act| matches!(act, Act::Fetch { .. })).unwrap();
        assert_eq!(without + 1, with);
        assert!(with < fetch);
        assert!(matches!(checks.last().unwrap().act, Act::Heard { .. }));
    }

    #[test]
    fn lines_fit_eighty_columns() {
        for check in checks(&Roles::of(&Topology::lecture()).unwrap()) {
            assert!(check.name.chars().count() <= 31, "{}", check.name);
            assert!(check.shows.chars().count() <= 74, "{}", check.shows);
        }
    }
}
