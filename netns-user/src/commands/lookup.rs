//! Looks up interfaces before a change, and reports conflicts.

use std::fmt;

use anyhow::{anyhow, bail};
use ipnet::{IpNet, Ipv4Net};

use crate::{
    lab::LabRecord,
    net::{BRIDGE, Interface, Link, NetError, Netns, VETH, netns},
    shell,
    step::NetlinkPool,
    topology::interface_fault,
};

/// A name counts as mistyped if it has at most one slip in this many letters: a wrong, missing,
/// additional or swapped letter.
const LETTERS_A_SLIP: usize = 3;

/// How many names an error lists.
const LISTED: usize = 10;

/// Access to the interfaces of all namespaces.
#[derive(Debug, Default)]
pub(super) struct Lookup {
    pub(super) pool: NetlinkPool,
}

impl Lookup {
    /// The links of a namespace.
    pub(super) fn links(&mut self, netns: &Netns) -> anyhow::Result<Vec<Link>> {
        if let Netns::Named(name) = netns {
            require_namespace(name)?;
        }
        Ok(self.pool.at(netns)?.links()?)
    }

    /// The link of that name.
    pub(super) fn link(&mut self, interface: &Interface) -> anyhow::Result<Link> {
        let links = self.links(&interface.netns)?;
        let names: Vec<&str> = links.iter().map(|link| link.name.as_str()).collect();
        links.iter().find(|link| link.name == interface.name).cloned().ok_or_else(|| {
            let Interface { netns, name } = interface;
            let hint =
                did_you_mean(name, &names).unwrap_or_else(|| format!("it has {}", listed(&names)));
            anyhow!("{netns} has no interface \"{name}\": {hint}")
        })
    }

    /// The bridge of that name.
    pub(super) fn bridge(&mut self, interface: &Interface) -> anyhow::Result<Link> {
        let link = self.link(interface)?;
        if link.is(BRIDGE) {
            return Ok(link);
        }
        let links = self.links(&interface.netns)?;
        let bridges: Vec<&str> =
            links.iter().filter(|link| link.is(BRIDGE)).map(|link| link.name.as_str()).collect();
        let there = match bridges.as_slice() {
            [] => "has no bridge: add one with `netns bridge add`".to_owned(),
            some => format!("has {}", listed(some)),
        };
        bail!("{interface} is {} and not a bridge; {} {there}", what(&link), interface.netns)
    }

    /// Fails when an interface of this name cannot be made.
    pub(super) fn require_free(&mut self, interface: &Interface) -> anyhow::Result<()> {
        let links = self.links(&interface.netns)?;
        if let Some(fault) = interface_fault(&interface.name) {
            bail!("\"{}\" cannot name an interface: {fault}", interface.name);
        }
        let Some(taken) = links.iter().find(|link| link.name == interface.name) else {
            return Ok(());
        };
        let word = shell::word(&interface.to_string());
        let delete = match taken.kind.as_deref() {
            Some(VETH) => format!("delete it (`netns cable del {word}`) or "),
            Some(BRIDGE) => format!("delete it (`netns bridge del {word}`) or "),
            _ => String::new(),
        };
        bail!("{interface} already exists ({}): {delete}choose another name", what(taken))
    }

    /// The IPv4 addresses of a link.
    pub(super) fn addresses(
        &mut self,
        interface: &Interface,
        link: &Link,
    ) -> Result<Vec<Ipv4Net>, NetError> {
        let all = self.pool.at(&interface.netns)?.addresses()?.into_iter();
        let own = all.filter(|held| held.link == link.index);
        let v4 = own.filter_map(|held| match held.address {
            IpNet::V4(net) => Some(net),
            IpNet::V6(_) => None,
        });
        Ok(v4.collect())
    }
}

/// Fails when there is no namespace of this name.
pub(super) fn require_namespace(name: &str) -> anyhow::Result<()> {
    if netns::exists(name) {
        return Ok(());
    }
    netns::check_name(name)?;
    let names = netns::list()?;
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    let hint = did_you_mean(name, &names).unwrap_or_else(|| match lab_of(name) {
        Some(lab) => format!("it is missing from lab \"{lab}\"; `netns up FILE` makes it again"),
        None => {
            let name = shell::word(name);
            format!("add it with `netns add {name}`, or see `netns list`")
        }
    });
    bail!("there is no namespace \"{name}\": {hint}")
}

/// The lab that is up and should have a namespace.
fn lab_of(namespace: &str) -> Option<String> {
    let (records, _) = LabRecord::survey().ok()?;
    records.iter().find(|record| record.owns(namespace)).map(|record| record.name().to_owned())
}

/// The kind of a link, for an error.
pub(super) fn what(link: &Link) -> String {
    match link.kind.as_deref() {
        Some(VETH) => "an end of a cable".into(),
        Some(BRIDGE) => "a bridge".into(),
        Some(kind) => format!("an interface of kind {kind}"),
        None if link.name == "lo" => "the loopback interface".into(),
        None => "a network card".into(),
    }
}

fn did_you_mean(wanted: &str, known: &[&str]) -> Option<String> {
    let near = known.iter().map(|name| (strsim::damerau_levenshtein(wanted, name), *name));
    let (slips, best) = near.min_by_key(|(slips, _)| *slips)?;
    (slips * LETTERS_A_SLIP <= wanted.len()).then(|| format!("did you mean \"{best}\"?"))
}

/// The first names, and how many there are.
pub(super) fn listed<T: fmt::Display>(names: &[T]) -> String {
    let mut text: Vec<String> = names.iter().take(LISTED).map(ToString::to_string).collect();
    if names.len() > LISTED {
        text.push(format!("… ({} in all)", names.len()));
    }
    text.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_near_name_is_suggested_and_a_far_one_is_not() {
        let known = ["lo", "veth-red", "veth-blue"];
        assert_eq!(did_you_mean("veth-rde", &known).unwrap(), "did you mean \"veth-red\"?");
        assert_eq!(did_you_mean("rde", &["blue", "red"]).unwrap(), "did you mean \"red\"?");
        assert_eq!(did_you_mean("eth0", &["lo", "ens3"]), None);
        assert_eq!(did_you_mean("eth0", &[]), None);
    }

    #[test]
    fn long_lists_are_cut() {
        let names: Vec<u32> = (0..12).collect();
        assert_eq!(listed(&names), "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, … (12 in all)");
        assert_eq!(listed(&["a", "b"]), "a, b");
    }
}
