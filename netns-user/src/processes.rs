//! Reads processes in /proc, whatever bytes their names or command lines contain.

use std::io::Read as _;

use procfs::{
    FromBufRead as _, ProcResult,
    process::{Process, Status},
};

use crate::output::text_of_bytes;

/// The command line of a process; for a kernel thread, which has none, its name.
pub(crate) fn command_of(process: &Process) -> ProcResult<String> {
    let words = command_line(process)?;
    Ok(if words.is_empty() { format!("[{}]", status_of(process)?.name) } else { words })
}

/// The status of a process, even if its name is not UTF-8: a process must not be able to hide that
/// way.
pub(crate) fn status_of(process: &Process) -> ProcResult<Status> {
    let mut bytes = Vec::new();
    process.open_relative("status")?.read_to_end(&mut bytes)?;
    Status::from_buf_read(text_of_bytes(&bytes).as_bytes())
}

/// The words of the command line. A process can overwrite them with anything.
fn command_line(process: &Process) -> ProcResult<String> {
    let mut bytes = Vec::new();
    let file = process.open_relative("cmdline")?;
    let is_whole = file.take(LONGEST_COMMAND).read_to_end(&mut bytes)? < LONGEST_COMMAND as usize;
    let words = bytes.split(|byte| *byte == 0).filter(|word| !word.is_empty());
    let words = words.map(text_of_bytes).collect::<Vec<_>>().join(" ");
    Ok(if is_whole { words } else { words + "…" })
}

/// The most bytes of a command line that are read; a process may have made it megabytes long.
const LONGEST_COMMAND: u64 = 1 << 16;
