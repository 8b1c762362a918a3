//! Loads every eBPF program into the running kernel and prints how many instructions the verifier
//! checked: `cargo xtask verify`. As the first and only process of a virtual machine it powers the
//! machine off at its end.

#[path = "../../../../tests/programs/budget.rs"]
mod budget;
mod init;
mod run_time;

use std::{collections::HashMap, process::ExitCode};

use budget::Budget;
use netns_user::datapath::{DatapathError, probe};
use nix::sys::utsname::uname;

/// The line that `cargo xtask verify` waits for on the console of the machine.
const ACCEPTED: &str = "verify: every program is accepted";

fn main() -> ExitCode {
    if std::process::id() == 1 {
        init::mount_all();
        report(&verify(&HashMap::new()));
        init::power_off();
    }
    let run_times = run_time::measure();
    let result = verify(&run_times);
    report(&result);
    if matches!(result, Ok(0)) { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn report(result: &Result<usize, DatapathError>) {
    match result {
        Ok(0) => println!("{ACCEPTED}"),
        Ok(faults) => println!("verify: {faults} of the programs are not as they should be"),
        Err(error) => println!("verify: {error}"),
    }
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
