//! An entry of the file for one or more namespaces, together with its template: what it says
//! and what the members are called.

use toml::Spanned;

use super::values::number;
use crate::topology::{
    error::Fault,
    file::{GatewayFile, NamespaceFile, Number, RouteFile, TemplateFile, Text},
    names::interface_fault,
};

/// What stands for a member's number in names.
const NUMBER: &str = "{}";

/// Bytes of a name that may be repeated for each member. Of namespaces it is the most anyway.
const LONGEST_NAME: usize = 255;

/// Most members of one entry: more than any bridge of Linux has ports for.
pub(in crate::topology) const COUNT: std::ops::RangeInclusive<u32> = 1..=65_536;

/// An entry with what it takes over from its template.
#[derive(Debug)]
pub(in crate::topology) struct Entry<'f> {
    pub(in crate::topology) name: &'f Text,
    pub(in crate::topology) count: Option<&'f Number>,
    pub(in crate::topology) bridge: Option<&'f Text>,
    pub(in crate::topology) address: Option<&'f Text>,
    pub(in crate::topology) interface: Option<&'f Text>,
    pub(in crate::topology) port: Option<&'f Text>,
    pub(in crate::topology) gateway: Option<&'f Spanned<GatewayFile>>,
    pub(in crate::topology) mtu: Option<&'f Number>,
    pub(in crate::topology) source_check: Option<&'f Spanned<bool>>,
    pub(in crate::topology) quota: Option<&'f Number>,
    pub(in crate::topology) dns: Option<&'f [Text]>,
    pub(in crate::topology) forwarding: bool,
    pub(in crate::topology) routes: &'f [Spanned<RouteFile>],
}

impl<'f> Entry<'f> {
    pub(super) fn new(file: &'f NamespaceFile, template: Option<&'f TemplateFile>) -> Self {
        macro_rules! either {
            ($key:ident) => {
                file.$key.as_ref().or_else(|| template.and_then(|template| template.$key.as_ref()))
            };
        }
        Self {
            name: &file.name,
            count: file.count.as_ref(),
            bridge: either!(bridge),
            address: either!(address),
            interface: either!(interface),
            port: either!(port),
            gateway: either!(gateway),
            mtu: either!(mtu),
            source_check: either!(source_check),
            quota: either!(quota),
            dns: either!(dns).map(Vec::as_slice),
            forwarding: either!(forwarding).copied().unwrap_or_default(),
            routes: either!(routes).map(Vec::as_slice).unwrap_or_default(),
        }
    }

    /// What an error calls it.
    pub(in crate::topology) fn owner(&self) -> String {
        format!("namespace \"{}\"", self.name.get_ref())
    }

    /// How many members it has; `None` when the file asks for an impossible number.
    pub(super) fn members(&self, faults: &mut Vec<Fault>) -> Option<u32> {
        let Some(count) = self.count else { return Some(1) };
        let texts = [Some(self.name), self.interface, self.port];
        if texts.iter().flatten().any(|text| text.get_ref().len() > LONGEST_NAME) {
            // That is a fault by itself, which one member shows as well as many.
            return Some(1);
        }
        number(count, &COUNT, faults, |count| format!("{}: a count of {count}", self.owner()))
    }

    /// Name of a member, from 1.
    pub(in crate::topology) fn member(&self, member: u32) -> String {
        let name = self.name.get_ref();
        if self.count.is_some() && !name.contains(NUMBER) {
            return format!("{name}-{member}");
        }
        self.fill(name, member)
    }

    /// The number of the last member, which is the longest.
    pub(in crate::topology) fn last_member(&self) -> u32 {
        let count = self.count.map_or(1, |count| *count.get_ref());
        u32::try_from(count).ok().filter(|count| COUNT.contains(count)).unwrap_or(1)
    }

    /// Puts a member's number where the file has {}.
    pub(in crate::topology) fn fill(&self, text: &str, member: u32) -> String {
        if self.count.is_none() || !text.contains(NUMBER) {
            return text.to_owned();
        }
        text.replace(NUMBER, &member.to_string())
    }

    /// Texts in which {} would be a number that an entry without `count` has not.
    pub(super) fn stray_numbers(&self) -> impl Iterator<Item = &'f Text> {
        let texts = [Some(self.name), self.interface, self.port].into_iter().flatten();
        let stray = self.count.is_none();
        texts.filter(move |text| stray && text.get_ref().contains(NUMBER))
    }
}

/// How the names of a cable's ends are made from the member's when the file gives none: the
/// same way for all members.
#[derive(Debug)]
pub(super) struct Ends {
    /// veth-NAME, else eth0.
    named_interface: bool,
    /// veth-NAME-br, else NAME-br.
    marked_port: bool,
}

impl Ends {
    /// The long names, or where they would not fit all of several members, the short ones.
    pub(super) fn new(entry: &Entry<'_>, members: u32) -> Self {
        // The last one has the longest number.
        let longest = entry.member(members);
        let fits = |name: String| interface_fault(&name).is_none();
        let single = entry.count.is_none();
        let marked_port = single || fits(format!("veth-{longest}-br"));
        // Of two names that are both made, either both are long or none.
        let with_port = entry.port.is_some() || marked_port;
        let named_interface = single || (with_port && fits(format!("veth-{longest}")));
        Self { named_interface, marked_port }
    }

    pub(super) fn interface(&self, entry: &Entry<'_>, member: u32) -> String {
        match entry.interface {
            Some(interface) => entry.fill(interface.get_ref(), member),
            None if self.named_interface => format!("veth-{}", entry.member(member)),
            None => "eth0".into(),
        }
    }

    pub(super) fn port(&self, entry: &Entry<'_>, member: u32) -> String {
        match entry.port {
            Some(port) => entry.fill(port.get_ref(), member),
            None if self.marked_port => format!("veth-{}-br", entry.member(member)),
            None => format!("{}-br", entry.member(member)),
        }
    }
}
