//! The kernel module that the tests need and the kernel does not load by itself.

use anyhow::{Context as _, Result, bail};

use crate::{packages::find_program, root, step};

/// Shows bridged packets to the machine's firewall, about which the tests ask the doctor.
const MODULE: &str = "br_netfilter";

/// The settings that a kernel with it has.
const SETTINGS: &str = "/proc/sys/net/bridge";

/// Loads it where it is a module and not loaded, after saying so.
pub(crate) fn ensure() -> Result<()> {
    if is_there() {
        return Ok(());
    }
    let failure = || {
        format!(
            "the tests need the kernel module {MODULE} (CONFIG_BRIDGE_NETFILTER), and it cannot \
             be loaded: install the modules of the running kernel"
        )
    };
    root::ensure(&format!("loading the kernel module {MODULE}"))?;
    let modprobe =
        find_program("modprobe").context("there is no modprobe").with_context(failure)?;
    step::run(&format!("setup: {}", plan_line()), root::command(modprobe, []).arg(MODULE))
        .with_context(failure)?;
    if !is_there() {
        bail!("{MODULE} is loaded, but there is no {SETTINGS}");
    }
    Ok(())
}

/// What [`ensure`] would do, in words.
pub(crate) fn plan() -> Option<String> {
    (!is_there()).then(plan_line)
}

fn plan_line() -> String {
    format!("load the kernel module {MODULE}: bridged packets then meet the machine's firewall")
}

fn is_there() -> bool {
    std::path::Path::new(SETTINGS).exists()
}
