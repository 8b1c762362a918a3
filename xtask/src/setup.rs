//! `cargo xtask setup`: installs the tools that the other verbs need. They also do so by
//! themselves.

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
    /// Also install the programs that the tests call, and load the kernel module br_netfilter
    #[arg(long)]
    tests: bool,
    /// Print the steps and change nothing
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
    println!("setup: the toolchain of the eBPF programs is {toolchain}");
    Ok(ExitCode::SUCCESS)
}

/// The steps in words, in the order of `run`.
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
    fn a_dry_run_prints_a_line_for_each_step() {
        assert_eq!(render(&[]), "setup: nothing is missing\n");
        let steps = ["install with apt-get: stun-client", "load the kernel module br_netfilter"];
        assert_eq!(
            render(&steps.map(str::to_owned)),
            "setup would install with apt-get: stun-client\n\
             setup would load the kernel module br_netfilter\n"
        );
    }
}
