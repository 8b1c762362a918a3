//! Debian's kernels: selects, downloads and finds them.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result, bail};
use clap::ValueEnum as _;

use super::archive::{self, Archive};
use crate::architecture::Architecture;

/// A kernel by the first two numbers of its release.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Kernel {
    /// That of Debian 13.
    #[value(name = "6.12")]
    V6_12,
    /// The newest of Debian's backports.
    #[value(name = "7.3")]
    V7_3,
}

impl Kernel {
    /// The numbers as text.
    pub(crate) fn numbers(self) -> String {
        // No variant is hidden, so each has a value.
        self.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
    }
}

/// The number of a kernel: its release, as uname(2) has it, without the distribution's part.
pub(crate) fn number_of(release: &str) -> &str {
    release.split(['-', '+']).next().unwrap_or(release)
}

/// The files of an unpacked kernel.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Files {
    pub(super) image: PathBuf,
    /// The folder of the modules.
    pub(super) modules: PathBuf,
}

/// Until Linux 6.18, one package has image and modules. From 6.19 on, `linux-binary-*` has the
/// image, and `linux-image-*` depends on it and on `linux-modules-*`.
const PACKAGES: [&str; 3] = ["linux-image-", "linux-binary-", "linux-modules-"];

/// Finds a kernel in the folder of the virtual machines, or downloads its newest release.
pub(super) fn ensure(folder: &Path, kernel: Kernel, architecture: Architecture) -> Result<Files> {
    let numbers = kernel.numbers();
    // Kernels for virtual machines: smaller than the others, with all modules that labs use.
    let flavour = format!("-cloud-{}", architecture.debian());
    let of_architecture = match architecture {
        Architecture::X86_64 => String::new(),
        Architecture::Aarch64 => "-arm64".to_owned(),
    };
    let unpacked = folder.join(format!("kernel-{numbers}{of_architecture}"));
    if let Some(files) = find(&unpacked)? {
        return Ok(files);
    }
    let archive = Archive::open(&folder.join(format!("apt{of_architecture}")), architecture)?;
    let pattern = format!("^({}){}.*{flavour}$", PACKAGES.join("|"), numbers.replace('.', "\\."));
    let found = archive.search(&pattern)?;
    let packages = newest(&numbers, &flavour, &found);
    if packages.is_empty() {
        bail!(
            "Debian's archive has no package of Linux {numbers} ({}*{flavour}): use another with \
             `--kernel`",
            PACKAGES[0]
        );
    }
    let what = format!("Debian's Linux {numbers}");
    archive::download(&archive.apt_get(), folder, &packages, &unpacked, &what)?;
    find(&unpacked)?.with_context(|| {
        format!("the packages of Linux {numbers} ({}) lack the kernel", packages.join(" "))
    })
}

/// The packages of the newest release with these first numbers; none if there is no such release.
fn newest(numbers: &str, flavour: &str, names: &[String]) -> Vec<String> {
    let release_of = |name: &str| -> Option<String> {
        let rest = PACKAGES.iter().find_map(|package| name.strip_prefix(package))?;
        Some(rest.strip_suffix(flavour)?.to_owned())
    };
    // The number of a stable release; 0 for the first one, and for candidates of that.
    let number_of = |release: &str| -> Option<u32> {
        let number = release.split('+').next()?.strip_prefix(numbers)?;
        if number.is_empty() { Some(0) } else { number.strip_prefix('.')?.parse().ok() }
    };
    let releases = names.iter().filter_map(|name| release_of(name));
    let newest = releases
        .filter_map(|release| Some((number_of(&release)?, release)))
        .max()
        .map(|(_, release)| release);
    let is_of_newest = |name: &&String| newest.is_some() && release_of(name) == newest;
    names.iter().filter(is_of_newest).cloned().collect()
}

/// The kernel in the folder of its unpacked packages.
fn find(unpacked: &Path) -> Result<Option<Files>> {
    let modules = ["usr/lib/modules", "lib/modules"].map(|folder| unpacked.join(folder));
    let Some(modules) = modules.iter().find_map(|folder| first_in(folder, |_| true).transpose())
    else {
        return Ok(None);
    };
    let modules = modules?;
    let beside_modules = modules.join("vmlinuz");
    let image = if beside_modules.is_file() {
        Some(beside_modules)
    } else {
        first_in(&unpacked.join("boot"), |name| name.starts_with("vmlinuz-"))?
    };
    Ok(image.map(|image| Files { image, modules }))
}

/// The first entry of a folder with such a name; `None` if there is none, or no folder.
fn first_in(folder: &Path, is_wanted: impl Fn(&str) -> bool) -> Result<Option<PathBuf>> {
    if !folder.is_dir() {
        return Ok(None);
    }
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()));
    for entry in entries? {
        let entry = entry?;
        if is_wanted(&entry.file_name().to_string_lossy()) {
            return Ok(Some(entry.path()));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chosen(numbers: &str, names: &[&str]) -> Vec<String> {
        let names: Vec<_> = names.iter().map(|&name| name.to_owned()).collect();
        newest(numbers, "-cloud-amd64", &names)
    }

    #[test]
    fn the_newest_release_is_the_one_with_the_highest_number() {
        let names = [
            "linux-image-6.12.9+deb13-cloud-amd64",
            "linux-image-6.12.117+deb13-cloud-amd64",
            "linux-image-6.12.118+deb13-cloud-amd64-unsigned",
            "linux-image-6.12.119+deb13-amd64",
            "linux-image-6.120.1+deb13-cloud-amd64",
            "linux-image-6.1.0-56-cloud-amd64",
        ];
        assert_eq!(chosen("6.12", &names), ["linux-image-6.12.117+deb13-cloud-amd64"]);
        assert!(chosen("6.13", &names).is_empty());
        assert!(chosen("6.1", &names).is_empty(), "6.1.0-56 is not a release of kernel.org");
    }

    #[test]
    fn all_packages_of_a_split_kernel_are_taken() {
        let names = [
            "linux-binary-7.3-cloud-amd64",
            "linux-modules-7.3-cloud-amd64",
            "linux-binary-7.3.4+deb13-cloud-amd64",
            "linux-image-7.3.4+deb13-cloud-amd64",
            "linux-modules-7.3.3+deb13-cloud-amd64",
            "linux-modules-7.3.4+deb13-cloud-amd64",
        ];
        let all = ["binary", "image", "modules"]
            .map(|part| format!("linux-{part}-7.3.4+deb13-cloud-amd64"));
        assert_eq!(chosen("7.3", &names), all);
        assert_eq!(chosen("7.3", &names[..2]), names[..2]);
    }

    #[test]
    fn image_and_modules_are_found_in_both_layouts_of_packages() {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path();
        assert_eq!(find(root).expect("readable"), None);
        let modules = root.join("usr/lib/modules/7.3.4");
        fs::create_dir_all(&modules).expect("a folder");
        assert_eq!(find(root).expect("readable"), None, "an image is missing");
        fs::create_dir(root.join("boot")).expect("a folder");
        for name in ["config-6.12", "vmlinuz-6.12"] {
            fs::write(root.join("boot").join(name), "").expect("a file");
        }
        let in_boot = Files { image: root.join("boot/vmlinuz-6.12"), modules: modules.clone() };
        assert_eq!(find(root).expect("readable"), Some(in_boot));
        fs::write(modules.join("vmlinuz"), "").expect("a file");
        let beside = Files { image: modules.join("vmlinuz"), modules };
        assert_eq!(find(root).expect("readable"), Some(beside));
    }
}
