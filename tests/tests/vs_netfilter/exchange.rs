//! One case: sends packets through both labs and records the differences of the packets that
//! arrive.

use std::{collections::BTreeSet, fmt};

use crate::{
    fields::{fields, summary},
    labs::{At, Lab, Mode},
    packet::{ID, Ip},
};

/// A difference between the packets that arrive in the two labs; a row of the document.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Difference {
    pub case: String,
    pub step: String,
    pub at: String,
    pub what: String,
    pub ours: String,
    pub netfilters: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { case, step, at, what, ours, netfilters } = self;
        write!(f, "| {case} | {step} | {at} | {what} | {ours} | {netfilters} |")
    }
}

/// The labs, and the results so far.
#[derive(Debug)]
pub(crate) struct Exchange {
    labs: [Lab; 2],
    /// The last packet at each end, in each lab.
    last: [[Option<Ip>; 3]; 2],
    pub case: String,
    pub differences: BTreeSet<Difference>,
    /// How many packets arrived without a difference.
    pub alike: usize,
}

impl Exchange {
    pub(crate) fn new(mode: Mode) -> Self {
        Self {
            labs: [Lab::ours(mode), Lab::netfilters()],
            last: Default::default(),
            case: String::new(),
            differences: BTreeSet::new(),
            alike: 0,
        }
    }

    /// Sends a packet in both labs.
    pub(crate) fn send(&mut self, step: &str, from: At, packet: impl Into<Ip>) {
        self.send_all(step, from, &[packet.into()]);
    }

    /// Sends packets, one right after the other, in both labs.
    pub(crate) fn send_all(&mut self, step: &str, from: At, packets: &[Ip]) {
        self.step(step, from, &[packets, packets].map(<[Ip]>::to_vec));
    }

    /// Sends an answer to the last packet that arrived at this end, in each lab to its own.
    pub(crate) fn answer(&mut self, step: &str, from: At, make: impl Fn(&Ip) -> Ip) {
        let answers = self.last.each_ref().map(|last| {
            let last = last[from as usize].as_ref();
            let last = last.unwrap_or_else(|| panic!("{}: nothing to answer to", self.case));
            vec![make(last)]
        });
        self.step(step, from, &answers);
    }

    fn step(&mut self, step: &str, from: At, packets: &[Vec<Ip>; 2]) {
        let [ours, theirs] = &mut self.labs;
        let [our_packets, their_packets] =
            packets.each_ref().map(|all| all.iter().map(|ip| ip.0.clone()).collect::<Vec<_>>());
        let arrived = [ours.send(from, &our_packets), theirs.send(from, &their_packets)];
        for at in At::ALL {
            for (lab, arrived) in arrived.iter().enumerate() {
                if let Some(packet) = arrived[at as usize].last() {
                    self.last[lab][at as usize] = Some(Ip(packet.clone()));
                }
            }
            let [ours, theirs] = arrived.each_ref().map(|arrived| &arrived[at as usize][..]);
            self.compare(step, at, packets, ours, theirs);
        }
    }

    fn compare(
        &mut self,
        step: &str,
        at: At,
        sent: &[Vec<Ip>; 2],
        ours: &[Vec<u8>],
        theirs: &[Vec<u8>],
    ) {
        let [our_kinds, their_kinds] = [ours, theirs].map(|packets| {
            let kinds: Vec<_> = packets.iter().map(|packet| summary(packet)).collect();
            if kinds.is_empty() { "nothing".to_owned() } else { kinds.join(", ") }
        });
        if ours.len() != theirs.len() {
            self.differ(step, at, "packets", our_kinds, their_kinds);
            return;
        }
        for (number, (ours, theirs)) in ours.iter().zip(theirs).enumerate() {
            let nth = if number == 0 { String::new() } else { format!("{}. ", number + 1) };
            let [our_fields, their_fields] = [ours, theirs].map(|packet| fields(packet));
            let of = |name: &str, fields: &[(String, String)]| {
                let found = fields.iter().find(|(field, _)| field == name);
                found.map_or("absent".to_owned(), |(_, value)| value.clone())
            };
            let mut names: Vec<_> = our_fields.iter().map(|(name, _)| name.clone()).collect();
            for (name, _) in &their_fields {
                if !names.contains(name) {
                    names.push(name.clone());
                }
            }
            let before = self.differences.len();
            for name in names {
                let (mine, other) = (of(&name, &our_fields), of(&name, &their_fields));
                if mine == other || is_chosen(&name, at, sent, ours, theirs) {
                    continue;
                }
                let is_identified = match name.as_str() {
                    "id" => self.leaves_under_an_outside_address(at) && may_be_fragmented(ours),
                    "quoted id" => ours.get(28..).is_some_and(may_be_fragmented),
                    _ => false,
                };
                if is_identified && is_as_sent(&name, sent, theirs) {
                    self.differences.insert(of_every_case(&name));
                    continue;
                }
                // A random port differs in each run.
                let drawn = name == "source port" && at == At::Lan;
                let is_moved = drawn && Ip(ours.clone()).source_port() != sent[0][0].source_port();
                let mine = if is_moved { "another".to_owned() } else { mine };
                self.differ(step, at, &format!("{nth}{name}"), mine, other);
            }
            self.alike += usize::from(before == self.differences.len());
        }
    }

