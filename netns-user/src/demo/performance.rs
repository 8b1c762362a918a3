//! Carries out the checks one after another on a running lab.

use std::{
    io,
    net::{Ipv4Addr, SocketAddrV4},
    thread,
    time::Duration,
};

use anyhow::Context as _;

use super::{
    cast::{Cast, Place},
    check::{
        Act, Check, Outcome, Reach, RuleChange, Verdict, judge_interfaces, judge_page, judge_pings,
        judge_sources,
    },
    interrupt::Interrupt,
    probe,
    programme::{OUTSIDE_PORT, programme},
    server::WebServer,
    sniffer::Sniffer,
    stage::Stage,
};

/// Time limit of requests that should have a reply: long, since a loaded machine may be slow.
const PATIENCE: Duration = Duration::from_secs(2);
/// Time limit of requests that should have none: replies here take far less than a millisecond.
const SILENCE: Duration = Duration::from_millis(400);
/// Echo requests per ping that should have a reply. The fastest is shown.
const ECHOES: u32 = 3;

/// An event to report.
#[derive(Clone, Copy, Debug)]
pub enum Moment<'a> {
    Begins(&'a Check),
    Ended(&'a Verdict),
}

/// A lab with the web servers and the packet capture for its checks.
#[derive(Debug)]
pub struct Performance<'a> {
    stage: &'a Stage<'a>,
    cast: &'a Cast,
    /// Ended by the one check that reads it.
    sniffer: Option<Sniffer>,
    /// They run until this is dropped.
    _servers: [WebServer; 2],
}

impl<'a> Performance<'a> {
    /// Starts the web servers inside and outside, and the packet capture outside.
    pub fn prepare(stage: &'a Stage<'a>, cast: &'a Cast) -> anyhow::Result<Self> {
        let sniffer = Sniffer::start(&cast.outside.namespace, &cast.outside.interface)?;
        let outside = SocketAddrV4::new(cast.outside.address, OUTSIDE_PORT);
        let servers = [
            WebServer::start(&cast.server.namespace, cast.target)?,
            WebServer::start(&cast.outside.namespace, outside)?,
        ];
        Ok(Self { stage, cast, sniffer: Some(sniffer), _servers: servers })
    }

    /// Carries out all checks, also after one has failed. An interrupt stops it between two checks.
    pub fn run(
        &mut self,
        interrupt: &Interrupt,
        mut report: impl FnMut(Moment<'_>) -> io::Result<()>,
    ) -> anyhow::Result<Vec<Verdict>> {
        let mut verdicts = Vec::new();
        for check in programme(self.cast) {
            if interrupt.requested() {
                break;
            }
            report(Moment::Begins(&check))?;
            let outcome = self.act(&check.act).unwrap_or_else(|error| Outcome::failed(&error));
            let verdict = Verdict { name: check.name, shows: check.shows, outcome };
            report(Moment::Ended(&verdict))?;
            verdicts.push(verdict);
        }
        Ok(verdicts)
    }

    fn act(&mut self, act: &Act) -> anyhow::Result<Outcome> {
        match act {
            Act::Ping { rule, from, to, expect } => {
                match rule {
                    RuleChange::None => {}
                    RuleChange::Remove => self.stage.unmasquerade(&self.cast.masquerade)?,
                    RuleChange::Add => self.stage.masquerade(&self.cast.masquerade)?,
                }
                let answers = self.stage.within(from, || ping_all(to, *expect))?;
                Ok(judge_pings(*expect, &answers))
            }
            Act::Interfaces { of, lab } => {
                let mut seen = Vec::new();
                for (place, own) in of {
                    let interfaces = self.stage.within(place, probe::interfaces)??;
                    let name = match place {
                        Place::Router => &self.cast.host,
                        Place::Namespace(name) => name,
                    };
                    seen.push((name.as_str(), own.as_str(), interfaces));
                }
                Ok(judge_interfaces(&seen, lab))
            }
            Act::Fetch { from, address, from_namespace, client } => {
                let page = self.stage.within(from, || probe::get(*address, PATIENCE))?;
                Ok(judge_page(&page, from_namespace, *client))
            }
            Act::Heard { only } => {
                let sniffer =
                    self.sniffer.take().context("the packet capture has already ended")?;
                Ok(judge_sources(&sniffer.finish()?, *only))
            }
        }
    }
}

/// Pings all addresses in parallel. Each thread inherits the namespace of this one.
fn ping_all(
    destinations: &[Ipv4Addr],
    expect: Reach,
) -> Vec<(Ipv4Addr, Result<probe::Answer, probe::PingError>)> {
    let ping = |destination| match expect {
        Reach::Reply => probe::best_of(ECHOES, destination, PATIENCE),
        Reach::NoReply => probe::ping(destination, SILENCE),
    };
    thread::scope(|scope| {
        let pings: Vec<_> = destinations
            .iter()
            .map(|destination| (*destination, scope.spawn(move || ping(*destination))))
            .collect();
        pings
            .into_iter()
            .map(|(destination, ping)| {
                let answer = ping.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
                (destination, answer)
            })
            .collect()
    })
}
