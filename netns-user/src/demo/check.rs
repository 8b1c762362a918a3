//! The checks as data, and the evaluation of their results.

use std::{
    collections::BTreeSet,
    net::{Ipv4Addr, SocketAddrV4},
};

use schemars::JsonSchema;
use serde::Serialize;

use super::{
    probe::{Answer, HttpError, Page, PingError},
    server::Greeting,
    sniffer::Sources,
};
use crate::{net::Netns, output};

/// A property that the lab must have.
#[derive(Clone, Debug)]
pub struct Check {
    pub name: String,
    /// The reason, in one clause.
    pub shows: String,
    pub act: Act,
}

/// The action of a check.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Act {
    /// Changes the masquerade rule, then pings all addresses in parallel.
    Ping { rule: RuleChange, from: Netns, to: Vec<Ipv4Addr>, expect: Reach },
    /// Lists the interfaces of each namespace: its own must be listed, and no other one of the lab.
    Interfaces { of: Vec<(Netns, String)>, lab: BTreeSet<String> },
    /// Gets a web page: the server in `from_namespace` must answer, and must see the address
    /// `client` if one is given.
    Fetch { from: Netns, address: SocketAddrV4, from_namespace: String, client: Option<Ipv4Addr> },
    /// Ends the packet capture outside: this must be the only source address.
    Heard { only: Ipv4Addr },
}

/// The change of the masquerade rule before a check.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RuleChange {
    None,
    Remove,
    Add,
}

/// The expected result of a ping.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reach {
    Reply,
    NoReply,
}

/// The result of a check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Outcome {
    /// Whether the check passed.
    pub ok: bool,
    /// The measured figure, or the unexpected result.
    pub figure: String,
}

/// A check with its result, as `--json` shows it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Verdict {
    /// The name of the check.
    pub name: String,
    /// The reason for the check, in one clause.
    pub shows: String,
    #[serde(flatten)]
    pub outcome: Outcome,
}

impl Outcome {
    fn new(ok: bool, figure: impl Into<String>) -> Self {
        Self { ok, figure: figure.into() }
    }

    /// A check that could not be carried out has failed.
    pub fn failed(error: &anyhow::Error) -> Self {
        Self::new(false, format!("{error:#}"))
    }
}

/// Evaluates pings to several addresses, with a figure for each.
pub fn judge_pings(expect: Reach, answers: &[(Ipv4Addr, Result<Answer, PingError>)]) -> Outcome {
    let ok = answers.iter().all(|(_, answer)| {
        let replied = matches!(answer, Ok(Answer::Reply { .. }));
        match expect {
            Reach::Reply => replied,
            // Without a socket nothing was sent, so no reply proves nothing.
            Reach::NoReply => !replied && !matches!(answer, Err(PingError::Socket(_))),
        }
    });
    let figures: Vec<String> = match answers {
        [(_, answer)] => vec![ping_figure(answer)],
        several => {
            several.iter().map(|(to, answer)| format!("{to} {}", ping_figure(answer))).collect()
        }
    };
    Outcome::new(ok, figures.join(" · "))
}

fn ping_figure(answer: &Result<Answer, PingError>) -> String {
    match answer {
        Ok(Answer::Reply { round_trip, .. }) => output::duration(*round_trip),
        Ok(Answer::Refused { from, kind, code }) => {
            format!("{} from {from}", refusal(*kind, *code))
        }
        Ok(Answer::Silence { .. }) => "no reply".to_owned(),
        Err(PingError::Send { source, .. }) => source.to_string(),
        Err(error) => error.to_string(),
    }
}

/// ICMP errors in words (RFC 792, RFC 1122 section 3.2.2.1, RFC 1812 section 5.2.7.1).
fn refusal(kind: u8, code: u8) -> String {
    match (kind, code) {
        (3, 0) => "network unreachable".to_owned(),
        (3, 1) => "host unreachable".to_owned(),
        (3, 4) => "fragmentation needed".to_owned(),
        (3, 9 | 10 | 13) => "prohibited".to_owned(),
        (11, 0) => "time to live exceeded".to_owned(),
        _ => format!("ICMP type {kind} code {code}"),
    }
}

/// Evaluates lists of interfaces: for each namespace its own interface, and those that it sees. Of
/// the lab's interfaces it may see only its own. Other interfaces are no fault: the kernel adds
/// sit0, tunl0 or gre0 to each new namespace while the module is loaded.
pub fn judge_interfaces(seen: &[(&str, &str, Vec<String>)], lab: &BTreeSet<String>) -> Outcome {
    let ok = seen.iter().all(|(_, own, seen)| {
        seen.iter().any(|name| name == own)
            && seen.iter().all(|name| name == own || !lab.contains(name))
    });
    let figures: Vec<String> = seen
        .iter()
        .map(|(namespace, _, seen)| format!("{namespace} {}: {}", seen.len(), seen.join(" ")))
        .collect();
    Outcome::new(ok, figures.join(" · "))
}

/// Evaluates a page: status 200, from the right server, which saw the right client.
pub fn judge_page(
    page: &Result<Page, HttpError>,
    namespace: &str,
    client: Option<Ipv4Addr>,
) -> Outcome {
    let page = match page {
        Ok(page) => page,
        Err(error) => return Outcome::new(false, error.to_string()),
    };
    let figure = format!(
        "HTTP {}, {} in {}",
        page.status,
        output::bytes(u64::try_from(page.body.len()).unwrap_or(u64::MAX)),
        output::duration(page.elapsed)
    );
    let Some(greeting) = Greeting::read(&page.body) else {
        return Outcome::new(false, format!("{figure}, but from another web server"));
    };
    if greeting.namespace != namespace {
        return Outcome::new(false, format!("{figure}, but from {}", greeting.namespace));
    }
    let ok = page.status == 200 && client.is_none_or(|client| client == greeting.client);
    Outcome::new(ok, format!("{figure}, client {}", greeting.client))
}

