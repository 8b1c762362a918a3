//! `netns watch`: rates of rules, drops and flows of a running lab.

use std::process::ExitCode;

use anyhow::anyhow;
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    print_json, print_text,
    routers::{first_router, tell_others},
};
use crate::{
    cli::WatchArgs,
    demo::{
        Interrupt,
        live::{self, LivingLab, Snapshot, Source as _},
    },
    lab::{self, LabError, LabRecord},
    output::terminal,
    topology::Topology,
};

/// The counters and flows of a router now.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct Watched<'a> {
    /// The name of the lab.
    lab: &'a str,
    /// The name of the router; `"machine"`: this machine.
    router: &'a str,
    #[serde(flatten)]
    snapshot: Snapshot,
}

/// Shows the lab full-screen until a key ends it. With `--once` or without a terminal it prints one
/// frame, with `--json` the bare counters. In a lab with several routers it shows the first and
/// names the others.
///
/// # Errors
/// When no lab can be chosen or its counters cannot be read.
pub fn run(args: &WatchArgs, json: bool) -> anyhow::Result<ExitCode> {
    lab::require_root()?;
    let topology = lab::choose(args.about.lab().as_deref())?.topology;
    show(args, json, &topology).map_err(|error| match LabRecord::load(&topology.name) {
        Err(LabError::NotUp(name)) => anyhow!("lab \"{name}\" was taken down: the view has ended"),
        _ => error,
    })?;
    Ok(ExitCode::SUCCESS)
}

fn show(args: &WatchArgs, json: bool, topology: &Topology) -> anyhow::Result<()> {
    let (router, others) = first_router(topology, args.about.router())?;
    let mut source = LivingLab::open(&router.datapath, router.netns.clone())?;
    let mut title = format!("lab {}", topology.name);
    if topology.routers.len() > 1 {
        title += &format!(", router {}", router.name());
    }
    if !others.is_empty() {
        title += &format!(" (--router for {})", others.join(", "));
    }
    if json {
        tell_others(&router, &others);
        let (lab, snapshot) = (topology.name.as_str(), source.sample()?);
        print_json(&Watched { lab, router: router.name(), snapshot })?;
    } else if args.once || !live::is_interactive() {
        let frame = live::one_frame(&title, &mut source, terminal::width())?;
        print_text(&frame)?;
    } else {
        let interrupt = Interrupt::watch()?;
        live::watch(&title, &mut source, live::Area::Whole, || interrupt.requested())?;
    }
    Ok(())
}
