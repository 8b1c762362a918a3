//! Reading the tables of iptables-legacy, by `getsockopt` (linux/netfilter_ipv4/ip_tables.h).

use std::{
    collections::BTreeMap,
    fs, io,
    net::{Ipv4Addr, UdpSocket},
    os::fd::AsRawFd as _,
};

use super::ruleset::{Action, Chain, Condition, Interface, InterfaceName, Origin, Policy, Rule};
use crate::net::NetError;

/// `IPT_SO_GET_INFO` and `IPT_SO_GET_ENTRIES`.
const GET_INFO: libc::c_int = 64;
const GET_ENTRIES: libc::c_int = 65;

/// `NF_INET_FORWARD`, an index into the table's hooks.
const FORWARD: usize = 2;

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
    for table in names.lines().filter(|table| *table != "nat") {
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

/// The chain FORWARD and the chains that rules jump to; `None` if the bytes cannot be understood.
fn parse(table: &str, info: &[u8], entries: &[u8]) -> Option<Vec<Chain>> {
    let hooks = word(info, NAME)?;
    if hooks & (1 << FORWARD) == 0 {
        return Some(Vec::new());
    }
    let forward = offset(info, NAME + 4 + 4 * FORWARD)?;
    let policy_at = offset(info, NAME + 24 + 4 * FORWARD)?;
    // The entries by their offset, and the chains by the offset of their first rule.
    let mut list = Vec::new();
    let mut names = BTreeMap::from([(forward, "FORWARD".to_owned())]);
    let mut at = 0;
    while at < entries.len() {
        let next = at + usize::from(half(entries, at + 90)?);
        let target = at + usize::from(half(entries, at + 88)?);
        let name = text(entries.get(target + 2..target + EXTENSION - 1)?);
        if name == "ERROR" {
            names.insert(next, text(entries.get(target + EXTENSION..next)?));
        }
        list.push((at, target, next, name));
        if next <= at {
            return None;
        }
        at = next;
    }
    let new = |name: &String, forward_policy| Chain {
        origin: Origin::Legacy,
        table: table.to_owned(),
        name: name.clone(),
        forward_policy,
        rules: Vec::new(),
    };
    let mut chains: Vec<Chain> = Vec::new();
    let mut open = false;
    for (at, target, next, kind) in &list {
        if let Some(name) = names.get(at) {
            chains.push(new(name, (*at == forward).then_some(Policy::Accept)));
            open = true;
        }
        if kind == "ERROR" {
            open = false;
        }
        let Some(chain) = chains.last_mut().filter(|_| open) else { continue };
        let action = action(entries, *at, *target, *next, kind, &names)?;
        if *at == policy_at {
            let policy = if action == Action::Drop { Policy::Drop } else { Policy::Accept };
            chain.forward_policy = Some(policy);
            open = false;
        } else {
            chain.rules.push(Rule { conditions: conditions(entries, *at, *target)?, action });
        }
    }
    Some(chains)
}

fn action(
    entries: &[u8],
    at: usize,
    target: usize,
    next: usize,
    kind: &str,
    names: &BTreeMap<usize, String>,
) -> Option<Action> {
    Some(match kind {
        "" => {
            let verdict = word(entries, target + EXTENSION)?.cast_signed();
            let place = usize::try_from(verdict).ok();
            match (verdict, place) {
                (DROP, _) => Action::Drop,
                (ACCEPT, _) => Action::Accept,
                (RETURN, _) => Action::Return,
                (_, Some(place)) if place != next => {
                    let chain = names.get(&place)?.clone();
                    if entries.get(at + 82)? & GOTO == 0 {
                        Action::Jump(chain)
                    } else {
                        Action::Goto(chain)
                    }
                }
                _ => Action::Continue,
            }
        }
        "REJECT" => Action::Drop,
        _ => Action::Continue,
    })
}

fn conditions(entries: &[u8], at: usize, target: usize) -> Option<Vec<Condition>> {
    let entry = entries.get(at..at + ENTRY)?;
    let inverted = entry[83];
    let mut conditions = Vec::new();
    // Source and destination masks, the protocol, and the flag for fragments.
    let addresses = entry[8..16].iter().any(|byte| *byte != 0);
    if addresses || entry[80..82] != [0, 0] || entry[82] & FRAGMENT != 0 {
        conditions.push(Condition::Other);
    }
    let interface = |name: usize, mask: usize, flag: u8| {
        let compared = entry.get(mask..mask + 16)?.iter().take_while(|byte| **byte != 0).count();
        // For a pattern such as "br-+" everything before the "+" is compared, for a name also its
        // end.
        let bytes = entry.get(name..name + compared)?;
        let name = match bytes.last()? {
            0 => InterfaceName::Exact(text(bytes)),
            _ => InterfaceName::Prefix(text(bytes)),
        };
        Some(Interface { name, negated: inverted & flag != 0 })
    };
    conditions.extend(interface(16, 48, NOT_IN).map(Condition::In));
    conditions.extend(interface(32, 64, NOT_OUT).map(Condition::Out));
    let mut extension = at + ENTRY;
    while extension < target {
        let size = usize::from(half(entries, extension)?);
        match text(entries.get(extension + 2..extension + EXTENSION - 1)?).as_str() {
            "conntrack" | "state" => conditions.push(Condition::Connection),
            "comment" => {}
            _ => conditions.push(Condition::Other),
        }
        extension += size.max(1);
    }
    Some(conditions)
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

/// A text that ends at the first zero byte.
fn text(bytes: &[u8]) -> String {
    let bytes: Vec<u8> = bytes.iter().copied().take_while(|byte| *byte != 0).collect();
    String::from_utf8_lossy(&bytes).into_owned()
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
