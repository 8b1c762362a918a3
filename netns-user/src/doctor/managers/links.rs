//! The links of a lab that a network manager would see.

use crate::topology::Topology;

/// A link of a lab in the machine's own namespace.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LabLink {
    pub(super) name: String,
    pub(super) kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Bridge,
    Veth,
}

impl Kind {
    /// The kernel's word, which the managers use too.
    pub(super) fn word(self) -> &'static str {
        match self {
            Self::Bridge => "bridge",
            Self::Veth => "veth",
        }
    }
}

/// The bridges and bridge ports of a lab.
pub(super) fn links_of(lab: &Topology) -> Vec<LabLink> {
    let link = |kind| move |name: &String| LabLink { name: name.clone(), kind };
    let bridges = lab.bridges.iter().map(|bridge| &bridge.name).map(link(Kind::Bridge));
    let ports = lab.plugged().map(|(_, plug)| &plug.port).map(link(Kind::Veth));
    bridges.chain(ports).collect()
}

pub(super) fn names(links: &[&LabLink]) -> String {
    match links {
        [one] => format!("\"{}\"", one.name),
        [one, two] => format!("\"{}\" and \"{}\"", one.name, two.name),
        [one, two, rest @ ..] => {
            format!("\"{}\", \"{}\" and {} more", one.name, two.name, rest.len())
        }
        [] => "nothing".into(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lab_makes_bridges_and_ports() {
        let links = links_of(&Topology::lecture());
        let names: Vec<&str> = links.iter().map(|link| link.name.as_str()).collect();
        assert_eq!(names, ["v-net-0", "veth-red-br", "veth-blue-br"]);
        assert_eq!(
            super::names(&links.iter().collect::<Vec<_>>()),
            "\"v-net-0\", \"veth-red-br\" and 1 more"
        );
    }
}
