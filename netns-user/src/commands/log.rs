//! `netns log [LAB]`: each packet and what becomes of it.

use std::{collections::HashMap, io::Write, os::fd::AsFd as _, process::ExitCode, sync::mpsc};

use log::{LevelFilter, Log, Metadata, Record};
use nix::net::if_::{Interface, if_nameindex};
use serde::Serialize;
use tokio::{
    io::{Interest, unix::AsyncFd},
    signal::unix::{SignalKind, signal},
};

use crate::{cli::LogArgs, datapath::Datapath, lab, topology::Topology};

/// Writes a line for each packet until Ctrl-C, or until there are as many as asked for.
///
/// # Errors
/// When no lab can be chosen, or the kernel refuses the programs that log.
pub fn run(args: &LogArgs, json: bool) -> anyhow::Result<ExitCode> {
    lab::require_root()?;
    let topology = lab::choose(args.lab.as_deref())?.topology;
    let links = link_names(&topology)?;
    let mut printer = Printer { json, links, left: args.count };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(follow(&topology, &mut printer))?;
    Ok(ExitCode::SUCCESS)
}

/// Prints lines as they come.
async fn follow(topology: &Topology, printer: &mut Printer) -> anyhow::Result<()> {
    // From here on a signal ends the log in order, with the silent programs put back.
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let (sender, lines) = mpsc::channel();
    log::set_max_level(LevelFilter::Info);
    let mut session = Datapath::open(&topology.name)?.log_packets(Box::new(Sink(sender)))?;
    let events = session.as_fd().try_clone_to_owned()?;
    // SAFETY: `OwnedFd` names one open descriptor until it is dropped, and nothing else has
    // this duplicate.
    let ready = unsafe { AsyncFd::register_with_interest(events, Interest::READABLE)? };
    anstream::eprintln!("logging the packets of lab \"{}\" until Ctrl-C", topology.name);
    while printer.left != Some(0) {
        tokio::select! {
            _ = interrupt.recv() => break,
            _ = terminate.recv() => break,
            _ = hangup.recv() => break,
            guard = ready.readable() => {
                // Before the lines are taken: one that comes meanwhile wakes again.
                guard?.clear_ready();
                session.flush();
                printer.print_all(&lines)?;
            }
        }
    }
    Ok(session.stop()?)
}

/// Takes the kernel's lines.
struct Sink(mpsc::Sender<String>);

impl Log for Sink {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        // Nobody listens any more only when the session is about to end.
        let _ = self.0.send(record.args().to_string());
    }

    fn flush(&self) {}
}

/// A line of the log in its parts.
#[derive(Debug, PartialEq, Eq, Serialize)]
struct LogLine {
    hook: String,
    protocol: String,
    source: String,
    destination: String,
    verdict: String,
}

/// Brings lines into a form for people, or for programs.
struct Printer {
    json: bool,
    links: HashMap<u32, String>,
    /// How many more lines to print; `None` for no end.
    left: Option<u64>,
}

impl Printer {
    fn print_all(&mut self, lines: &mpsc::Receiver<String>) -> anyhow::Result<()> {
        let mut out = anstream::stdout().lock();
        for line in lines.try_iter() {
            if self.left == Some(0) {
                break;
            }
            match self.parse(&line) {
                Some(line) if self.json => writeln!(out, "{}", serde_json::to_string(&line)?)?,
                Some(line) => writeln!(
                    out,
                    "{:<14} {:<4} {} > {} {}",
                    line.hook, line.protocol, line.source, line.destination, line.verdict
                )?,
                None => continue,
            }
            self.left = self.left.map(|left| left - 1);
        }
        Ok(out.flush()?)
    }

    /// `HOOK proto NUMBER SOURCE > DESTINATION VERDICT`, as the programs write it.
    fn parse(&self, line: &str) -> Option<LogLine> {
        let mut words = line.splitn(7, ' ');
        let hook = words.next()?.to_owned();
        let number = words.nth(1)?;
        let source = words.next()?.to_owned();
        let destination = words.nth(1)?.to_owned();
        let mut verdict = words.next()?.to_owned();
        if let Some((rest, index)) = verdict.rsplit_once("to link ")
            && let Some(name) = index.parse().ok().and_then(|index: u32| self.links.get(&index))
        {
            verdict = format!("{rest}to {name}");
        }
        let protocol = match number {
            "1" => "icmp".to_owned(),
            "6" => "tcp".to_owned(),
            "17" => "udp".to_owned(),
            other => format!("ip/{other}"),
        };
        Some(LogLine { hook, protocol, source, destination, verdict })
    }
}

/// The names of the router's links by their index.
fn link_names(topology: &Topology) -> anyhow::Result<HashMap<u32, String>> {
    let names = || {
        let links = if_nameindex()?;
        let named = |link: &Interface| (link.index(), link.name().to_string_lossy().into_owned());
        Ok::<_, nix::Error>(links.iter().map(named).collect())
    };
    Ok(lab::in_router(topology, names)??)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printer() -> Printer {
        Printer { json: false, links: HashMap::from([(7, "ens3".into())]), left: None }
    }

    #[test]
    fn a_translation_names_its_link() {
        let line = "from_namespace proto 6 192.168.15.1:4000 > 8.8.8.8:53 \
                    became 192.168.1.10:4000 > 8.8.8.8:53 to link 7";
        assert_eq!(
            printer().parse(line),
            Some(LogLine {
                hook: "from_namespace".into(),
                protocol: "tcp".into(),
                source: "192.168.15.1:4000".into(),
                destination: "8.8.8.8:53".into(),
                verdict: "became 192.168.1.10:4000 > 8.8.8.8:53 to ens3".into(),
            })
        );
    }

    #[test]
    fn a_drop_keeps_its_reason() {
        let line = "to_uplink proto 47 10.0.0.1:0 > 8.8.8.8:0 dropped: leak";
        let parsed = printer().parse(line).unwrap();
        assert_eq!((parsed.protocol.as_str(), parsed.verdict.as_str()), ("ip/47", "dropped: leak"));
    }

    #[test]
    fn a_line_of_another_form_is_left_out() {
        assert_eq!(printer().parse("hello"), None);
    }
}
