//! Conntrack, the connection table of the kernel.

use std::{fs, io::Read as _};

use anyhow::{Context as _, Result, ensure};
use nix::libc;
use socket2::{Domain, Protocol, Socket, Type};

use crate::{network::Network, tools::get};

/// The number of connections of the router.
pub(super) fn count(network: &Network) -> Result<u64> {
    number(network, "netfilter/nf_conntrack_count")
}

/// The limit of connections: a setting of the machine that all namespaces share.
pub(super) fn limit(network: &Network) -> Result<u64> {
    number(network, "netfilter/nf_conntrack_max")
}

fn number(network: &Network, key: &str) -> Result<u64> {
    get(&network.router, key)?.parse().with_context(|| format!("{key} is no number"))
}

/// The bytes in use in all slab caches. A connection has objects in several of them: the entry and
/// its extensions.
pub(super) fn memory() -> Result<u64> {
    let text = fs::read_to_string("/proc/slabinfo").context("cannot read /proc/slabinfo")?;
    let of_cache = |line: &str| {
        let mut fields = line.split_whitespace().skip(1).map(str::parse::<u64>);
        let (in_use, _, size) = (fields.next()?.ok()?, fields.next()?, fields.next()?.ok()?);
        Some(in_use * size)
    };
    // The first two lines are headings.
    Ok(text.lines().skip(2).filter_map(of_cache).sum())
}

/// Flushes the table of the thread's namespace, with the same request as `conntrack -F`.
pub(super) fn flush() -> Result<()> {
    // A netlink header with a request for an acknowledgement, and a netfilter header for any
    // family: IPCTNL_MSG_CT_DELETE without a filter deletes all entries.
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
    // The answer is a header and an error number: 0, or a negative errno.
    ensure!(length >= 20, "the kernel answers {length} bytes");
    let error = i32::from_ne_bytes([answer[16], answer[17], answer[18], answer[19]]);
    ensure!(error == 0, "{}", std::io::Error::from_raw_os_error(-error));
    Ok(())
}
