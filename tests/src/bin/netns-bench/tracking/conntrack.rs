//! The kernel's table.

use std::{fs, io::Read as _};

use anyhow::{Context as _, Result, ensure};
use nix::libc;
use socket2::{Domain, Protocol, Socket, Type};

use crate::{places::Place, tools::get};

/// The connections that the router has now.
pub(super) fn count(place: &Place) -> Result<u64> {
    number(place, "netfilter/nf_conntrack_count")
}

/// How many it may have: a setting of the machine's, which its namespaces share.
pub(super) fn limit(place: &Place) -> Result<u64> {
    number(place, "netfilter/nf_conntrack_max")
}

fn number(place: &Place, key: &str) -> Result<u64> {
    get(&place.router, key)?.parse().with_context(|| format!("{key} is no number"))
}

/// What all slab caches together have in use, in bytes. A connection is in several of them: the
/// record, and what extends it.
pub(super) fn memory() -> Result<u64> {
    let text = fs::read_to_string("/proc/slabinfo").context("cannot read /proc/slabinfo")?;
    let of_cache = |line: &str| {
        let mut fields = line.split_whitespace().skip(1).map(str::parse::<u64>);
        let (in_use, _, size) = (fields.next()?.ok()?, fields.next()?, fields.next()?.ok()?);
        Some(in_use * size)
    };
    // Two lines of headings.
    Ok(text.lines().skip(2).filter_map(of_cache).sum())
}

/// What `conntrack -F` asks the kernel for, in the namespace that the thread is in.
pub(super) fn flush() -> Result<()> {
    // A netlink header of a request that wants an answer, and a netfilter header of any family:
    // ctnetlink's IPCTNL_MSG_CT_DELETE without a word about which.
    let kind = (libc::NFNL_SUBSYS_CTNETLINK << 8) | 2;
    let flags = libc::NLM_F_REQUEST | libc::NLM_F_ACK;
    let mut request = 20_u32.to_ne_bytes().to_vec();
    request.extend(u16::try_from(kind)?.to_ne_bytes());
    request.extend(u16::try_from(flags)?.to_ne_bytes());
    request.resize(20, 0);
    let protocol = Protocol::from(libc::NETLINK_NETFILTER);
    let mut socket = Socket::new(Domain::from(libc::AF_NETLINK), Type::RAW, Some(protocol))?;
    socket.send(&request)?;
    let mut answer = [0; 256];
    let length = socket.read(&mut answer)?;
    // The answer is a header and an error number, which is negative or zero.
    ensure!(length >= 20, "the kernel answers {length} bytes");
    let error = i32::from_ne_bytes([answer[16], answer[17], answer[18], answer[19]]);
    ensure!(error == 0, "{}", std::io::Error::from_raw_os_error(-error));
    Ok(())
}
