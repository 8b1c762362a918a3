//! The packages of the system: their programs, and how they are installed.

use std::{
    env,
    ffi::{OsStr, OsString},
    path::PathBuf,
    process::Command,
};

use anyhow::{Context as _, Result, bail};

use crate::{root, step};

/// The supported package managers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manager {
    Apt,
    Dnf,
    Pacman,
    Zypper,
    Apk,
}

impl Manager {
    const ALL: [Self; 5] = [Self::Apt, Self::Dnf, Self::Pacman, Self::Zypper, Self::Apk];

    fn program(self) -> &'static str {
        match self {
            Self::Apt => "apt-get",
            Self::Dnf => "dnf",
            Self::Pacman => "pacman",
            Self::Zypper => "zypper",
            Self::Apk => "apk",
        }
    }

    fn install_arguments(self) -> &'static [&'static str] {
        match self {
            // apt-get shall fail rather than remove another package.
            Self::Apt => &["install", "--yes", "--no-install-recommends", "--no-remove"],
            Self::Dnf => &["install", "--assumeyes"],
            Self::Pacman => &["--sync", "--noconfirm", "--needed"],
            Self::Zypper => &["--non-interactive", "install", "--no-recommends"],
            Self::Apk => &["add"],
        }
    }

    fn find() -> Option<Self> {
        Self::ALL.into_iter().find(|manager| find_program(manager.program()).is_some())
    }
}

/// A program that the tests call, and its package for each manager; `None` if no package is known
/// to have it. With one unknown name, dnf and pacman install nothing.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tool {
    program: &'static str,
    apt: Option<&'static str>,
    dnf: Option<&'static str>,
    pacman: Option<&'static str>,
    zypper: Option<&'static str>,
    apk: Option<&'static str>,
}

impl Tool {
    const fn same_everywhere(program: &'static str, package: &'static str) -> Self {
        let package = Some(package);
        Self { program, apt: package, dnf: package, pacman: package, zypper: package, apk: package }
    }

    const fn of_debian(program: &'static str, package: &'static str) -> Self {
        Self { program, apt: Some(package), dnf: None, pacman: None, zypper: None, apk: None }
    }

    pub(crate) const fn program(&self) -> &'static str {
        self.program
    }

    fn package(&self, manager: Manager) -> Option<&'static str> {
        match manager {
            Manager::Apt => self.apt,
            Manager::Dnf => self.dnf,
            Manager::Pacman => self.pacman,
            Manager::Zypper => self.zypper,
            Manager::Apk => self.apk,
        }
    }
}

/// The programs that the tests call. `netns` itself calls none of them.
pub(crate) const TEST_TOOLS: &[Tool] = &[
    Tool { apt: Some("iputils-ping"), ..Tool::same_everywhere("ping", "iputils") },
    Tool::same_everywhere("curl", "curl"),
    Tool::same_everywhere("tcpdump", "tcpdump"),
    Tool { zypper: Some("iperf"), ..Tool::same_everywhere("iperf3", "iperf3") },
    Tool { dnf: Some("iptables-nft"), ..Tool::same_everywhere("iptables-save", "iptables") },
    Tool {
        dnf: Some("iptables-nft"),
        zypper: None,
        ..Tool::same_everywhere("iptables-nft", "iptables")
    },
    Tool {
        dnf: Some("iptables-legacy"),
        apk: Some("iptables-legacy"),
        ..Tool::same_everywhere("iptables-legacy", "iptables")
    },
    Tool::same_everywhere("nft", "nftables"),
    Tool { pacman: Some("python"), ..Tool::same_everywhere("python3", "python3") },
    Tool { apk: None, ..Tool::same_everywhere("traceroute", "traceroute") },
    Tool { apt: Some("mtr-tiny"), ..Tool::same_everywhere("mtr", "mtr") },
    // Detects the type of the NAT.
    Tool::of_debian("stun", "stun-client"),
    Tool::same_everywhere("ethtool", "ethtool"),
    Tool { dnf: Some("iproute"), ..Tool::same_everywhere("ip", "iproute2") },
    Tool { dnf: Some("iproute"), ..Tool::same_everywhere("bridge", "iproute2") },
    Tool {
        apt: Some("procps"),
        zypper: Some("procps"),
        ..Tool::same_everywhere("ps", "procps-ng")
    },
    // Checks the units of docs/systemd. Alpine has no systemd.
    Tool { apk: None, ..Tool::same_everywhere("systemd-analyze", "systemd") },
    // Validates topology files with our schema.
    Tool {
        pacman: Some("python-jsonschema"),
        apk: Some("py3-jsonschema"),
        ..Tool::same_everywhere("jsonschema", "python3-jsonschema")
    },
    // Installs our package.
    Tool::same_everywhere("dpkg", "dpkg"),
    // Reads the graphs that the program writes for it.
    Tool::same_everywhere("dot", "graphviz"),
    // Start the program with fewer privileges.
    Tool { apk: Some("setpriv"), ..Tool::same_everywhere("setpriv", "util-linux") },
    Tool { apk: Some("util-linux-misc"), ..Tool::same_everywhere("unshare", "util-linux") },
    Tool {
        apt: Some("procps"),
        zypper: Some("procps"),
        ..Tool::same_everywhere("sysctl", "procps-ng")
    },
];

