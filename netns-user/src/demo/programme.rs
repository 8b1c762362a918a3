//! The lecture's checks, in its order.

use std::net::{Ipv4Addr, SocketAddrV4};

use super::{
    cast::{Cast, Place},
    check::{Act, Check, Reach, RuleChange},
};

/// Where the web server outside listens.
pub const OUTSIDE_PORT: u16 = 8080;

/// Every check for this cast. The one that ends the listening comes last.
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
            "two cables into one bridge make a network".to_owned(),
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
            "each sees its interfaces only".to_owned(),
            "a namespace hides the interfaces of all others, the host's included".to_owned(),
            Act::Interfaces {
                of: [&cast.client, &cast.server]
                    .map(|actor| (actor.place(), actor.interface.clone()))
                    .to_vec(),
                lab: cast.interfaces.clone(),
            },
        ),
        (
            format!("{server} pings outside, no rule"),
            format!("{outside} knows no way back to an inside address"),
            Act::Ping {
                rule: RuleChange::Remove,
                from: cast.server.place(),
                to: cast.destinations(),
                expect: Reach::NoReply,
            },
        ),
        (
            format!("{server} pings outside, masqueraded"),
            "with the host's address on its packets the answers find back".to_owned(),
            Act::Ping {
                rule: RuleChange::Add,
                from: cast.server.place(),
                to: cast.destinations(),
                expect: Reach::Reply,
            },
        ),
        (
            format!("{server} gets a page from {outside}"),
            format!("a server in {outside} takes {host} for its client"),
            Act::Fetch {
                from: cast.server.place(),
                address: SocketAddrV4::new(cast.outside.address, OUTSIDE_PORT),
                from_namespace: outside.clone(),
                client: Some(cast.host_address),
            },
        ),
        (
            format!("{outside} gets {host_socket}"),
            format!("the forward leads to {server}, which sees the real client"),
            fetch(cast.outside.place(), host_socket, Some(cast.outside.address)),
        ),
        (
            format!("{host} gets {host_socket}"),
            "the host's own connections follow the forward too".to_owned(),
            fetch(Place::Router, host_socket, None),
        ),
        (
            format!("{host} gets 127.0.0.1:{}", cast.port),
            "and so does its loopback address".to_owned(),
            fetch(Place::Router, SocketAddrV4::new(Ipv4Addr::LOCALHOST, cast.port), None),
        ),
        (
            format!("{client} gets {host_socket}"),
            format!("from inside, through the host's address, back inside to {server}"),
            fetch(cast.client.place(), host_socket, None),
        ),
        (
            format!("{outside} heard only {host}"),
            "every packet of all the above, counted on the wire by its source".to_owned(),
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
    fn the_rule_is_back_before_anything_needs_it_and_listening_ends_last() {
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
    fn lines_fit_eighty_columns() {
        for check in programme(&Cast::of(&Topology::lecture()).unwrap()) {
            assert!(check.name.chars().count() <= 31, "{}", check.name);
            assert!(check.shows.chars().count() <= 74, "{}", check.shows);
        }
    }
}