/// Evaluates the packets captured outside: at least one, and all from `only`.
pub fn judge_sources(sources: &Sources, only: Ipv4Addr) -> Outcome {
    let figures: Vec<String> = sources
        .iter()
        .map(|(source, packets)| match packets {
            1 => format!("1 packet from {source}"),
            _ => format!("{} packets from {source}", output::count(*packets)),
        })
        .collect();
    let ok = sources.len() == 1 && sources.contains_key(&only);
    let figure = if figures.is_empty() { "no packets".into() } else { figures.join(" · ") };
    Outcome::new(ok, figure)
}

#[cfg(test)]
mod tests {
    use std::{io, time::Duration};

    use super::*;

    const LAN: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 1);
    const DNS: Ipv4Addr = Ipv4Addr::new(8, 8, 8, 8);
    const HOST: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 10);

    fn reply() -> Result<Answer, PingError> {
        Ok(Answer::Reply { round_trip: Duration::from_micros(41), ttl: 64 })
    }

    fn silence() -> Result<Answer, PingError> {
        Ok(Answer::Silence { waited: Duration::from_millis(400) })
    }

    #[test]
    fn one_ping_shows_its_round_trip() {
        let outcome = judge_pings(Reach::Reply, &[(LAN, reply())]);
        assert_eq!(outcome, Outcome::new(true, "0.041 ms"));
    }

    #[test]
    fn each_of_several_pings_must_have_a_reply() {
        let outcome = judge_pings(Reach::Reply, &[(LAN, reply()), (DNS, silence())]);
        assert_eq!(outcome, Outcome::new(false, "192.168.1.1 0.041 ms · 8.8.8.8 no reply"));
    }

    #[test]
    fn no_ping_may_have_a_reply_when_none_is_expected() {
        assert!(judge_pings(Reach::NoReply, &[(LAN, silence()), (DNS, silence())]).ok);
        assert!(!judge_pings(Reach::NoReply, &[(LAN, silence()), (DNS, reply())]).ok);
    }

    #[test]
    fn an_icmp_error_is_no_reply_and_names_its_sender() {
        let refused = Ok(Answer::Refused { from: HOST, kind: 3, code: 1 });
        let outcome = judge_pings(Reach::NoReply, &[(LAN, refused)]);
        assert_eq!(outcome, Outcome::new(true, "host unreachable from 192.168.1.10"));
    }

    #[test]
    fn a_ping_without_a_socket_proves_nothing() {
        let error = || Err(PingError::Socket(io::ErrorKind::PermissionDenied.into()));
        assert!(!judge_pings(Reach::NoReply, &[(LAN, error())]).ok);
        assert!(!judge_pings(Reach::Reply, &[(LAN, error())]).ok);
    }

    fn seen_in_red(seen: &[&str]) -> Outcome {
        let names = |names: &[&str]| names.iter().map(ToString::to_string).collect::<Vec<_>>();
        let lab = names(&["veth-red", "veth-blue", "eth0"]).into_iter().collect();
        judge_interfaces(&[("red", "veth-red", names(seen))], &lab)
    }

    #[test]
    fn a_namespace_may_not_see_an_interface_of_another_namespace() {
        assert_eq!(seen_in_red(&["lo", "veth-red"]), Outcome::new(true, "red 2: lo veth-red"));
        for seen in [&["lo"][..], &["lo", "eth0"], &["lo", "veth-red", "veth-blue"]] {
            assert!(!seen_in_red(seen).ok, "{seen:?}");
        }
    }

    #[test]
    fn a_namespace_may_see_the_tunnels_that_the_kernel_gives_to_every_namespace() {
        let seen = ["lo", "tunl0", "gre0", "gretap0", "erspan0", "sit0", "ip6tnl0", "veth-red"];
        let outcome = seen_in_red(&seen);
        assert!(outcome.ok, "{outcome:?}");
        assert!(outcome.figure.contains("sit0"), "{outcome:?}");
    }

    #[test]
    fn a_page_must_come_from_the_right_server() {
        let page = |status, body: &str| {
            Ok(Page { status, body: body.to_owned(), elapsed: Duration::from_micros(800) })
        };
        let body = "namespace blue\nclient 192.168.1.1:40000\n";
        let outcome = judge_page(&page(200, body), "blue", Some(LAN));
        assert_eq!(outcome, Outcome::new(true, "HTTP 200, 40 B in 0.800 ms, client 192.168.1.1"));
        assert!(judge_page(&page(200, body), "blue", None).ok);
        assert!(!judge_page(&page(200, body), "red", None).ok);
        assert!(!judge_page(&page(200, body), "blue", Some(HOST)).ok);
        assert!(!judge_page(&page(500, body), "blue", None).ok);
        assert!(!judge_page(&page(200, "It works!"), "blue", None).ok);
    }

    #[test]
    fn all_packets_outside_must_have_the_hosts_address() {
        let heard = Sources::from([(HOST, 12)]);
        assert_eq!(judge_sources(&heard, HOST), Outcome::new(true, "12 packets from 192.168.1.10"));
        let leaked = Sources::from([(HOST, 12), (Ipv4Addr::new(192, 168, 15, 2), 1)]);
        assert!(!judge_sources(&leaked, HOST).ok);
        assert!(!judge_sources(&Sources::new(), HOST).ok);
    }
}
