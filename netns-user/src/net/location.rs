//! A network namespace, and an interface in it: the names by which everything is found.

use std::{fmt, fs::File, iter};

use super::{error::NetError, netns};

/// A network namespace: the machine's own (in which this program runs), or one with a name.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Netns {
    Machine,
    Named(String),
}

impl Netns {
    /// The namespace of that name; without a name, the machine's own.
    pub fn of(name: Option<&str>) -> Self {
        name.map_or(Self::Machine, Self::named)
    }

    /// The namespace of that name.
    pub fn named(name: &str) -> Self {
        Self::Named(name.to_owned())
    }

    /// Its name; the machine's own namespace has none.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Machine => None,
            Self::Named(name) => Some(name),
        }
    }

    /// The machine's own namespace and all that have a name. A second name of the machine's own
    /// namespace is left out.
    ///
    /// # Errors
    /// When the folder of namespaces cannot be read.
    pub fn all() -> Result<Vec<Self>, NetError> {
        let named = netns::list()?.into_iter().filter(|name| !netns::is_own(name));
        Ok(iter::once(Self::Machine).chain(named.map(Self::Named)).collect())
    }

    /// Opens the namespace, which keeps it alive.
    ///
    /// # Errors
    /// When there is no such namespace.
    pub fn open(&self) -> Result<File, NetError> {
        match self {
            Self::Machine => netns::open_own(),
            Self::Named(name) => netns::open(name),
        }
    }

    /// Runs `work` in the namespace: on a thread of its own, or on the calling thread when it is
    /// the machine's own namespace.
    ///
    /// # Errors
    /// When the namespace cannot be entered; then `work` has not run.
    pub fn run<T: Send>(&self, work: impl FnOnce() -> T + Send) -> Result<T, NetError> {
        match self {
            Self::Machine => Ok(work()),
            Self::Named(name) => netns::run_in(name, work),
        }
    }
}

impl fmt::Display for Netns {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Machine => f.write_str("this machine"),
            Self::Named(name) => write!(f, "namespace \"{name}\""),
        }
    }
}

/// An interface and the namespace that it is in.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Interface {
    pub netns: Netns,
    pub name: String,
}

impl Interface {
    /// The interface of that name in `netns`.
    pub fn new(netns: Netns, name: &str) -> Self {
        Self { netns, name: name.to_owned() }
    }
}

/// `NAMESPACE:INTERFACE`, as a person types it; in the machine's own namespace, the interface
/// alone.
impl fmt::Display for Interface {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.netns {
            Netns::Machine => f.write_str(&self.name),
            Netns::Named(name) => write!(f, "{name}:{}", self.name),
        }
    }
}
