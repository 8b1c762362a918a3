//! Progress of long commands: a spinner on a terminal, plain lines elsewhere.

use std::{
    collections::VecDeque,
    io::{BufRead as _, BufReader, Read},
    process::{Command, Stdio},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, bail};
use indicatif::{ProgressBar, ProgressStyle};

use crate::workspace::name;

/// How many lines of output are shown of a command that failed.
const LINES_ON_FAILURE: usize = 40;

/// Runs a long command with much output. Its last line is shown beside the spinner; its output is
/// printed only when it fails.
pub(crate) fn run(what: &str, command: &mut Command) -> Result<()> {
    let started = Instant::now();
    let spinner = ProgressBar::new_spinner();
    spinner
        .set_style(ProgressStyle::with_template("{spinner} {prefix} ({elapsed}) {wide_msg:.dim}")?);
    if spinner.is_hidden() {
        eprintln!("{what}");
    }
    spinner.set_prefix(what.to_owned());
    spinner.enable_steady_tick(Duration::from_millis(100));

    let mut child = command
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("cannot start {}", name(command)))?;
    let (lines, output) = mpsc::channel();
    forward_lines(child.stdout.take(), lines.clone());
    forward_lines(child.stderr.take(), lines);
    let mut newest = VecDeque::with_capacity(LINES_ON_FAILURE);
    for line in output {
        spinner.set_message(line.clone());
        if newest.len() == LINES_ON_FAILURE {
            newest.pop_front();
        }
        newest.push_back(line);
    }
    let status = child.wait()?;
    spinner.finish_and_clear();
    if !status.success() {
        for line in newest {
            eprintln!("  {line}");
        }
        bail!("{} failed: {status}", name(command));
    }
    eprintln!("{what}: done in {:.0} s", started.elapsed().as_secs_f32());
    Ok(())
}

fn forward_lines(pipe: Option<impl Read + Send + 'static>, lines: mpsc::Sender<String>) {
    let Some(pipe) = pipe else { return };
    thread::spawn(move || {
        for line in BufReader::new(pipe).lines().map_while(Result::ok) {
            if lines.send(line).is_err() {
                break;
            }
        }
    });
}
