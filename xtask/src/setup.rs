//! `cargo xtask setup`: what the other verbs need and do by themselves, for its own sake.

use std::process::ExitCode;

use anyhow::Result;

use crate::{
    bpf_toolchain::BpfToolchain,
    modules,
    packages::{TEST_TOOLS, ensure_tools, plan_of_tools},
    workspace::Workspace,
};

#[derive(Clone, Copy, Debug, clap::Args)]
pub(crate) struct Args {
    /// Also install the programs that the tests call, and load the kernel module that they need
    #[arg(long)]
    tests: bool,
    /// Print what would be installed or loaded, and change nothing
    #[arg(long)]
    dry_run: bool,
}

pub(crate) fn run(workspace: &Workspace, args: Args) -> Result<ExitCode> {
    if args.dry_run {
        print!("{}", render(&plan(workspace, args.tests)?));
        return Ok(ExitCode::SUCCESS);
    }
    let toolchain = BpfToolchain::ensure(workspace)?;
    if args.tests {
        ensure_tools(TEST_TOOLS)?;
        modules::ensure()?;
    }
    println!("setup: the eBPF programs are built by {toolchain}");
    Ok(ExitCode::SUCCESS)
}

/// Each step in words, in the order in which `run` does them.
fn plan(workspace: &Workspace, tests: bool) -> Result<Vec<String>> {
    let mut steps = BpfToolchain::plan(workspace)?;
    if tests {
        steps.extend(plan_of_tools(TEST_TOOLS)?);
        steps.extend(modules::plan());
    }
    Ok(steps)
}

fn render(steps: &[String]) -> String {
    if steps.is_empty() {
        return "setup: nothing is missing\n".to_owned();
    }
    steps.iter().map(|step| format!("setup would {step}\n")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_step_has_a_line() {
        assert_eq!(render(&[]), "setup: nothing is missing\n");
        let steps = ["install with apt-get: stun-client", "load the kernel module br_netfilter"];
        assert_eq!(
            render(&steps.map(str::to_owned)),
            "setup would install with apt-get: stun-client\n\
             setup would load the kernel module br_netfilter\n"
        );
    }
}
