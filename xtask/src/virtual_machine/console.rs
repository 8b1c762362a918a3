//! The output of a program, or of a virtual machine: line by line, with a time limit.

use std::{
    io::{BufRead as _, BufReader},
    process::{Child, Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};

/// Runs the command until it ends, and passes on each line of its output. Returns how long it took.
///
/// # Errors
/// When it cannot be started, or has not ended within the time limit.
pub(crate) fn watch(
    command: &mut Command,
    limit: Duration,
    each: impl FnMut(&str),
) -> Result<Duration> {
    let begin = Instant::now();
    let name = crate::workspace::name(command);
    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {name}"))?;
    let timed_out = !read_all(&mut child, begin + limit, each)?;
    if timed_out {
        // Fails if it has just ended by itself.
        let _ = child.kill();
    }
    child.wait()?;
    if timed_out {
        bail!("{name} has not ended within {} s", limit.as_secs());
    }
    Ok(begin.elapsed())
}

/// Reads the output until its end; returns false when the time is over before.
fn read_all(child: &mut Child, deadline: Instant, mut each: impl FnMut(&str)) -> Result<bool> {
    let output = child.stdout.take().context("the program has no output")?;
    let (sender, lines) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
            if sender.send(String::from_utf8_lossy(&line).into_owned()).is_err() {
                break;
            }
        }
    });
    loop {
        match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) => each(line.trim_end()),
            Err(mpsc::RecvTimeoutError::Disconnected) => return Ok(true),
            Err(mpsc::RecvTimeoutError::Timeout) => return Ok(false),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_line_is_passed_on_and_a_program_that_hangs_is_ended() {
        let mut lines = Vec::new();
        let hour = Duration::from_secs(3600);
        let mut shell = Command::new("sh");
        watch(shell.args(["-c", "echo one; printf 'two\\r\\n'"]), hour, |line| {
            lines.push(line.to_owned());
        })
        .expect("it ends");
        assert_eq!(lines, ["one", "two"]);
        let hanging = watch(Command::new("sleep").arg("3600"), Duration::ZERO, |_| ());
        assert!(hanging.expect_err("it hangs").to_string().contains("has not ended within 0 s"));
    }
}