/// The programs that the benchmark calls.
pub(crate) fn bench_tools() -> Vec<Tool> {
    tools_of_tests(&["ip", "iptables-nft", "iptables-legacy", "nft", "ethtool", "iperf3"])
}

/// Those of the tests' programs with these names.
pub(crate) fn tools_of_tests(programs: &[&str]) -> Vec<Tool> {
    TEST_TOOLS.iter().filter(|tool| programs.contains(&tool.program)).copied().collect()
}

/// The compiler of the fuzzing engine, which is C++.
pub(crate) const FUZZ_TOOLS: &[Tool] = &[Tool {
    dnf: Some("gcc-c++"),
    pacman: Some("gcc"),
    zypper: Some("gcc-c++"),
    ..Tool::same_everywhere("c++", "g++")
}];

/// The program that counts instructions, and those that it needs for a lab.
pub(crate) const WEIGHT_TOOLS: &[Tool] = &[
    Tool::same_everywhere("valgrind", "valgrind"),
    Tool { dnf: Some("iproute"), ..Tool::same_everywhere("ip", "iproute2") },
    Tool { apk: Some("util-linux-misc"), ..Tool::same_everywhere("unshare", "util-linux") },
];

/// The program that decompresses the modules of other kernels.
pub(crate) const VERIFY_TOOLS: &[Tool] =
    &[Tool { apt: Some("xz-utils"), ..Tool::same_everywhere("xz", "xz") }];

/// PATH with the folders of system programs, which are missing in a user's PATH on some systems.
pub(crate) fn search_path() -> OsString {
    let path = env::var_os("PATH").unwrap_or_default();
    let system = ["/usr/sbin", "/sbin"].map(PathBuf::from);
    let folders: Vec<_> = env::split_paths(&path).collect();
    let missing = system.into_iter().filter(|folder| !folders.contains(folder));
    // Folders from PATH and two constants can always be joined.
    env::join_paths(folders.iter().cloned().chain(missing)).unwrap_or(path)
}

/// A program on that path.
pub(crate) fn find_program(program: &str) -> Option<PathBuf> {
    which::which_in(program, Some(search_path()), "/").ok()
}

/// Installs the packages of missing tools, and says so first.
pub(crate) fn ensure_tools(tools: &[Tool]) -> Result<()> {
    let missing = missing(tools);
    if missing.is_empty() {
        return Ok(());
    }
    let manager = Manager::find();
    let (packages, _) = sorted_out(&missing, manager);
    if let Some(manager) = manager.filter(|_| !packages.is_empty()) {
        install(manager, &packages)?;
    }
    let missing = self::missing(&missing);
    let lines: Vec<_> = missing.iter().map(|tool| reason(tool, manager)).collect();
    if lines.is_empty() {
        return Ok(());
    }
    bail!("programs are missing. Please install:\n  {}", lines.join("\n  "))
}

/// The steps of [`ensure_tools`] in words.
pub(crate) fn plan_of_tools(tools: &[Tool]) -> Result<Vec<String>> {
    let missing = missing(tools);
    let manager = Manager::find();
    let (packages, unknown) = sorted_out(&missing, manager);
    let mut plan = Vec::new();
    if let Some(manager) = manager.filter(|_| !packages.is_empty()) {
        plan.extend(plan_of_packages(manager, &packages)?);
    }
    plan.extend(unknown.iter().map(|tool| format!("ask you to install {}", reason(tool, manager))));
    Ok(plan)
}

/// The steps of installing Debian packages in words.
pub(crate) fn plan_of_debian(packages: &[&str]) -> Result<Vec<String>> {
    plan_of_packages(Manager::Apt, packages)
}

fn plan_of_packages(manager: Manager, packages: &[&str]) -> Result<Vec<String>> {
    let is_updated = manager == Manager::Apt && !debian_has_candidates(packages)?;
    let update = is_updated.then(|| "run `apt-get update`".to_owned());
    let install = format!("install with {}: {}", manager.program(), packages.join(" "));
    Ok(update.into_iter().chain([install]).collect())
}

fn missing(tools: &[Tool]) -> Vec<Tool> {
    tools.iter().filter(|tool| find_program(tool.program).is_none()).copied().collect()
}

/// The packages of these tools, and the tools whose package is not known.
fn sorted_out(tools: &[Tool], manager: Option<Manager>) -> (Vec<&'static str>, Vec<Tool>) {
    let package = |tool: &Tool| manager.and_then(|manager| tool.package(manager));
    let mut packages: Vec<_> = tools.iter().filter_map(package).collect();
    packages.sort_unstable();
    packages.dedup();
    (packages, tools.iter().filter(|tool| package(tool).is_none()).copied().collect())
}

