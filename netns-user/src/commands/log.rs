//! `netns log [LAB]`: each packet, and what the NAT does with it.

use std::{
    collections::HashMap, fmt, io::Write, os::fd::AsFd as _, process::ExitCode, sync::mpsc,
    time::Duration,
};

use log::{LevelFilter, Log, Metadata, Record};
use netns_common::abi::DropReason;
use nix::net::if_::{Interface, if_nameindex};
use schemars::JsonSchema;
use serde::Serialize;
use tokio::{
    io::{Interest, unix::AsyncFd},
    signal::unix::{SignalKind, signal},
};

use super::routers::{LivingRouter, first_router, tell_others};
use crate::{
    cli::LogArgs,
    datapath::Datapath,
    lab,
    output::{self, text_of_bytes, write_json_line},
};

/// How often it is checked whether the lab is still up: bpffs sends no events.
const ATTENTION: Duration = Duration::from_millis(500);

/// Prints a line for each packet until Ctrl-C, or until the requested number is reached. In a lab
/// with several routers it shows the packets of the named router, or else of the first.
///
/// # Errors
/// When no lab can be chosen, or the kernel refuses the programs that log.
pub fn run(args: &LogArgs, json: bool) -> anyhow::Result<ExitCode> {
    lab::require_root()?;
    let topology = lab::choose(args.about.lab().as_deref())?.topology;
    let (router, others) = first_router(&topology, args.about.router())?;
    tell_others(&router, &others);
    let links = link_names(&router)?;
    let name = router.name().to_owned();
    let mut printer = Printer { json, router: name, links, left: args.count };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let of = match topology.routers.len() {
        1 => String::new(),
        _ => format!("router \"{}\" of ", router.name()),
    };
    runtime.block_on(follow(&router, &of, &topology.name, &mut printer))?;
    Ok(ExitCode::SUCCESS)
}

/// Prints lines as they come. `of` names the router in a lab with several.
async fn follow(
    router: &LivingRouter,
    of: &str,
    lab: &str,
    printer: &mut Printer,
) -> anyhow::Result<()> {
    // From here on a signal ends the log cleanly: the programs without logging are restored.
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hangup = signal(SignalKind::hangup())?;
    let (sender, lines) = mpsc::channel();
    log::set_max_level(LevelFilter::Info);
    let mut session = Datapath::open(&router.datapath)?.log_packets(Box::new(Sink(sender)))?;
    let events = session.as_fd().try_clone_to_owned()?;
    // SAFETY: `OwnedFd` names one open descriptor until it is dropped, and nothing else has
    // this duplicate.
    let ready = unsafe { AsyncFd::register_with_interest(events, Interest::READABLE)? };
    match printer.left {
        None => crate::tell!("logging the packets of {of}lab \"{lab}\" until Ctrl-C"),
        Some(1) => crate::tell!("logging the next packet of {of}lab \"{lab}\""),
        Some(count) => crate::tell!("logging the next {count} packets of {of}lab \"{lab}\""),
    }
    let mut tick = tokio::time::interval(ATTENTION);
    while printer.left != Some(0) {
        tokio::select! {
            _ = interrupt.recv() => break,
            _ = terminate.recv() => break,
            _ = hangup.recv() => break,
            guard = ready.readable() => {
                // First, so that a line which comes while the others are read wakes it again.
                guard?.clear_ready();
                session.flush();
                printer.print_all(&lines)?;
            }
            _ = tick.tick() => {
                if !session.is_lab_up() {
                    crate::tell!("lab \"{lab}\" was taken down");
                    break;
                }
            }
        }
    }
    Ok(session.stop()?)
}

/// Receives the lines of the kernel.
struct Sink(mpsc::Sender<String>);

impl Log for Sink {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn log(&self, record: &Record<'_>) {
        // Fails only when the session is ending and the receiver is gone.
        let _ = self.0.send(record.args().to_string());
    }

    fn flush(&self) {}
}

/// A line of the log in its parts; the parts that an action does not have are absent.
#[derive(Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
pub(super) struct LogLine {
    /// The name of the router; `"machine"`: this machine.
    router: String,
    /// The eBPF program that decided: [datapath.md](datapath.md) shows them.
    hook: String,
    /// `"tcp"`, `"udp"`, `"icmp"`, `"sctp"`, `"udplite"`, or `"ip/47"` with the number of another
    /// protocol.
    protocol: String,
    /// The source address, with its port if there is one.
    source: String,
    /// The destination address, with its port if there is one.
    destination: String,
    /// The verdict of the NAT.
    action: Action,
    /// The new source of a translated packet; `None`: it was not translated.
    new_source: Option<String>,
    /// The new destination of a translated packet; `None`: it was not translated.
    new_destination: Option<String>,
    /// The name of the link that a translated packet was sent to, or `"the network stack"`;
    /// `None`: it was not translated.
    link: Option<String>,
    /// The name of the reason of a dropped packet ([drop-reasons.md](drop-reasons.md)); `None`: it
    /// was not dropped.
    reason: Option<String>,
}

/// The verdict of the NAT on a packet.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
enum Action {
    #[default]
    Passed,
    Translated,
    Dropped,
}

impl fmt::Display for LogLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let part = |part: &'_ Option<String>| part.clone().unwrap_or_default();
        let Self { hook, protocol, source, destination, .. } = self;
        write!(f, "{hook:<14} {protocol:<4} {source} > {destination} ")?;
        match self.action {
            Action::Passed => f.write_str("passed to the network stack"),
            Action::Dropped => write!(f, "dropped: {}", part(&self.reason)),
            Action::Translated => {
                let [source, destination] = [&self.new_source, &self.new_destination].map(part);
                write!(f, "became {source} > {destination} to {}", part(&self.link))
            }
        }
    }
}

