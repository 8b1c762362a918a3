//! `netns identify [PID]`

use std::process::ExitCode;

use anyhow::Context as _;
use procfs::process::Process;

use super::{change::NamedNamespace, print};
use crate::{cli::IdentifyArgs, inhabitants::network_of, net::netns};

/// Prints the names of the network namespace that a process is in.
///
/// # Errors
/// When there is no such process, or the kernel refuses.
pub fn run(args: &IdentifyArgs, json: bool) -> anyhow::Result<ExitCode> {
    let own = || i32::try_from(std::process::id());
    let pid = args.pid.map_or_else(own, Ok).context("this process has no number")?;
    let process =
        Process::new(pid).with_context(|| format!("there is no process {pid} (`netns ps`)"))?;
    let network = network_of(&process).with_context(|| {
        format!("cannot read the namespace of process {pid}: it has ended, or only root sees it")
    })?;
    let mut names = Vec::new();
    for name in netns::list()? {
        if netns::identity(&name).is_ok_and(|identity| identity == network) {
            names.push(NamedNamespace { namespace: name });
        }
    }
    print(json, &names, |names| {
        names.iter().map(|name| format!("{}\n", name.namespace)).collect()
    })?;
    Ok(ExitCode::SUCCESS)
}
