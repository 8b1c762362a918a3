//! `cargo xtask verify`: loads the eBPF programs into this kernel and into an older one in a
//! virtual machine, and shows the cost of verification.

use std::{
    io::{BufRead as _, BufReader},
    process::{Command, ExitCode, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

use crate::{
    build::Profile,
    dist, ebpf_object, root,
    workspace::{EVERY_HOST_CRATE, Workspace, check},
};

mod initramfs;
mod machine;

use machine::Machine;

/// The program that loads the programs, and its package.
const PACKAGE: &str = "netns-bench";
const PROGRAM: &str = "netns-verify";

/// A test of the package `netns-tests`: any would do, and this is a small one.
const SOME_TEST: &str = "cli_help";

/// Its last line if every program is accepted.
const ACCEPTED: &str = "verify: every program is accepted";

/// The time limit of the virtual machine. Emulated on a busy host, it needs about 20 s.
const PATIENCE: Duration = Duration::from_secs(300);

#[derive(Clone, Copy, Debug, Default, clap::Args)]
#[command(after_help = "\
The older kernel is Debian's 6.1. Its package, and those of qemu if that is not installed, are
downloaded with apt-get and unpacked in target/verify; nothing is installed. The virtual machine has
no disk and no network, and needs no privileges.")]
pub(crate) struct Args {
    /// Use only the running kernel
    #[arg(long)]
    here: bool,
}

pub(crate) fn run(workspace: &Workspace, args: Args) -> Result<ExitCode> {
    root::ensure("cargo xtask verify (it loads eBPF programs)")?;
    ebpf_object::ensure(workspace)?;
    let mut build = workspace.cargo("build");
    // With a test as a target, cargo selects the same features as for the other tests.
    check(build.args(EVERY_HOST_CRATE).args(["--bins", "--test", SOME_TEST]))?;
    check(&mut root::command(workspace.target().join("debug").join(PROGRAM), []))?;
    if args.here {
        return Ok(ExitCode::SUCCESS);
    }
    let machine = Machine::ensure(workspace)?;
    let init = dist::build_static(workspace, Profile::Debug, PACKAGE, PROGRAM)?;
    let image = machine.folder().join("initramfs");
    initramfs::write(&image, &init)?;
    println!();
    boot(machine.command(&image))?;
    Ok(ExitCode::SUCCESS)
}

/// Runs the virtual machine and prints the output of its only process.
fn boot(mut machine: Command) -> Result<()> {
    let begin = Instant::now();
    let mut child = machine
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot start the virtual machine")?;
    let output = child.stdout.take().context("the virtual machine has no console")?;
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(output).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
    });
    let mut accepted = false;
    let mut said_any = false;
    let timed_out = loop {
        match lines.recv_timeout(PATIENCE.saturating_sub(begin.elapsed())) {
            Ok(line) => {
                let line = without_firmware(&line);
                said_any |= line.starts_with("Linux ");
                if said_any {
                    println!("{}", line.trim_end());
                }
                accepted |= line.trim_end() == ACCEPTED;
            }
            Err(mpsc::RecvTimeoutError::Disconnected) => break false,
            Err(mpsc::RecvTimeoutError::Timeout) => break true,
        }
    };
    if timed_out {
        // Fails if it has just ended by itself.
        let _ = child.kill();
    }
    child.wait()?;
    if timed_out {
        bail!("the virtual machine has not ended within {} s", PATIENCE.as_secs());
    }
    if !accepted {
        bail!("the older kernel refused a program, or the virtual machine failed before the end");
    }
    println!("verify: the virtual machine took {:.0} s", begin.elapsed().as_secs_f32());
    Ok(())
}

/// A line without the output of the firmware before it, which ends in escape sequences. The kernel
/// writes none.
fn without_firmware(line: &str) -> &str {
    let Some((_, rest)) = line.rsplit_once('\u{1b}') else { return line };
    rest.strip_prefix("[2J").or_else(|| rest.strip_prefix('c')).unwrap_or(rest)
}

#[cfg(test)]
mod tests {
    use super::without_firmware;

    #[test]
    fn the_output_of_the_firmware_is_removed_from_a_line() {
        assert_eq!(without_firmware("claim  31877"), "claim  31877");
        assert_eq!(without_firmware("\u{1b}c\u{1b}[2JLinux 6.1.0"), "Linux 6.1.0");
        assert_eq!(without_firmware("SeaBIOS\u{1b}cadmit 1532"), "admit 1532");
    }
}
