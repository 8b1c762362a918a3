//! The benchmark: the same work through our NAT, through the kernel's own, through a router
//! without NAT and over a bare cable, in turn within one run.

use std::{fs, path::PathBuf, process::ExitCode};

use anyhow::{Context as _, Result};
use clap::Parser as _;
use netns_tests::Sandbox;

mod args;
mod cpu;
mod layout;
mod machine;
mod modes;
mod places;
mod programs;
mod progress;
mod record;
mod report;
mod rounds;
mod series;
mod statistics;
mod table;
mod tools;
mod tracking;
mod works;

fn main() -> ExitCode {
    match run(&args::Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &args::Args) -> Result<()> {
    if args.list {
        for work in args.works() {
            println!("{:<18} {}", work.name, work.about);
        }
        return Ok(());
    }
    anyhow::ensure!(
        nix::unistd::geteuid().is_root(),
        "the benchmark makes namespaces and needs root: use `cargo xtask bench`, which runs it so"
    );
    // Made first: a run of minutes must not end with a file that cannot be written.
    let json = args.json.as_ref().map(absolute).transpose()?;
    let report = args.report.as_ref().map(absolute).transpose()?;
    if let Some(folder) = &report {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
    }
    if let Some(file) = &json {
        fs::write(file, "").with_context(|| format!("cannot write {}", file.display()))?;
    }

    // Not all settings show in a namespace.
    let machine = machine::Machine::now();
    // Everything is in here, and goes with this process however it ends: also by Ctrl-C.
    let sandbox = Sandbox::new();
    sandbox.with_hurry();
    let record = rounds::measure(args, machine)?;
    drop(sandbox);

    print!("{}", table::render(&record));
    if let Some(file) = json {
        fs::write(&file, serde_json::to_string_pretty(&record)? + "\n")
            .with_context(|| format!("cannot write {}", file.display()))?;
        println!("{}", file.display());
    }
    if let Some(folder) = report {
        let file = folder.join("index.html");
        fs::write(&file, report::html(&record))
            .with_context(|| format!("cannot write {}", file.display()))?;
        println!("{}", file.display());
    }
    Ok(())
}

/// Where a file is, also for one who has changed the mounts since.
fn absolute(path: &PathBuf) -> Result<PathBuf> {
    std::path::absolute(path).with_context(|| format!("{} is no path", path.display()))
}
