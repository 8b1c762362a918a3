//! Reading the tables of iptables-legacy, by `getsockopt` (linux/netfilter_ipv4/ip_tables.h).

use std::{
    collections::BTreeMap,
    fs, io,
    net::{Ipv4Addr, UdpSocket},
    os::fd::AsRawFd as _,
};

use ipnet::Ipv4Net;

use super::{
    ruleset::{
        Action, Chain, Condition, Interface, InterfaceName, NatHook, Origin, Policy, Rule, text,
    },
    xt,
};
use crate::net::NetError;

/// `IPT_SO_GET_INFO` and `IPT_SO_GET_ENTRIES`.
const GET_INFO: libc::c_int = 64;
const GET_ENTRIES: libc::c_int = 65;

/// `NF_INET_…`, indexes into the table's hooks.
const PREROUTING: usize = 0;
const FORWARD: usize = 2;
const POSTROUTING: usize = 4;

/// The hooks that are read of a table, with the names of their chains.
const HOOKS: [(usize, &str); 2] = [(PREROUTING, "PREROUTING"), (POSTROUTING, "POSTROUTING")];
const FORWARD_HOOK: [(usize, &str); 1] = [(FORWARD, "FORWARD")];

/// The table that translates addresses.
const NAT: &str = "nat";

/// Bytes of a table's name, of `struct ipt_getinfo`, of the part before the entries in `struct
/// ipt_get_entries`, of `struct ipt_entry`, and of the header of a match or target.
const NAME: usize = 32;
const INFO: usize = 84;
const ENTRIES_HEAD: usize = 40;
const ENTRY: usize = 112;
const EXTENSION: usize = 32;

/// Inverting flags of `struct ipt_ip`.
const NOT_IN: u8 = 0x01;
const NOT_OUT: u8 = 0x02;

/// Flags of `struct ipt_ip`.
const FRAGMENT: u8 = 0x01;
const GOTO: u8 = 0x02;

/// A standard target that ends the chain: `XT_RETURN`, and verdicts as `-NF_… - 1`.
const RETURN: i32 = -5;
const DROP: i32 = -1;
const ACCEPT: i32 = -2;

pub(super) fn chains() -> Result<Vec<Chain>, NetError> {
    // A table is listed after its first use; a request for another table would create it.
    let names = match fs::read_to_string("/proc/thread-self/net/ip_tables_names") {
        Ok(names) => names,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(NetError::refused("list the tables of iptables", error)),
    };
    let mut chains = Vec::new();
    for table in names.lines() {
        let action = || format!("read the table {table} of iptables-legacy");
        let bytes = read(table).map_err(|error| NetError::refused(action(), error))?;
        chains.extend(parse(table, &bytes.0, &bytes.1).ok_or_else(|| NetError::Protocol {
            action: action(),
            answer: "an incomplete entry".into(),
        })?);
    }
    Ok(chains)
}

/// The table's `struct ipt_getinfo` and its entries.
fn read(table: &str) -> io::Result<(Vec<u8>, Vec<u8>)> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    let mut info = named(table, INFO);
    get(&socket, GET_INFO, &mut info)?;
    let size = word(&info, INFO - 4).unwrap_or(0);
    let mut entries = named(table, ENTRIES_HEAD + usize::try_from(size).unwrap_or(0));
    entries[NAME..NAME + 4].copy_from_slice(&size.to_ne_bytes());
    get(&socket, GET_ENTRIES, &mut entries)?;
    entries.drain(..ENTRIES_HEAD);
    Ok((info, entries))
}

/// A request about a table: its name and zeroes.
fn named(table: &str, length: usize) -> Vec<u8> {
    let mut bytes: Vec<u8> = table.bytes().take(NAME - 1).collect();
    bytes.resize(length, 0);
    bytes
}

fn get(socket: &UdpSocket, option: libc::c_int, bytes: &mut [u8]) -> io::Result<()> {
    let too_large = |_| io::Error::from(io::ErrorKind::FileTooLarge);
    let mut length = libc::socklen_t::try_from(bytes.len()).map_err(too_large)?;
    // SAFETY: the socket is open, and pointer and length are those of `bytes`.
    let code = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_IP,
            option,
            bytes.as_mut_ptr().cast(),
            &raw mut length,
        )
    };
    if code == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// An entry: a rule, or (target `ERROR`) the head of a chain or the end of the table.
struct Entry<'a> {
    /// From `struct ipt_entry` on.
    bytes: &'a [u8],
    /// Offsets of its target in `bytes` and of the next entry in the table.
    target: usize,
    next: usize,
    /// The target's name, and what follows it.
    kind: String,
    data: &'a [u8],
}

impl<'a> Entry<'a> {
    fn at(entries: &'a [u8], at: usize) -> Option<Self> {
        let next = at + usize::from(half(entries, at + 90)?);
        let bytes = entries.get(at..next).filter(|bytes| bytes.len() >= ENTRY)?;
        let target = usize::from(half(bytes, 88)?);
        let kind = text(bytes.get(target + 2..target + EXTENSION - 1)?);
        Some(Self { bytes, target, next, kind, data: bytes.get(target + EXTENSION..)? })
    }

    fn action(&self, names: &BTreeMap<usize, String>) -> Option<Action> {
        Some(match self.kind.as_str() {
            "" => match word(self.data, 0)?.cast_signed() {
                DROP => Action::Drop,
                ACCEPT => Action::Accept,
                RETURN => Action::Return,
                verdict => match usize::try_from(verdict) {
                    Ok(place) if place != self.next => {
                        let is_goto = self.bytes[82] & GOTO != 0;
                        let to = if is_goto { Action::Goto } else { Action::Jump };
                        to(names.get(&place)?.clone())
                    }
                    _ => Action::Continue,
                },
            },
            name => xt::action(name, self.data),
        })
    }