/// Prints lines as text or as JSON.
struct Printer {
    json: bool,
    /// The name of the router.
    router: String,
    links: HashMap<u32, String>,
    /// How many more lines to print; `None`: no limit.
    left: Option<u64>,
}

impl Printer {
    fn print_all(&mut self, lines: &mpsc::Receiver<String>) -> anyhow::Result<()> {
        let mut out = output::stdout();
        for line in lines.try_iter() {
            if self.left == Some(0) {
                break;
            }
            match self.parse(&line) {
                Some(line) if self.json => write_json_line(&mut out, &line)?,
                Some(line) => writeln!(out, "{line}")?,
                None => continue,
            }
            self.left = self.left.map(|left| left - 1);
        }
        Ok(out.flush()?)
    }

    /// `HOOK proto NUMBER SOURCE > DESTINATION VERDICT`, as the programs write it.
    fn parse(&self, line: &str) -> Option<LogLine> {
        let words: Vec<&str> = line.split(' ').collect();
        let [hook, "proto", number, source, ">", destination, verdict @ ..] = words.as_slice()
        else {
            return None;
        };
        let line = LogLine {
            router: self.router.clone(),
            hook: (*hook).to_owned(),
            protocol: match *number {
                "1" => "icmp".to_owned(),
                "6" => "tcp".to_owned(),
                "17" => "udp".to_owned(),
                "132" => "sctp".to_owned(),
                "136" => "udplite".to_owned(),
                other => format!("ip/{other}"),
            },
            source: end(source),
            destination: end(destination),
            ..LogLine::default()
        };
        match verdict {
            ["passed", ..] => Some(line),
            ["dropped:", reason] => {
                Some(LogLine { action: Action::Dropped, reason: Some(reason_name(reason)), ..line })
            }
            ["became", new_source, ">", new_destination, "to", "link", index] => Some(LogLine {
                action: Action::Translated,
                new_source: Some(end(new_source)),
                new_destination: Some(end(new_destination)),
                link: Some(self.link(index)),
                ..line
            }),
            _ => None,
        }
    }

    fn link(&self, index: &str) -> String {
        // Links count from 1.
        if index == "0" {
            return "the network stack".to_owned();
        }
        let name = index.parse().ok().and_then(|index: u32| self.links.get(&index));
        name.cloned().unwrap_or_else(|| format!("link {index}"))
    }
}

/// The name of a drop reason, by its number.
fn reason_name(number: &str) -> String {
    let reason = number.parse().map(|number| DropReason::from_number(number).name());
    reason.unwrap_or(number).to_owned()
}

/// A port of 0 means that there is none.
fn end(text: &str) -> String {
    text.strip_suffix(":0").unwrap_or(text).to_owned()
}

/// The names of the router's links by index.
fn link_names(router: &LivingRouter) -> anyhow::Result<HashMap<u32, String>> {
    let names = || {
        let links = if_nameindex()?;
        let named = |link: &Interface| (link.index(), text_of_bytes(link.name().to_bytes()));
        Ok::<_, nix::Error>(links.iter().map(named).collect())
    };
    Ok(router.netns.run(names)??)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn printer() -> Printer {
        Printer {
            json: false,
            router: "host".into(),
            links: HashMap::from([(7, "ens3".into())]),
            left: None,
        }
    }

    #[test]
    fn a_translation_names_its_link() {
        let line = "from_namespace proto 6 192.168.15.1:4000 > 8.8.8.8:53 \
                    became 192.168.1.10:4000 > 8.8.8.8:53 to link 7";
        let parsed = printer().parse(line).unwrap();
        assert_eq!(
            serde_json::to_value(&parsed).unwrap(),
            serde_json::json!({
                "router": "host",
                "hook": "from_namespace",
                "protocol": "tcp",
                "source": "192.168.15.1:4000",
                "destination": "8.8.8.8:53",
                "action": "translated",
                "new_source": "192.168.1.10:4000",
                "new_destination": "8.8.8.8:53",
                "link": "ens3",
                "reason": null,
            })
        );
        assert_eq!(
            parsed.to_string(),
            "from_namespace tcp  192.168.15.1:4000 > 8.8.8.8:53 \
             became 192.168.1.10:4000 > 8.8.8.8:53 to ens3"
        );
    }

    #[test]
    fn a_packet_that_continues_through_the_stack_says_so() {
        let line = "from_uplink proto 17 8.8.8.8:53 > 192.168.1.10:4000 \
                    became 8.8.8.8:53 > 192.168.15.1:4000 to link 0";
        let parsed = printer().parse(line).unwrap();
        let text = parsed.to_string();
        assert!(text.ends_with("> 192.168.15.1:4000 to the network stack"), "{text}");
    }

    #[test]
    fn a_drop_keeps_its_reason() {
        let line = "to_uplink proto 47 10.0.0.1:0 > 8.8.8.8:0 dropped: 10";
        let parsed = printer().parse(line).unwrap();
        assert_eq!((parsed.action, parsed.reason.as_deref()), (Action::Dropped, Some("leak")));
        assert_eq!(parsed.to_string(), "to_uplink      ip/47 10.0.0.1 > 8.8.8.8 dropped: leak");
    }

    #[test]
    fn a_packet_that_is_passed_to_the_stack_says_so() {
        let line = "from_uplink proto 1 192.168.1.1:0 > 192.168.1.10:7 passed to the stack";
        let parsed = printer().parse(line).unwrap();
        assert_eq!(parsed.action, Action::Passed);
        let end = "192.168.1.1 > 192.168.1.10:7 passed to the network stack";
        assert!(parsed.to_string().ends_with(end), "{parsed}");
    }

    #[test]
    fn a_line_of_another_form_is_left_out() {
        assert_eq!(printer().parse("hello"), None);
    }
}
