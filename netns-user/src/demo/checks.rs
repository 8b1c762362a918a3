//! The checks of the lecture, in its order.

use std::net::{Ipv4Addr, SocketAddrV4};

use super::{
    check::{Act, Check, Reach, RuleChange},
    roles::Roles,
};
use crate::net::Netns;

/// The port of the web server outside.
pub const OUTSIDE_PORT: u16 = 8080;

/// All checks for these roles. The check that ends the packet capture is the last one.
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
            "two namespaces on one bridge are on one network".to_owned(),
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
            "each sees only its interfaces".to_owned(),
            "a namespace sees no interface of the host or of another namespace".to_owned(),
            Act::Interfaces {
                of: [&roles.client, &roles.server]
                    .map(|host| (host.netns(), host.interface.clone()))
                    .to_vec(),
                lab: roles.interfaces.clone(),
            },
        ),
        (
            format!("{server}: no reply without a rule"),
            "the router lets no packet leave with an inside address".to_owned(),
            Act::Ping {
                rule: RuleChange::Remove,
                from: roles.server.netns(),
                to: roles.destinations(),
                expect: Reach::NoReply,
            },
        ),
        (
            format!("{server} pings outside, masqueraded"),
            "replies come back, since its packets have the host's address".to_owned(),
            Act::Ping {
                rule: RuleChange::Add,
                from: roles.server.netns(),
                to: roles.destinations(),
                expect: Reach::Reply,
            },
        ),
        (
            format!("{server} gets a page from {outside}"),
            format!("the server in {outside} sees {host} as its client"),
            Act::Fetch {
                from: roles.server.netns(),
                address: SocketAddrV4::new(roles.outside.address, OUTSIDE_PORT),
                from_namespace: outside.clone(),
                client: Some(roles.host_address),
            },
        ),
        (
            format!("{outside} gets {host_socket}"),
            format!("the forward leads to {server}, which sees the real client address"),
            fetch(roles.outside.netns(), host_socket, Some(roles.outside.address)),
        ),
        (
            format!("{host} gets {host_socket}"),
            "the host's own connections follow the forward too".to_owned(),
            fetch(roles.router.clone(), host_socket, None),
        ),
        (
            format!("{host} gets 127.0.0.1:{}", roles.port),
            "and so do its connections to a loopback address".to_owned(),
            fetch(roles.router.clone(), SocketAddrV4::new(Ipv4Addr::LOCALHOST, roles.port), None),
        ),
        (
            format!("{client} gets {host_socket}"),
            format!("from inside to the host's address, and back inside to {server} (hairpin)"),
            fetch(roles.client.netns(), host_socket, None),
        ),
        (
            format!("{outside} saw only {host}"),
            "all packets of these checks, captured outside and counted by source".to_owned(),
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
    fn the_rule_is_added_again_before_a_check_needs_it_and_the_capture_ends_last() {
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
    fn the_texts_of_all_checks_fit_into_eighty_columns() {
        for check in checks(&Roles::of(&Topology::lecture()).unwrap()) {
            assert!(check.name.chars().count() <= 31, "{}", check.name);
            assert!(check.shows.chars().count() <= 74, "{}", check.shows);
        }
    }
}
