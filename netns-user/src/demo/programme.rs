//! The checks of the lecture, in its order.

use std::net::{Ipv4Addr, SocketAddrV4};

use super::{
    cast::{Cast, Place},
    check::{Act, Check, Reach, RuleChange},
};

/// The port of the web server outside.
pub const OUTSIDE_PORT: u16 = 8080;

/// All checks for these roles. The check that ends the packet capture is the last one.
pub fn programme(cast: &Cast) -> Vec<Check> {
    let (client, server) = (&cast.client.namespace, &cast.server.namespace);
    let (host, outside) = (&cast.host, &cast.outside.namespace);
    let host_socket = SocketAddrV4::new(cast.host_address, cast.port);
    let fetch = |from: Place, address: SocketAddrV4, seen: Option<Ipv4Addr>| Act::Fetch {
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
                from: cast.client.place(),
                to: vec![cast.server.address],
                expect: Reach::Reply,
            },
        ),
        (
            format!("{host} pings {client}"),
            "the bridge is the host's own interface to that network".to_owned(),
            Act::Ping {
                rule: RuleChange::None,
                from: Place::Router,
                to: vec![cast.client.address],
                expect: Reach::Reply,
            },
        ),
        (
            "each sees only its interfaces".to_owned(),
            "a namespace sees no interface of the host or of another namespace".to_owned(),
            Act::Interfaces {
                of: [&cast.client, &cast.server]
                    .map(|actor| (actor.place(), actor.interface.clone()))
                    .to_vec(),
                lab: cast.interfaces.clone(),
            },
        ),
        (
            format!("{server}: no reply without a rule"),
            "the router lets no packet leave with an inside address".to_owned(),
            Act::Ping {
                rule: RuleChange::Remove,
                from: cast.server.place(),
                to: cast.destinations(),
                expect: Reach::NoReply,
            },
        ),
        (
            format!("{server} pings outside, masqueraded"),
            "replies come back, since its packets have the host's address".to_owned(),
            Act::Ping {
                rule: RuleChange::Add,
                from: cast.server.place(),
                to: cast.destinations(),
                expect: Reach::Reply,
            },
        ),
        (
            format!("{server} gets a page from {outside}"),
            format!("the server in {outside} sees {host} as its client"),
            Act::Fetch {
                from: cast.server.place(),
                address: SocketAddrV4::new(cast.outside.address, OUTSIDE_PORT),
                from_namespace: outside.clone(),
                client: Some(cast.host_address),
            },
        ),
        (
            format!("{outside} gets {host_socket}"),
            format!("the forward leads to {server}, which sees the real client address"),
            fetch(cast.outside.place(), host_socket, Some(cast.outside.address)),
        ),
        (
            format!("{host} gets {host_socket}"),
            "the host's own connections follow the forward too".to_owned(),
            fetch(Place::Router, host_socket, None),
        ),
        (
            format!("{host} gets 127.0.0.1:{}", cast.port),
            "and so do its connections to a loopback address".to_owned(),
            fetch(Place::Router, SocketAddrV4::new(Ipv4Addr::LOCALHOST, cast.port), None),
        ),
        (
            format!("{client} gets {host_socket}"),
            format!("from inside to the host's address, and back inside to {server} (hairpin)"),
            fetch(cast.client.place(), host_socket, None),
        ),
        (
            format!("{outside} saw only {host}"),
            "all packets of these checks, captured outside and counted by source".to_owned(),
            Act::Heard { only: cast.host_address },
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
        let checks = programme(&Cast::of(&Topology::lecture()).unwrap());
        let place = |wanted: fn(&Act) -> bool| checks.iter().position(|check| wanted(&check.act));
        let without =
            place(|act| matches!(act, Act::Ping { rule: RuleChange::Remove, .. })).unwrap();
        let with = place(|act| matches!(act, Act::Ping { rule: RuleChange::Add, .. })).unwrap();
        let fetch = place(|act| matches!(act, Act::Fetch { .. })).unwrap();
        assert_eq!(without + 1, with);
        assert!(with < fetch);
        assert!(matches!(checks.last().unwrap().act, Act::Heard { .. }));
    }

    #[test]
    fn the_texts_of_all_checks_fit_into_eighty_columns() {
        for check in programme(&Cast::of(&Topology::lecture()).unwrap()) {
            assert!(check.name.chars().count() <= 31, "{}", check.name);
            assert!(check.shows.chars().count() <= 74, "{}", check.shows);
        }
    }
}
