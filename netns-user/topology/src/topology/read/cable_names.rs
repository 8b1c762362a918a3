//! Names of the ends of a namespace's cable. Where the file gives none, they are made from the
//! name of the namespace.

use super::made_names::fitted;
use crate::topology::{
    entry::Entry,
    error::Fault,
    names::{interface_fault, namespace_fault},
};

/// How the names of a cable's ends are made: the same way for all members of an entry.
#[derive(Debug)]
pub(super) struct CableNames {
    /// Whether the interface is called veth-NAME; otherwise it is called eth0.
    has_long_interface: bool,
    /// Whether the port is called veth-NAME-br; otherwise it is called NAME-br.
    has_long_port: bool,
}

impl CableNames {
    /// The long names, or the short ones where the long ones would be too long for one of several
    /// members.
    pub(super) fn new(entry: &Entry<'_>, members: u32) -> Self {
        // The last member has the longest number.
        let longest = entry.member_name(members);
        let fits = |name: String| interface_fault(&name).is_none();
        let is_single = entry.count.is_none();
        let has_long_port = is_single || fits(format!("veth-{longest}-br"));
        // Where both names are made, both are long or both are short.
        let port_allows = entry.keys.port.is_some() || has_long_port;
        let has_long_interface = is_single || (port_allows && fits(format!("veth-{longest}")));
        Self { has_long_interface, has_long_port }
    }

    /// The name of the cable's end in the namespace. One that is made can be too long.
    pub(super) fn interface(&self, entry: &Entry<'_>, member: u32) -> String {
        match entry.keys.interface {
            Some(interface) => entry.with_number(interface.get_ref(), member),
            None if self.has_long_interface => format!("veth-{}", entry.member_name(member)),
            None => "eth0".into(),
        }
    }

    /// The name of the cable's end on the bridge. One that is made can be too long.
    pub(super) fn port(&self, entry: &Entry<'_>, member: u32) -> String {
        match entry.keys.port {
            Some(port) => entry.with_number(port.get_ref(), member),
            None if self.has_long_port => format!("veth-{}-br", entry.member_name(member)),
            None => format!("{}-br", entry.member_name(member)),
        }
    }

    /// Whether the names that are made are valid. The names that the file gives are checked with
    /// all other names.
    pub(super) fn are_valid(
        &self,
        entry: &Entry<'_>,
        members: u32,
        faults: &mut Vec<Fault>,
    ) -> bool {
        let name = entry.member_name(members);
        if let Some(fault) = namespace_fault(&name) {
            // The name of a single namespace is checked with all other names, and the names of
            // several members only where the members are made.
            if entry.count.is_some() {
                let message = format!("namespace: \"{name}\" cannot name a namespace: {fault}");
                faults.push(Fault::new(entry.name.span(), message));
            }
            return false;
        }
        // Longer names are shortened.
        let interface = fitted(&self.interface(entry, members));
        let port = fitted(&self.port(entry, members));
        let mut report = |kind: &str, made: &str, fault: &str, keys: &str| {
            let message = format!(
                "namespace \"{name}\": the {kind} name made from it, \"{made}\", is not valid: \
                 {fault}: set {keys}"
            );
            faults.push(Fault::new(entry.name.span(), message));
            false
        };
        let of_interface = interface_fault(&interface).filter(|_| entry.keys.interface.is_none());
        let of_port = interface_fault(&port).filter(|_| entry.keys.port.is_none());
        match (of_interface, of_port) {
            // Two faults with one cause.
            (Some(fault), Some(_)) => {
                report("interface", &interface, &fault, "`interface` and `port`")
            }
            (Some(fault), None) => report("interface", &interface, &fault, "`interface`"),
            (None, Some(fault)) => report("port", &port, &fault, "`port`"),
            (None, None) => true,
        }
    }
}
