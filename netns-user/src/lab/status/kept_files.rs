//! The files of a lab's namespaces that somebody has edited or made, and that `up` keeps.

use std::path::PathBuf;

use crate::{
    lab::resources::{Resource, resources},
    net::{
        hosts::{links, shared},
        resolver,
    },
    topology::Topology,
};

/// The files that `up` keeps.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct KeptFiles {
    /// Files with name servers that were changed by hand.
    pub(crate) resolvers: Vec<PathBuf>,
    /// The shared hosts file, if it was changed by hand.
    pub(crate) hosts: Option<PathBuf>,
    /// Hosts files of namespaces that netns has not made.
    pub(crate) own_hosts: Vec<PathBuf>,
}

impl KeptFiles {
    /// The files of a lab that are kept.
    pub(crate) fn of(topology: &Topology) -> Self {
        let mut kept = Self::default();
        for resource in resources(topology) {
            match resource {
                Resource::Resolver { namespace, servers } => {
                    kept.resolvers.extend(resolver::kept_file(&namespace, &servers));
                }
                Resource::HostsLink { namespace, .. } => {
                    kept.own_hosts.extend(links::foreign_file(&namespace));
                }
                Resource::Hosts { lab, entries } => kept.hosts = shared::kept_file(&lab, &entries),
                _ => {}
            }
        }
        kept
    }

    /// The files that were changed by hand.
    pub(crate) fn edited(&self) -> Vec<PathBuf> {
        self.resolvers.iter().chain(&self.hosts).cloned().collect()
    }
}
