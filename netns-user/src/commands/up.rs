//! `netns up [FILE]`

use std::process::ExitCode;

use anyhow::Context;
use nix::sys::{
    signal::{SigSet, Signal},
    signalfd::{SfdFlags, SignalFd},
};
use serde_json::json;

use super::{Steps, print, read_topology};
use crate::{
    cli::UpArgs,
    lab::{self, UpOutcome},
    topology::Topology,
};

/// What a shell adds to the number of the signal that ended a program.
const SIGNALLED: u32 = 128;

/// Builds the lab of a file, or the lecture's.
///
/// # Errors
/// As [`lab::up`], and when the file cannot be read or is faulty.
pub fn run(args: &UpArgs, json: bool) -> anyhow::Result<ExitCode> {
    let topology = match &args.file {
        Some(file) => read_topology(file)?,
        None => Topology::lecture(),
    };
    let signals = HeldSignals::hold()?;
    let steps = Steps::new();
    let outcome = lab::up(&topology, &steps)?;
    drop(steps);
    let name = &topology.name;
    let (word, text) = match outcome {
        UpOutcome::Built => {
            if let Some(signal) = signals.arrived()? {
                lab::down(name)?;
                anstream::eprintln!("interrupted: lab \"{name}\" is taken down again");
                return Ok(ExitCode::from(u8::try_from(SIGNALLED + signal).unwrap_or(u8::MAX)));
            }
            ("built", format!("lab \"{name}\" is up\n"))
        }
        UpOutcome::AlreadyUp => {
            ("already-up", format!("lab \"{name}\" is up already: nothing to do\n"))
        }
    };
    print(json, &json!({ "lab": name, "outcome": word }), |_| text)?;
    Ok(ExitCode::SUCCESS)
}

/// Ctrl-C and the like, held back: half-way through, they would leave half a lab.
struct HeldSignals(SignalFd);

impl HeldSignals {
    /// Threads that are started later hold them back too.
    fn hold() -> anyhow::Result<Self> {
        let signals: SigSet =
            [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP].into_iter().collect();
        signals.thread_block().context("cannot hold signals back")?;
        let queue = SignalFd::with_flags(&signals, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)
            .context("cannot listen for signals")?;
        Ok(Self(queue))
    }

    /// The number of the signal that arrived meanwhile, if one did.
    fn arrived(&self) -> anyhow::Result<Option<u32>> {
        let signal = self.0.read_signal().context("cannot ask for signals")?;
        Ok(signal.map(|signal| signal.ssi_signo))
    }
}
