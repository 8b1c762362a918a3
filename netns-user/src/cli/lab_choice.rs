//! The options by which a command is told the lab, and the router of it, that it is about.

use std::env;

use clap::Args;

/// The router.
#[derive(Clone, Debug, Default, Args)]
pub(super) struct RouterOption {
    /// The router, in a lab with several: the name of its namespace, or "machine" for this machine
    #[arg(long, value_name = "NAME")]
    router: Option<String>,
}

/// The lab as an argument, and the router as an option.
#[derive(Clone, Debug, Default, Args)]
pub struct LabArgument {
    /// Name of the lab; by default, $NETNS_LAB, or the only lab that is up
    lab: Option<String>,
    #[command(flatten)]
    router: RouterOption,
}

/// Both the lab and the router as options.
#[derive(Clone, Debug, Default, Args)]
pub struct LabOptions {
    /// Name of the lab; by default, $NETNS_LAB, or the only lab that is up
    #[arg(long)]
    lab: Option<String>,
    #[command(flatten)]
    router: RouterOption,
}

impl LabArgument {
    /// The lab that is named, here or in `NETNS_LAB`.
    pub fn lab(&self) -> Option<String> {
        or_of_environment(self.lab.as_ref())
    }

    /// The router that is named.
    pub fn router(&self) -> Option<&str> {
        self.router.router.as_deref()
    }
}

impl LabOptions {
    /// The lab that is named, here or in `NETNS_LAB`.
    pub fn lab(&self) -> Option<String> {
        or_of_environment(self.lab.as_ref())
    }

    /// The router that is named.
    pub fn router(&self) -> Option<&str> {
        self.router.router.as_deref()
    }
}

/// The variable that names the lab of all commands of a shell.
const VARIABLE: &str = "NETNS_LAB";

/// The name that is given; else that of the environment.
pub fn or_of_environment(given: Option<&String>) -> Option<String> {
    let named = || env::var(VARIABLE).ok().filter(|name| !name.is_empty());
    given.cloned().or_else(named)
}
