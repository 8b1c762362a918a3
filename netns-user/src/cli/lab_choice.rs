//! The options by which a command is told the lab, and the router of it, that it is about.

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
    /// Name of the lab; optional when only one lab is up
    lab: Option<String>,
    #[command(flatten)]
    router: RouterOption,
}

/// Both the lab and the router as options.
#[derive(Clone, Debug, Default, Args)]
pub struct LabOptions {
    /// Name of the lab; optional when only one lab is up
    #[arg(long)]
    lab: Option<String>,
    #[command(flatten)]
    router: RouterOption,
}

impl LabArgument {
    /// The lab that is named.
    pub fn lab(&self) -> Option<&str> {
        self.lab.as_deref()
    }

    /// The router that is named.
    pub fn router(&self) -> Option<&str> {
        self.router.router.as_deref()
    }
}

impl LabOptions {
    /// The lab that is named.
    pub fn lab(&self) -> Option<&str> {
        self.lab.as_deref()
    }

    /// The router that is named.
    pub fn router(&self) -> Option<&str> {
        self.router.router.as_deref()
    }
}