/// A tool that this manager cannot install, and the reason.
fn reason(tool: &Tool, manager: Option<Manager>) -> String {
    let Some(manager) = manager else { return tool.program.to_owned() };
    let (program, manager_name) = (tool.program, manager.program());
    match tool.package(manager) {
        Some(package) => {
            format!(
                "{program}: {manager_name} has installed {package}, but {program} is not on PATH"
            )
        }
        None => format!("{program}: no {manager_name} package is known to have it"),
    }
}

/// Those of these Debian packages that are not installed.
pub(crate) fn debian_missing<'a>(packages: &[&'a str]) -> Result<Vec<&'a str>> {
    // It fails for an unknown package, which then counts as not installed.
    let output = Command::new("dpkg-query")
        .args(["--show", "--showformat", "${Package} ${db:Status-Status}\n"])
        .args(packages)
        .output()
        .context("cannot start dpkg-query")?;
    let installed = String::from_utf8_lossy(&output.stdout).into_owned();
    let is_installed =
        |package: &str| installed.lines().any(|line| line == format!("{package} installed"));
    Ok(packages.iter().copied().filter(|package| !is_installed(package)).collect())
}

/// Whether apt-get exists and can install all of these packages. Runs `apt-get update` if they are
/// not in the current lists.
pub(crate) fn debian_offers(packages: &[&str]) -> Result<bool> {
    if find_program("apt-get").is_none() {
        return Ok(false);
    }
    if debian_has_candidates(packages)? {
        return Ok(true);
    }
    update_lists()?;
    debian_has_candidates(packages)
}

fn debian_has_candidates(packages: &[&str]) -> Result<bool> {
    let output = Command::new("apt-cache")
        .arg("policy")
        .args(packages)
        .env("LC_ALL", "C")
        .output()
        .context("cannot start apt-cache")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let candidates = text
        .lines()
        .filter_map(|line| line.trim().strip_prefix("Candidate: "))
        .filter(|version| *version != "(none)");
    // apt-cache does not list an unknown package.
    Ok(candidates.count() == packages.len())
}

/// Installs Debian packages, and says so first.
pub(crate) fn debian_install(packages: &[&str]) -> Result<()> {
    install(Manager::Apt, packages)
}

fn install(manager: Manager, packages: &[&str]) -> Result<()> {
    let program = manager.program();
    root::ensure(&format!("installing with {program}"))?;
    if manager == Manager::Apt && !debian_has_candidates(packages)? {
        update_lists()?;
    }
    let what = format!("setup: installing with {program}: {}", packages.join(" "));
    let command = || {
        let mut command = package_command(program);
        command.args(manager.install_arguments()).args(packages);
        command
    };
    let first_try = step::run(&what, &mut command());
    if first_try.is_err() && manager == Manager::Apt {
        // Outdated lists name versions that the archive has replaced.
        update_lists()?;
        return step::run(&what, &mut command());
    }
    first_try
}

fn update_lists() -> Result<()> {
    root::ensure("apt-get update")?;
    step::run("setup: apt-get update", package_command("apt-get").arg("update"))
}

fn package_command(program: &str) -> Command {
    root::command(program, [("DEBIAN_FRONTEND", OsStr::new("noninteractive"))])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all() -> impl Iterator<Item = Tool> {
        [TEST_TOOLS, FUZZ_TOOLS, VERIFY_TOOLS].concat().into_iter()
    }

    #[test]
    fn debian_has_a_package_of_every_tool() {
        for tool in all() {
            assert!(tool.package(Manager::Apt).is_some(), "{tool:?}");
        }
    }

    #[test]
    fn a_package_is_one_word() {
        for (tool, manager) in all().flat_map(|tool| Manager::ALL.map(|manager| (tool, manager))) {
            let is_word = |name: &str| !name.is_empty() && !name.contains(char::is_whitespace);
            assert!(tool.package(manager).is_none_or(is_word), "{tool:?}");
        }
    }

    #[test]
    fn a_tool_without_a_known_package_is_left_out_and_named() {
        let tools: Vec<_> = all()
            .filter(|tool| ["stun", "nft", "ip", "bridge"].contains(&tool.program()))
            .collect();
        let (packages, unknown) = sorted_out(&tools, Some(Manager::Dnf));
        assert_eq!(packages, ["iproute", "nftables"]);
        let [stun] = unknown[..] else { panic!("{unknown:?}") };
        let reason = reason(&stun, Some(Manager::Dnf));
        assert_eq!(reason, "stun: no dnf package is known to have it");
        let (packages, unknown) = sorted_out(&tools, None);
        assert!(packages.is_empty() && unknown.len() == tools.len(), "{packages:?} {unknown:?}");
    }
}
