//! Listeners of a router whose port is forwarded: a new connection from outside goes to the
//! forward, as netfilter's DNAT also comes before a listener.

use std::{collections::HashMap, net::Ipv4Addr};

use schemars::JsonSchema;
use serde::Serialize;

use super::{forwards_of, place_of};
use crate::{
    lab::error::LabError,
    net::{
        Netns,
        listeners::{self, Listener},
    },
    rules::ForwardRule,
    topology::Topology,
};

/// A listener that gets no new connections from outside because its port is forwarded.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub(crate) struct ShadowedListener {
    /// The namespace of the router; `None`: the machine's own.
    pub(crate) router: Option<String>,
    /// The name of its program; `None`: it is not known.
    pub(crate) program: Option<String>,
    /// Its own address and port.
    pub(crate) listener: String,
    /// The forward, in words.
    pub(crate) forward: String,
}

impl ShadowedListener {
    /// In a sentence.
    pub(crate) fn in_words(&self) -> String {
        let Self { router, program, listener, forward } = self;
        let program = program.as_deref().unwrap_or("a program");
        let netns = place_of(router.as_deref());
        format!(
            "{program} {netns} listens on {listener}, but \"{forward}\" takes the packets that \
             others send there"
        )
    }
}

/// The listeners at `netns` whose ports these rules forward.
///
/// # Errors
/// When the namespace cannot be entered, or the kernel does not list sockets.
pub(crate) fn shadowed_by(
    netns: &Netns,
    rules: &[ForwardRule],
) -> Result<Vec<ShadowedListener>, LabError> {
    if rules.is_empty() {
        return Ok(Vec::new());
    }
    let found = netns.run(listeners::listeners)??;
    let mut pairs: Vec<(&Listener, &ForwardRule)> = Vec::new();
    for listener in &found {
        pairs.extend(rules.iter().find(|rule| takes(rule, listener)).map(|rule| (listener, rule)));
    }
    // Finding the programs takes a look at all processes.
    let programs = if pairs.is_empty() { HashMap::new() } else { listeners::programs() };
    let router = netns.name().map(str::to_owned);
    let mut shadowed: Vec<ShadowedListener> = pairs
        .into_iter()
        .map(|(listener, rule)| ShadowedListener {
            router: router.clone(),
            program: listener.program(&programs).map(str::to_owned),
            listener: format!("{} {}", listener.protocol, listener.end()),
            forward: rule.to_string(),
        })
        .collect();
    // A listener for both IPv4 and IPv6 counts once.
    shadowed.dedup();
    Ok(shadowed)
}

/// The shadowed listeners of all routers of a lab, by the forwards of its file.
///
/// # Errors
/// As [`shadowed_by`].
pub(crate) fn shadowed(topology: &Topology) -> Result<Vec<ShadowedListener>, LabError> {
    let mut all = Vec::new();
    for router in &topology.routers {
        let name = router.namespace.as_deref();
        all.extend(shadowed_by(&Netns::of(name), &forwards_of(topology, name))?);
    }
    Ok(all)
}

/// Whether a rule takes the packets for a listener. Of the loopback addresses, a rule for any
/// address takes only 127.0.0.1.
fn takes(rule: &ForwardRule, listener: &Listener) -> bool {
    let is_its_address = match rule.address {
        _ if listener.address.is_unspecified() => true,
        None => !listener.address.is_loopback() || listener.address == Ipv4Addr::LOCALHOST,
        Some(address) => address == listener.address,
    };
    rule.protocol == listener.protocol
        && rule.ports.all().contains(&listener.port)
        && is_its_address
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, UdpSocket};

    use super::*;
    use crate::rules::ForwardProtocol;

    /// The listeners of this machine that a rule shadows.
    fn found(rule: &ForwardRule) -> Vec<String> {
        let found = shadowed_by(&Netns::Machine, std::slice::from_ref(rule)).unwrap();
        found.into_iter().map(|one| one.listener).collect()
    }

    fn rule(protocol: ForwardProtocol, port: u16) -> ForwardRule {
        ForwardRule::new(protocol, port, "10.0.0.2:80".parse().unwrap())
    }

    #[test]
    fn a_listener_on_a_forwarded_port_is_named_with_its_program() {
        let listener = TcpListener::bind("0.0.0.0:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let rule = rule(ForwardProtocol::Tcp, port);
        let found = shadowed_by(&Netns::Machine, std::slice::from_ref(&rule)).unwrap();
        let [one] = &found[..] else { panic!("{found:?}") };
        let program = one.program.as_deref().unwrap();
        assert_eq!(
            one.in_words(),
            format!(
                "{program} on this machine listens on tcp 0.0.0.0:{port}, but \"forward tcp {port} \
                 -> 10.0.0.2:80\" takes the packets that others send there"
            )
        );
    }

    #[test]
    fn a_listener_of_another_protocol_port_or_address_is_not_named() {
        let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        let of_port = format!("udp 127.0.0.1:{port}");
        let has = |rule: &ForwardRule| found(rule).contains(&of_port);
        let udp = rule(ForwardProtocol::Udp, port);
        assert!(has(&udp));
        assert!(!has(&rule(ForwardProtocol::Tcp, port)));
        assert!(!has(&ForwardRule { address: Some("192.0.2.1".parse().unwrap()), ..udp.clone() }));
        assert!(has(&ForwardRule { address: Some(Ipv4Addr::LOCALHOST), ..udp }));
        // Of the loopback addresses, a forward for any address takes only 127.0.0.1.
        let other = UdpSocket::bind("127.0.0.53:0").unwrap();
        let port = other.local_addr().unwrap().port();
        let named = found(&rule(ForwardProtocol::Udp, port));
        assert!(!named.contains(&format!("udp 127.0.0.53:{port}")), "{named:?}");
    }
}
