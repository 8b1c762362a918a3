//! The machine: finds or downloads qemu, and makes the command that starts a guest.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use super::{
    archive,
    initramfs::{self, File},
    kernel_modules,
    kernels::{self, Kernel},
};
use crate::{
    architecture::Architecture,
    packages::find_program,
    workspace::{Workspace, output_of},
};

/// qemu for an architecture: its package, its program, the machine that it plays with its
/// processor, and the console of that.
#[derive(Debug)]
struct Qemu {
    package: &'static str,
    program: &'static str,
    machine: &'static str,
    console: &'static str,
}

impl Qemu {
    const fn of(architecture: Architecture) -> Self {
        match architecture {
            Architecture::X86_64 => Self {
                package: "qemu-system-x86",
                program: "qemu-system-x86_64",
                machine: "q35",
                console: "ttyS0",
            },
            Architecture::Aarch64 => Self {
                package: "qemu-system-arm",
                program: "qemu-system-aarch64",
                machine: "virt",
                console: "ttyAMA0",
            },
        }
    }
}

/// The folders of libraries and firmware in Debian's packages.
const LIBRARIES: [&str; 2] = ["usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu"];
const FIRMWARE: [&str; 2] = ["usr/share/qemu", "usr/share/seabios"];

/// The memory of a machine: its files, the verifier and two hundred namespaces need room.
const MEGABYTES: &str = "1536";

/// The clock of a guest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Clock {
    /// That of this machine. The guest has two CPUs.
    Real,
    /// A nanosecond is an instruction of the guest, which has one CPU. While the CPU is idle, the
    /// clock jumps to the next timer. The guest begins at the same date each time, and gets the
    /// same random numbers.
    Instructions,
}

/// The kernel, the files and the first process of a virtual machine.
#[derive(Debug)]
pub(crate) struct Guest<'a> {
    pub(crate) kernel: Kernel,
    /// The first process, a static program.
    pub(crate) init: &'a Path,
    /// The arguments of the first process, separated by blanks.
    pub(crate) arguments: &'a str,
    /// The variables of its environment: `NAME=VALUE`, separated by blanks.
    pub(crate) environment: &'a str,
    /// Further files.
    pub(crate) files: Vec<File>,
    /// Kernel modules beside those that labs use.
    pub(crate) modules: &'a [&'a str],
    pub(crate) clock: Clock,
}

/// Virtual machines without their kernels.
#[derive(Debug)]
pub(crate) struct Machine {
    architecture: Architecture,
    folder: PathBuf,
    /// The folder with the unpacked packages of qemu, if it is not installed.
    unpacked_qemu: Option<PathBuf>,
}

impl Machine {
    /// Finds qemu for an architecture, or downloads it and says so first.
    pub(crate) fn ensure(workspace: &Workspace, architecture: Architecture) -> Result<Self> {
        if Architecture::here() != Some(Architecture::X86_64) {
            bail!(
                "virtual machines run on x86-64 only: `cargo xtask verify --here` and \
                 `cargo xtask bench` without --icount need none"
            );
        }
        let folder = workspace.target().join("virtual-machines");
        let Qemu { package, program, .. } = Qemu::of(architecture);
        let unpacked_qemu = if find_program(program).is_some() {
            None
        } else {
            let unpacked = folder.join(package);
            if !unpacked.is_dir() {
                download_qemu(&folder, package, &unpacked)?;
            }
            Some(unpacked)
        };
        Ok(Self { architecture, folder, unpacked_qemu })
    }

    /// The command that starts a guest. Its console is standard output.
    ///
    /// # Errors
    /// When its kernel cannot be downloaded, or one of its files cannot be read or written.
    pub(crate) fn command(&self, guest: &Guest<'_>) -> Result<Command> {
        let kernel = kernels::ensure(&self.folder, guest.kernel, self.architecture)?;
        let read =
            |path: &Path| fs::read(path).with_context(|| format!("cannot read {}", path.display()));
        let mut files = vec![File::program("/init", read(guest.init)?)];
        files.extend(guest.files.iter().cloned());
        let modules = kernel_modules::find(&kernel.modules, guest.modules)?;
        // Loaded in the order of their names.
        files.extend(modules.into_iter().enumerate().map(|(number, module)| {
            File::program(&format!("/modules/{number:03}-{}.ko", module.name), module.bytes)
        }));
        // Two commands that run at the same time have different first processes.
        let mut image = self.folder.join("initramfs-").into_os_string();
        image.push(guest.init.file_name().unwrap_or_default());
        let image = PathBuf::from(image);
        initramfs::write(&image, &files)?;
        let qemu = Qemu::of(self.architecture);
        let mut command = self.start(qemu.program);
        // The kernel's check of the timer fails on a busy host. Mitigations of faults that an
        // emulated processor does not have would only cost time. The kernel passes the variables
        // and the arguments on to the first process.
        let kernel_line = format!(
            "console={} quiet panic=-1 no_timer_check mitigations=off {} -- {}",
            qemu.console, guest.environment, guest.arguments
        );
        // Always emulated, which takes only minutes: on a nested host, /dev/kvm may exist and fail
        // later, and then qemu does not fall back.
        match guest.clock {
            Clock::Real => command.args(["-accel", "tcg", "-smp", "2"]),
            Clock::Instructions => command
                .args(["-accel", "tcg,thread=single", "-smp", "1"])
                .args(["-icount", "shift=0,sleep=off"])
                .args(["-rtc", "base=2026-01-01,clock=vm", "-seed", "1"]),
        };
        command
            .args(["-cpu", "max", "-machine", qemu.machine, "-m", MEGABYTES])
            .args(["-nodefaults", "-no-reboot"])
            // With `-nographic` the firmware would write to the serial port too.
            .args(["-display", "none", "-serial", "stdio", "-append", &kernel_line, "-kernel"])
            .arg(kernel.image)
            .arg("-initrd")
            .arg(image);
        Ok(command)
    }

    /// The command of an installed or unpacked qemu.
    fn start(&self, program: &str) -> Command {
        match &self.unpacked_qemu {
            None => Command::new(program),
            Some(root) => {
                let mut command = Command::new(root.join("usr/bin").join(program));
                let libraries = LIBRARIES.map(|folder| root.join(folder));
                // Joining fails only if the target folder has a colon in its name; then qemu
                // reports the missing libraries.
                command.env("LD_LIBRARY_PATH", env::join_paths(libraries).unwrap_or_default());
                for folder in FIRMWARE {
                    command.arg("-L").arg(root.join(folder));
                }
                command
            }
        }
    }
}

/// Downloads and unpacks qemu and its libraries that are not installed.
fn download_qemu(folder: &Path, package: &str, qemu: &Path) -> Result<()> {
    archive::require_apt()?;
    let plan = output_of(Command::new("apt-get").args([
        "install",
        "--simulate",
        "--no-install-recommends",
        package,
    ]))?;
    let plan = String::from_utf8_lossy(&plan).into_owned();
    let packages: Vec<_> = plan
        .lines()
        .filter_map(|line| line.strip_prefix("Inst ")?.split(' ').next())
        .map(str::to_owned)
        .collect();
    archive::download(&Command::new("apt-get"), folder, &packages, qemu, "qemu")
}
