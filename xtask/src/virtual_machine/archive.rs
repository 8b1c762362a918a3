//! Debian's archive: finds, downloads and unpacks packages without installing any. The lists of the
//! suites that the machine itself does not use are kept apart from the machine's own.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use crate::{architecture::Architecture, packages::find_program, step, workspace::output_of};

/// The suites that have the kernels.
const SUITES: [&str; 4] = ["trixie", "trixie-backports", "sid", "experimental"];

/// The archive, unless the machine's own sources name a mirror.
const ARCHIVE: &str = "http://deb.debian.org/debian/";

const KEYRING: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// The suites' lists in a folder.
#[derive(Debug)]
pub(super) struct Archive {
    options: Vec<String>,
}

impl Archive {
    /// Downloads the lists for an architecture to this folder.
    pub(super) fn open(folder: &Path, architecture: Architecture) -> Result<Self> {
        require_apt()?;
        if !Path::new(KEYRING).is_file() {
            bail!("{KEYRING} is missing: install the package debian-archive-keyring");
        }
        let folder = std::path::absolute(folder)?;
        let at = |name: &str| folder.join(name).display().to_string();
        for name in ["state", "lists/partial", "cache/archives/partial"] {
            fs::create_dir_all(at(name)).with_context(|| format!("cannot make {}", at(name)))?;
        }
        let (sources, status) = (at("sources.list"), at("status"));
        for (path, text) in [(&sources, lines(&own_mirror())), (&status, String::new())] {
            fs::write(path, text).with_context(|| format!("cannot write {path}"))?;
        }
        let options = [
            ("APT::Architecture", architecture.debian()),
            ("APT::Architectures", architecture.debian()),
            ("Dir::Etc::SourceList", sources.as_str()),
            // A folder of further sources that does not exist.
            ("Dir::Etc::SourceParts", "-"),
            ("Dir::State", &at("state")),
            ("Dir::State::Lists", &at("lists")),
            ("Dir::State::Status", &status),
            ("Dir::Cache", &at("cache")),
            // apt-get's own user may not read the folder.
            ("APT::Sandbox::User", "root"),
            // Neither translations nor metadata of applications.
            ("Acquire::Languages", "none"),
            ("Acquire::IndexTargets::deb::DEP-11::DefaultEnabled", "false"),
        ];
        let options = options.map(|(name, value)| format!("{name}={value}"));
        let options = options.into_iter().flat_map(|option| ["-o".to_owned(), option]).collect();
        let archive = Self { options };
        let what = format!("virtual machine: reading the lists of Debian's {}", SUITES.join(", "));
        step::run(&what, archive.apt_get().arg("update"))?;
        Ok(archive)
    }

    /// `apt-get` with these lists.
    pub(super) fn apt_get(&self) -> Command {
        let mut command = Command::new("apt-get");
        command.args(&self.options);
        command
    }

    /// The names of the packages that match a regular expression.
    pub(super) fn search(&self, pattern: &str) -> Result<Vec<String>> {
        let mut command = Command::new("apt-cache");
        command.args(&self.options).args(["search", "--names-only", pattern]);
        let found = output_of(&mut command)?;
        let found = String::from_utf8_lossy(&found).into_owned();
        let name = |line: &str| line.split(' ').next().map(str::to_owned);
        Ok(found.lines().filter_map(name).collect())
    }
}

/// The lines of a sources.list.
fn lines(mirror: &str) -> String {
    SUITES.map(|suite| format!("deb [signed-by={KEYRING}] {mirror} {suite} main\n")).concat()
}

/// The mirror that the machine uses, if it uses Debian; otherwise the archive itself.
fn own_mirror() -> String {
    let mut command = Command::new("apt-get");
    command.args(["indextargets", "--format", "$(ORIGIN) $(RELEASE) $(REPO_URI)"]);
    // A machine without lists has none to tell of.
    let targets = output_of(command.arg("Created-By: Packages")).unwrap_or_default();
    let targets = String::from_utf8_lossy(&targets).into_owned();
    mirror_in(&targets).unwrap_or(ARCHIVE).to_owned()
}

/// The first mirror of Debian's archive among lines with origin, release and address. That of
/// security updates has other suites.
fn mirror_in(targets: &str) -> Option<&str> {
    targets.lines().find_map(|line| {
        let mut words = line.split(' ');
        let (origin, release, address) = (words.next()?, words.next()?, words.next()?);
        (origin == "Debian" && !release.ends_with("-security")).then_some(address)
    })
}

/// Downloads packages and unpacks them into a folder, completely or not at all. `apt_get` is the
/// command with its options.
pub(super) fn download(
    apt_get: &Command,
    folder: &Path,
    packages: &[String],
    into: &Path,
    what: &str,
) -> Result<()> {
    let archives = folder.join("packages");
    let mut unfinished = into.as_os_str().to_owned();
    unfinished.push(".unfinished");
    let unfinished = PathBuf::from(unfinished);
    for folder in [&archives, &unfinished] {
        if folder.exists() {
            fs::remove_dir_all(folder)
                .with_context(|| format!("cannot remove {}", folder.display()))?;
        }
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    let what = format!("virtual machine: downloading {what} ({})", packages.join(" "));
    let mut command = Command::new(apt_get.get_program());
    command.args(apt_get.get_args()).arg("download").args(packages);
    step::run(&what, command.current_dir(&archives))?;
    for entry in fs::read_dir(&archives)? {
        output_of(Command::new("dpkg-deb").arg("-x").arg(entry?.path()).arg(&unfinished))?;
    }
    fs::remove_dir_all(&archives)?;
    fs::rename(&unfinished, into).with_context(|| format!("cannot make {}", into.display()))
}

/// Fails unless packages of Debian can be downloaded and unpacked.
pub(super) fn require_apt() -> Result<()> {
    if find_program("apt-get").is_none() || find_program("dpkg-deb").is_none() {
        bail!(
            "virtual machines use packages of Debian, and apt-get is not installed: \
             `cargo xtask verify --here` and `cargo xtask bench` without --icount need none"
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::{lines, mirror_in};

    #[test]
    fn the_mirror_of_the_machine_is_used_if_it_has_debian() {
        let ubuntu = "Ubuntu noble http://archive.ubuntu.com/ubuntu/\n";
        assert_eq!(mirror_in(ubuntu), None);
        let debian = "\nDebian bookworm-security http://mirror/debian-security/\n\
                      Debian bookworm http://mirror/debian/\n\
                      Debian trixie http://other/debian/\n";
        assert_eq!(mirror_in(&format!("{ubuntu}{debian}")), Some("http://mirror/debian/"));
    }

    #[test]
    fn each_suite_is_a_line_that_names_the_keyring() {
        let lines = lines("http://mirror/debian/");
        assert!(lines.starts_with("deb [signed-by=/usr/share/keyrings/"), "{lines}");
        assert!(lines.contains("] http://mirror/debian/ trixie main\n"), "{lines}");
    }
}