    /// Whether packets arrive at this end with an outside address: in the LAN, and at both ends of
    /// a hairpin.
    fn leaves_under_an_outside_address(&self, at: At) -> bool {
        at == At::Lan || self.case.starts_with("hairpin")
    }

    fn differ(&mut self, step: &str, at: At, what: &str, ours: String, netfilters: String) {
        self.differences.insert(Difference {
            case: self.case.clone(),
            step: step.to_owned(),
            at: at.name().to_owned(),
            what: what.to_owned(),
            ours: short(ours),
            netfilters: short(netfilters),
        });
    }
}

/// The text for a table: of long payloads only the beginning.
fn short(mut text: String) -> String {
    if text.is_empty() {
        return "empty".to_owned();
    }
    if text.len() > 60 {
        text.truncate(60);
        text.push('…');
    }
    text
}

/// The name of the case for the IP ID (RFC 6864), which differs in every case and is listed once.
pub(crate) const EVERY_CASE: &str = "every";

fn of_every_case(field: &str) -> Difference {
    let what = format!("{field} of what may be fragmented");
    let [case, step, at, ours, netfilters] =
        [EVERY_CASE, "every", "every", "new", "kept"].map(str::to_owned);
    Difference { case, step, at, what, ours, netfilters }
}

/// Whether netfilter has kept the IP ID of a packet of this or an earlier step.
fn is_as_sent(field: &str, sent: &[Vec<Ip>; 2], theirs: &[u8]) -> bool {
    let id = |packet: &[u8]| u16::from_be_bytes([packet[4], packet[5]]);
    match field {
        "id" => sent[1].iter().any(|sent| id(&sent.0) == id(theirs)),
        _ => theirs.get(28..34).is_some_and(|quoted| id(quoted) == ID),
    }
}

fn may_be_fragmented(packet: &[u8]) -> bool {
    packet.get(6).is_some_and(|flags| flags & 0x40 == 0)
}

/// Whether both routers may choose this value: a port that neither could keep, and the IP ID of a
/// packet that the router has made itself.
fn is_chosen(name: &str, at: At, sent: &[Vec<Ip>; 2], ours: &[u8], theirs: &[u8]) -> bool {
    // The protocol, and the type of ICMP: a translation changes neither.
    let kind = |packet: &[u8]| (packet[9], (packet[9] == 1).then(|| packet.get(20).copied()));
    let is_own = |packet: &[u8]| sent.iter().flatten().all(|sent| kind(&sent.0) != kind(packet));
    match name {
        "id" => is_own(ours) && is_own(theirs),
        "source port" | "identifier and sequence" if at == At::Lan => {
            let both = [Ip(ours.to_vec()), Ip(theirs.to_vec())];
            let kept = both.iter().zip(sent).any(|(arrived, sent)| {
                if name == "source port" {
                    arrived.source_port() == sent[0].source_port()
                } else {
                    arrived.identifier() == sent[0].identifier()
                }
            });
            !kept && both.iter().all(|packet| packet.source_port() >= 1024 || packet.0[9] == 1)
        }
        _ => false,
    }
}
