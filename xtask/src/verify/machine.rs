//! A virtual machine with an older kernel: finds or downloads qemu and that kernel.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use crate::{
    packages::find_program,
    step,
    workspace::{Workspace, output_of},
};

/// The kernel packages in Debian's archive have a number between these two parts.
const KERNEL: &str = "linux-image-6.1.0-";
const FLAVOUR: &str = "-cloud-amd64";

const QEMU_PACKAGE: &str = "qemu-system-x86";
const QEMU: &str = "qemu-system-x86_64";

/// The folders of libraries and firmware in Debian's packages.
const LIBRARIES: [&str; 2] = ["usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu"];
const FIRMWARE: [&str; 2] = ["usr/share/qemu", "usr/share/seabios"];

/// The memory of the machine. The program alone has 20 MB, and the verifier needs room too.
const MEGABYTES: &str = "1024";

/// The files of the virtual machine.
#[derive(Debug)]
pub(super) struct Machine {
    folder: PathBuf,
    kernel: PathBuf,
    /// The folder with the unpacked packages of qemu, if it is not installed.
    unpacked_qemu: Option<PathBuf>,
}

impl Machine {
    /// Finds the kernel and qemu, or downloads them and says so first.
    pub(super) fn ensure(workspace: &Workspace) -> Result<Self> {
        if env::consts::ARCH != "x86_64" {
            bail!("the older kernel is for x86-64 only: use `cargo xtask verify --here`");
        }
        let folder = workspace.target().join("verify");
        let kernel = match find_kernel(&folder.join("kernel"))? {
            Some(kernel) => kernel,
            None => download_kernel(&folder)?,
        };
        let unpacked_qemu = if find_program(QEMU).is_some() {
            None
        } else {
            let qemu = folder.join("qemu");
            if !qemu.is_dir() {
                download_qemu(&folder, &qemu)?;
            }
            Some(qemu)
        };
        Ok(Self { folder, kernel, unpacked_qemu })
    }

    /// The folder of its files.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The command that starts it with this file system. Its console is standard output.
    pub(super) fn command(&self, initramfs: &Path) -> Command {
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
        command
            // Always emulated, which takes only seconds: on a nested host, /dev/kvm may exist and
            // fail later, and then qemu does not fall back.
            .args(["-accel", "tcg", "-cpu", "max", "-machine", "q35"])
            .args(["-smp", "2", "-m", MEGABYTES, "-nodefaults", "-nographic", "-no-reboot"])
            .args(["-serial", "stdio", "-append", "console=ttyS0 quiet panic=-1", "-kernel"])
            .arg(&self.kernel)
            .arg("-initrd")
            .arg(initramfs);
        command
    }
}

/// The kernel in the folder of its unpacked package.
fn find_kernel(folder: &Path) -> Result<Option<PathBuf>> {
    let boot = folder.join("boot");
    if !boot.is_dir() {
        return Ok(None);
    }
    for entry in fs::read_dir(&boot)? {
        let path = entry?.path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("vmlinuz-")) {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

fn download_kernel(folder: &Path) -> Result<PathBuf> {
    require_apt()?;
    let pattern = format!("^{KERNEL}[0-9]+{FLAVOUR}$");
    let found = output_of(Command::new("apt-cache").args(["search", "--names-only", &pattern]))?;
    let found = String::from_utf8_lossy(&found).into_owned();
    let newest = newest_kernel(&found).with_context(|| {
        format!(
            "apt has no package {KERNEL}*{FLAVOUR}, which is in Debian 12: use \
             `cargo xtask verify --here`, which does not need it"
        )
    })?;
    let kernel = folder.join("kernel");
    download(folder, &[newest.to_owned()], &kernel, "Debian's Linux 6.1")?;
    find_kernel(&kernel)?.with_context(|| format!("there is no kernel in the package {newest}"))
}

/// The package with the highest number among lines of `apt-cache search`.
fn newest_kernel(found: &str) -> Option<&str> {
    let number = |name: &str| -> Option<u32> {
        name.strip_prefix(KERNEL)?.strip_suffix(FLAVOUR)?.parse().ok()
    };
    let names = found.lines().filter_map(|line| line.split(' ').next());
    names.filter(|name| number(name).is_some()).max_by_key(|name| number(name))
}

/// Downloads and unpacks qemu and its libraries that are not installed.
fn download_qemu(folder: &Path, qemu: &Path) -> Result<()> {
    require_apt()?;
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
    download(folder, &packages, qemu, "qemu")
}

/// Downloads packages and unpacks them into a folder, completely or not at all.
fn download(folder: &Path, packages: &[String], into: &Path, what: &str) -> Result<()> {
    let archives = folder.join("packages");
    let unfinished = into.with_extension("unfinished");
    for folder in [&archives, &unfinished] {
        if folder.exists() {
            fs::remove_dir_all(folder)
                .with_context(|| format!("cannot remove {}", folder.display()))?;
        }
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    let what = format!("verify: downloading {what} ({})", packages.join(" "));
    step::run(
        &what,
        Command::new("apt-get").arg("download").args(packages).current_dir(&archives),
    )?;
    for entry in fs::read_dir(&archives)? {
        output_of(Command::new("dpkg-deb").arg("-x").arg(entry?.path()).arg(&unfinished))?;
    }
    fs::remove_dir_all(&archives)?;
    fs::rename(&unfinished, into).with_context(|| format!("cannot make {}", into.display()))
}

fn require_apt() -> Result<()> {
    if find_program("apt-get").is_none() || find_program("dpkg-deb").is_none() {
        bail!(
            "the older kernel is a Debian package, and apt-get is not installed: use \
             `cargo xtask verify --here`, which does not need it"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::newest_kernel;

    #[test]
    fn the_newest_kernel_is_the_one_with_the_highest_number() {
        let found = "linux-image-6.1.0-9-cloud-amd64 - Linux 6.1 for x86-64 cloud (signed)\n\
                     linux-image-6.1.0-56-cloud-amd64 - Linux 6.1 for x86-64 cloud (signed)\n\
                     linux-image-6.1.0-56-cloud-amd64-unsigned - Linux 6.1\n\
                     linux-image-6.12.0-99-cloud-amd64 - Linux 6.12\n";
        assert_eq!(newest_kernel(found), Some("linux-image-6.1.0-56-cloud-amd64"));
        assert_eq!(newest_kernel(""), None);
    }
}
