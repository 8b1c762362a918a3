//! Taking all connections out of a router's table.

use std::{
    io::Read as _,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use netns_tests::enter;
use netns_user::datapath::Datapath;
use nix::libc;
use socket2::{Domain, Protocol, Socket, Type};

use crate::{modes::Mode, places::Place};

/// Empties the table that a mode tracks connections in, if it does, and returns how long that
/// took.
///
/// # Errors
/// When the table cannot be had.
pub(crate) fn forget(place: &Place) -> Result<Duration> {
    let begin = Instant::now();
    match place.mode {
        Mode::Cable | Mode::Routed => {}
        Mode::Ours | Mode::OursViaStack => {
            let flushed = Datapath::open(&place.router).and_then(|ours| ours.flush_flows());
            flushed.context("cannot flush the flow table")?;
        }
        Mode::IptablesNft
        | Mode::IptablesNftPlainBridge
        | Mode::IptablesLegacy
        | Mode::Nftables
        | Mode::Flowtable => {
            enter(Some(&place.router), flush_conntrack).context("cannot flush conntrack")?;
        }
    }
    Ok(begin.elapsed())
}

/// What `conntrack -F` asks the kernel for, in the namespace that the thread is in.
fn flush_conntrack() -> Result<()> {
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
