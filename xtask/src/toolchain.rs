//! The host's own compiler.

use std::{env, process::Command};

use anyhow::{Context as _, Result};

use crate::workspace::output_of;

/// The compiler that cargo calls.
pub(crate) fn rustc() -> Command {
    Command::new(env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()))
}

/// Its default target.
pub(crate) fn host() -> Result<String> {
    let version = String::from_utf8(output_of(rustc().arg("-vV"))?)?;
    let host = version.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).context("`rustc -vV` does not show the host")
}
