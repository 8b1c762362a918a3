//! Facts about a process that /proc shows, whatever bytes are in its name or command line.

use std::io::Read as _;

use procfs::{
    FromBufRead as _, ProcResult,
    process::{Process, Status},
};

use crate::output::text_of_bytes;

/// The command line of a process; of a thread of the kernel, which has none, its name.
pub(crate) fn command_of(process: &Process) -> ProcResult<String> {
    let words = command_line(process)?;
    Ok(if words.is_empty() { format!("[{}]", status_of(process)?.name) } else { words })
}

/// As procfs reads it, but also of a process whose name is no text: it is not to hide by that.
pub(crate) fn status_of(process: &Process) -> ProcResult<Status> {
    let mut bytes = Vec::new();
    process.open_relative("status")?.read_to_end(&mut bytes)?;
    Status::from_buf_read(text_of_bytes(&bytes).as_bytes())
}

/// The words of the command line, which a process can write over with whatever it likes.
fn command_line(process: &Process) -> ProcResult<String> {
    let mut bytes = Vec::new();
    let file = process.open_relative("cmdline")?;
    let is_whole = file.take(LONGEST_COMMAND).read_to_end(&mut bytes)? < LONGEST_COMMAND as usize;
    let words = bytes.split(|byte| *byte == 0).filter(|word| !word.is_empty());
    let words = words.map(text_of_bytes).collect::<Vec<_>>().join(" ");
    Ok(if is_whole { words } else { words + "…" })
}

/// Bytes of a command line that are read; a process may have made it megabytes long.
const LONGEST_COMMAND: u64 = 1 << 16;
