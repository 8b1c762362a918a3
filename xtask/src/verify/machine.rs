//! The virtual machines of the other kernels: finds or downloads qemu.

use std::{
    env,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Result, bail};

use super::{archive, initramfs::NETNS};
use crate::{
    packages::find_program,
    workspace::{Workspace, output_of},
};

const QEMU_PACKAGE: &str = "qemu-system-x86";
const QEMU: &str = "qemu-system-x86_64";

/// The folders of libraries and firmware in Debian's packages.
const LIBRARIES: [&str; 2] = ["usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu"];
const FIRMWARE: [&str; 2] = ["usr/share/qemu", "usr/share/seabios"];

/// The memory of a machine: its files, the verifier and two hundred namespaces need room.
const MEGABYTES: &str = "1536";

/// What virtual machines are made of, but for their kernels.
#[derive(Debug)]
pub(super) struct Machine {
    folder: PathBuf,
    /// The folder with the unpacked packages of qemu, if it is not installed.
    unpacked_qemu: Option<PathBuf>,
}

impl Machine {
    /// Finds qemu, or downloads it and says so first.
    pub(super) fn ensure(workspace: &Workspace) -> Result<Self> {
        if env::consts::ARCH != "x86_64" {
            bail!("the other kernels are for x86-64 only: use `cargo xtask verify --here`");
        }
        let folder = workspace.target().join("verify");
        let unpacked_qemu = if find_program(QEMU).is_some() {
            None
        } else {
            let qemu = folder.join("qemu");
            if !qemu.is_dir() {
                download_qemu(&folder, &qemu)?;
            }
            Some(qemu)
        };
        Ok(Self { folder, unpacked_qemu })
    }

    /// The folder of its files.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The command that starts a machine with this kernel and file system. Its console is standard
    /// output.
    pub(super) fn command(&self, kernel: &Path, initramfs: &Path) -> Command {
        let mut command = match &self.unpacked_qemu {
            None => Command::new(QEMU),
            Some(root) => {
                let mut command = Command::new(root.join("usr/bin").join(QEMU));
                let libraries = LIBRARIES.map(|folder| root.join(folder));
                // Joining fails only if the target folder has a colon in its name; then qemu
                // reports the missing libraries.
                command.env("LD_LIBRARY_PATH", env::join_paths(libraries).unwrap_or_default());
                for folder in FIRMWARE {
                    command.arg("-L").arg(root.join(folder));
                }
                command
            }
        };
        // The kernel's check of the timer fails on a busy host. Mitigations of faults that an
        // emulated processor does not have would only cost time. The kernel passes the variable on
        // to the first process.
        let kernel_line = format!(
            "console=ttyS0 quiet panic=-1 no_timer_check mitigations=off NETNS_BIN={NETNS}"
        );
        command
            // Always emulated, which takes only minutes: on a nested host, /dev/kvm may exist and
            // fail later, and then qemu does not fall back.
            .args(["-accel", "tcg", "-cpu", "max", "-machine", "q35"])
            .args(["-smp", "2", "-m", MEGABYTES, "-nodefaults", "-no-reboot"])
            // With `-nographic` the firmware would write to the serial port too.
            .args(["-display", "none", "-serial", "stdio", "-append", &kernel_line, "-kernel"])
            .arg(kernel)
            .arg("-initrd")
            .arg(initramfs);
        command
    }
}

/// Downloads and unpacks qemu and its libraries that are not installed.
fn download_qemu(folder: &Path, qemu: &Path) -> Result<()> {
    archive::require_apt()?;
    let plan = output_of(Command::new("apt-get").args([
        "install",
        "--simulate",
        "--no-install-recommends",
        QEMU_PACKAGE,
    ]))?;
    let plan = String::from_utf8_lossy(&plan).into_owned();
    let packages: Vec<_> = plan
        .lines()
        .filter_map(|line| line.strip_prefix("Inst ")?.split(' ').next())
        .map(str::to_owned)
        .collect();
    archive::download(&Command::new("apt-get"), folder, &packages, qemu, "qemu")
}
