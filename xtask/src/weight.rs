//! `cargo xtask weight`: compares the size, crates and instructions of the program with their
//! budgets.

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    process::{Command, ExitCode},
};

use anyhow::{Context as _, Result, bail};

use crate::{
    build::{Profile, build},
    packages::{WEIGHT_TOOLS, ensure_tools, search_path},
    root,
    workspace::{Workspace, output_of},
};

/// The crates that the program is made of, itself included. Three are of this workspace:
/// `netns-topology` is apart so that what needs no kernel is built and tested without aya.
const CRATES: u64 = 141;

/// Bytes of the release build.
const SIZE: u64 = 17_000_000;

/// User-space instructions, as valgrind counts them.
const VERSION: u64 = 1_400_000;
const FORWARD_ADD: u64 = 3_300_000;

/// Runs a lab in temporary namespaces, and counts the instructions of one command.
const SCRIPT: &str = r#"set -e
mount -t tmpfs -o mode=755 tmpfs /run
mount -t bpf bpf /sys/fs/bpf
mount -t cgroup2 none /sys/fs/cgroup
ip link set lo up
"$1" up > /dev/null
cd /run
valgrind --tool=callgrind --callgrind-out-file=/dev/null "$1" forward add tcp 8080 192.168.15.2:80
"$1" down > /dev/null
"#;

#[derive(Clone, Copy, Debug, clap::Args)]
#[command(after_help = "\
The figures are those of the release build. Instruction counts do not depend on the load of the
machine, so a figure over its budget comes from a change of the program. If the change is worth it,
raise the budget in xtask/src/weight.rs in the same commit.")]
pub(crate) struct Args {}

/// One figure and its budget.
struct Figure {
    what: &'static str,
    is: u64,
    budget: u64,
}

pub(crate) fn run(workspace: &Workspace, Args {}: Args) -> Result<ExitCode> {
    root::ensure("cargo xtask weight (it runs a lab)")?;
    ensure_tools(WEIGHT_TOOLS)?;
    let netns = build(workspace, Profile::Release)?;
    let size = fs::metadata(&netns).with_context(|| format!("cannot read {}", netns.display()))?;
    let figures = [
        Figure { what: "crates", is: crates(workspace)?, budget: CRATES },
        Figure { what: "bytes of the program", is: size.len(), budget: SIZE },
        Figure { what: "instructions of --version", is: version(&netns)?, budget: VERSION },
        Figure {
            what: "instructions of forward add",
            is: forward_add(&netns)?,
            budget: FORWARD_ADD,
        },
    ];
    println!("{:<28} {:>11} {:>11}", "", "figure", "budget");
    for Figure { what, is, budget } in &figures {
        println!("{what:<28} {is:>11} {budget:>11}");
    }
    let over: Vec<_> = figures
        .iter()
        .filter(|figure| figure.is > figure.budget)
        .map(|figure| figure.what)
        .collect();
    if !over.is_empty() {
        bail!("over budget: {}", over.join(", "));
    }
    Ok(ExitCode::SUCCESS)
}

/// The crates that are linked into the program.
fn crates(workspace: &Workspace) -> Result<u64> {
    let mut cargo = workspace.cargo("tree");
    cargo.args(["--package", "netns-user", "--edges", "normal", "--prefix", "none", "--locked"]);
    let tree = String::from_utf8(output_of(&mut cargo)?)?;
    Ok(distinct(&tree))
}

/// The number of different packages that cargo lists. A package that it repeats ends in "(*)".
fn distinct(tree: &str) -> u64 {
    let packages: BTreeSet<_> = tree
        .lines()
        .map(|line| line.trim_end_matches(" (*)"))
        .filter(|line| !line.is_empty())
        .collect();
    packages.len() as u64
}

fn version(netns: &Path) -> Result<u64> {
    let mut command = Command::new("valgrind");
    command
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(netns)
        .arg("--version");
    counted(&mut command)
}

fn forward_add(netns: &Path) -> Result<u64> {
    let path = search_path();
    let mut command = root::command("unshare", [("PATH", path.as_os_str())]);
    command
        .args([
            "--net",
            "--mount",
            "--cgroup",
            "--propagation",
            "private",
            "sh",
            "-c",
            SCRIPT,
            "sh",
        ])
        .arg(netns);
    counted(&mut command)
}

/// The number of instructions that valgrind reports at the end of a command.
fn counted(command: &mut Command) -> Result<u64> {
    let output = command.output().context("cannot start valgrind")?;
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    match (output.status.success(), instructions(&told)) {
        (true, Some(number)) => Ok(number),
        _ => bail!("valgrind reported no instructions ({}):\n{told}", output.status),
    }
}

/// Reads "==31== Collected : 2507912".
fn instructions(told: &str) -> Option<u64> {
    told.lines().find_map(|line| line.split_once("Collected : ")?.1.trim().parse().ok())
}

#[cfg(test)]
mod tests {
    use super::{distinct, instructions};

    #[test]
    fn the_instruction_count_is_read_from_the_output_of_valgrind() {
        let told = "added\n==31== Events    : Ir\n==31== Collected : 2507912\n==31==\n";
        assert_eq!(instructions(told), Some(2_507_912));
        assert_eq!(instructions("netns: error"), None);
    }

    #[test]
    fn a_crate_that_several_others_need_counts_once() {
        assert_eq!(distinct("netns v0.1.0\nlibc v0.2.1\nlibc v0.2.1 (*)\n\nlibc v0.1.0\n"), 3);
    }
}
