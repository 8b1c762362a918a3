//! `cargo xtask verify`: loads every eBPF program into the running kernel and prints how many
//! instructions the verifier checked, then plays labs with real packets. As the first and only
//! process of a virtual machine it powers the machine off at its end.

#[path = "../../../../tests/programs/budget.rs"]
mod budget;
#[path = "../../init.rs"]
mod init;
mod plays;
mod run_time;

use std::{collections::HashMap, process::ExitCode};

use budget::Budget;
use netns_user::datapath::{DatapathError, probe};
use nix::sys::utsname::uname;

/// The line that `cargo xtask verify` waits for.
const ALL_WELL: &str = "verify: every program is accepted, and every play succeeds";

fn main() -> ExitCode {
    if std::process::id() == 1 {
        init::prepare();
        let well = verify_and_play(&HashMap::new());
        report(well && init::kernel_is_content());
        init::power_off();
    }
    let well = verify_and_play(&run_time::measure());
    report(well);
    if well { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn report(all_well: bool) {
    println!("{}", if all_well { ALL_WELL } else { "verify: not everything is as it should be" });
}

/// Returns whether all is as it should be.
fn verify_and_play(run_times: &HashMap<&str, u64>) -> bool {
    let faults = verify(run_times);
    match &faults {
        Ok(0) => {}
        Ok(faults) => println!("verify: {faults} of the programs are not as they should be"),
        Err(error) => println!("verify: {error}"),
    }
    println!();
    plays::perform() == 0 && matches!(faults, Ok(0))
}

/// Prints a line for each program; returns how many are refused or over their budget.
fn verify(run_times: &HashMap<&str, u64>) -> Result<usize, DatapathError> {
    let release = uname().map(|names| names.release().to_string_lossy().into_owned());
    let release = release.unwrap_or_default();
    println!("Linux {release}");
    println!(
        "{:<18} {:>12} {:>8} {:>7} {:>7}",
        "program", "instructions", "budget", "ms", "ns/run"
    );
    let mut faults = 0;
    for program in probe::each_program()? {
        match program {
            Ok(program) => {
                let instructions = program.instructions.unwrap_or(0);
                let budget = Budget::of(&program.name).map(|budget| budget.on(&release));
                let is_over = budget.is_none_or(|budget| instructions > budget);
                faults += usize::from(is_over);
                let or_dash = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
                println!(
                    "{:<18} {:>12} {:>8} {:>7} {:>7}{}",
                    program.name,
                    instructions,
                    or_dash(budget.as_ref().map(u32::to_string)),
                    program.time.as_millis(),
                    or_dash(run_times.get(program.name.as_str()).map(u64::to_string)),
                    if is_over { "  over its budget" } else { "" },
                );
            }
            Err(error) => {
                faults += 1;
                println!("{error}");
            }
        }
    }
    Ok(faults)
}