    fn conditions(&self) -> Option<Vec<Condition>> {
        let bytes = self.bytes;
        let mut conditions = Vec::new();
        let network = |address: usize, mask: usize| {
            let octets =
                |at: usize| Some(Ipv4Addr::from(<[u8; 4]>::try_from(&bytes[at..at + 4]).ok()?));
            Ipv4Net::with_netmask(octets(address)?, octets(mask)?).ok()
        };
        let is_plain = bytes[83] & !(NOT_IN | NOT_OUT) == 0 && bytes[82] & FRAGMENT == 0;
        match (network(0, 8), network(4, 12), bytes[81]) {
            // `proto` has 16 bits.
            (Some(source), Some(destination), 0) if is_plain => {
                let addresses = [Condition::Source(source), Condition::Destination(destination)];
                let protocol = Some(Condition::Protocol(bytes[80])).filter(|_| bytes[80] != 0);
                conditions.extend(addresses.into_iter().filter(|it| !it.is_for_all()));
                conditions.extend(protocol);
            }
            _ => conditions.push(Condition::Other),
        }
        let interface = |name: usize, mask: usize, flag: u8| {
            let compared = bytes[mask..mask + 16].iter().take_while(|byte| **byte != 0).count();
            let name = InterfaceName::compared(&bytes[name..name + compared]);
            (compared > 0).then_some(Interface { name, negated: bytes[83] & flag != 0 })
        };
        conditions.extend(interface(16, 48, NOT_IN).map(Condition::In));
        conditions.extend(interface(32, 64, NOT_OUT).map(Condition::Out));
        let mut extension = ENTRY;
        while extension < self.target {
            let name = text(bytes.get(extension + 2..extension + EXTENSION - 1)?);
            let end = extension + usize::from(half(bytes, extension)?).max(1);
            let data = bytes.get(extension + EXTENSION..end).unwrap_or_default();
            conditions.extend(xt::condition(&name, data));
            extension = end;
        }
        Some(conditions)
    }
}

/// The chains of the hooks that matter and the chains that rules jump to; `None` if the bytes
/// cannot be understood.
fn parse(table: &str, info: &[u8], entries: &[u8]) -> Option<Vec<Chain>> {
    let valid = word(info, NAME)?;
    let hooks: &[(usize, &str)] = if table == NAT { &HOOKS } else { &FORWARD_HOOK };
    let hooks = hooks.iter().filter(|(hook, _)| valid & (1 << hook) != 0);
    // The entries by their offset, the chains by the offset of their first rule, and the offsets of
    // the policies.
    let mut list = BTreeMap::new();
    let mut names = BTreeMap::new();
    let mut bases = BTreeMap::new();
    for (hook, name) in hooks {
        let start = offset(info, NAME + 4 + 4 * hook)?;
        names.insert(start, (*name).to_owned());
        bases.insert(start, (*hook, offset(info, NAME + 24 + 4 * hook)?));
    }
    if bases.is_empty() {
        return Some(Vec::new());
    }
    let mut at = 0;
    while at < entries.len() {
        let entry = Entry::at(entries, at)?;
        let next = entry.next;
        if entry.kind == "ERROR" {
            names.insert(next, text(entry.data));
        }
        list.insert(at, entry);
        at = next;
    }
    let chain = |(start, name): (&usize, &String)| {
        let base = bases.get(start);
        let is_end = |at: usize, entry: &Entry<'_>| {
            entry.kind == "ERROR" || base.is_some_and(|(_, policy)| *policy == at)
        };
        let rule = |(number, (_, entry)): (u64, (&usize, &Entry<'_>))| {
            let (conditions, action) = (entry.conditions()?, entry.action(&names)?);
            Some(Rule { number, conditions, action })
        };
        let rules = list.range(start..).take_while(|(at, entry)| !is_end(**at, entry));
        let policy = |at: usize| match list.get(&at).and_then(|entry| entry.action(&names)) {
            Some(Action::Drop) => Policy::Drop,
            _ => Policy::Accept,
        };
        Some(Chain {
            origin: Origin::Legacy,
            table: table.to_owned(),
            name: name.clone(),
            forward_policy: base.filter(|(hook, _)| *hook == FORWARD).map(|(_, at)| policy(*at)),
            nat: base.and_then(|(hook, _)| match *hook {
                PREROUTING => Some(NatHook::Prerouting),
                POSTROUTING => Some(NatHook::Postrouting),
                _ => None,
            }),
            rules: (1..).zip(rules).map(rule).collect::<Option<_>>()?,
        })
    };
    // After the last entry there is no chain.
    names.iter().filter(|(start, _)| list.contains_key(start)).map(chain).collect()
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn offset(bytes: &[u8], at: usize) -> Option<usize> {
    usize::try_from(word(bytes, at)?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_that_end_too_early_are_no_table() {
        let mut info = named("filter", INFO);
        info[NAME] = 1 << FORWARD;
        assert_eq!(parse("filter", &info, &[]), Some(Vec::new()));
        assert_eq!(parse("filter", &info, &[0; ENTRY]), None);
        assert_eq!(parse("filter", &info[..40], &[]), None);
    }

    #[test]
    fn a_table_without_forwarded_packets_has_no_chain() {
        assert_eq!(parse("raw", &named("raw", INFO), &[1, 2, 3]), Some(Vec::new()));
    }
}
