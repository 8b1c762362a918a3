//! The kernel module that the tests need and that the kernel does not load by itself.

use anyhow::{Context as _, Result, bail};

use crate::{packages::find_program, root, step};

/// Makes bridged packets pass through the machine's firewall, which tests of `netns doctor` need.
const MODULE: &str = "br_netfilter";

/// The settings of the module.
const SETTINGS: &str = "/proc/sys/net/bridge";

/// Loads the module if it is not loaded, and says so first.
pub(crate) fn ensure() -> Result<()> {
    if is_there() {
        return Ok(());
    }
    let failure = || {
        format!(
            "the tests need the kernel module {MODULE} (CONFIG_BRIDGE_NETFILTER), but it cannot be \
             loaded: install the modules of the running kernel"
        )
    };
    root::ensure(&format!("loading the kernel module {MODULE}"))?;
    let modprobe =
        find_program("modprobe").context("modprobe is not installed").with_context(failure)?;
    step::run(&format!("setup: {}", plan_line()), root::command(modprobe, []).arg(MODULE))
        .with_context(failure)?;
    if !is_there() {
        bail!("{MODULE} is loaded, but {SETTINGS} does not exist");
    }
    Ok(())
}

/// The step of [`ensure`] in words.
pub(crate) fn plan() -> Option<String> {
    (!is_there()).then(plan_line)
}

fn plan_line() -> String {
    format!("load the kernel module {MODULE}: bridged packets then pass the machine's firewall")
}

fn is_there() -> bool {
    std::path::Path::new(SETTINGS).exists()
}
