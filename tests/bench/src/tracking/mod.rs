//! The connection tables of the modes: conntrack, or our own flow table.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use netns_tests::enter;
use netns_user::datapath::Datapath;

use crate::{modes::Mode, network::Network};

mod conntrack;
mod ours;

/// The connection table of a mode.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Table {
    None,
    Conntrack,
    Ours,
}

impl Table {
    fn of(network: &Network) -> Self {
        match network.mode {
            Mode::Cable | Mode::Routed => Self::None,
            Mode::Ours | Mode::OursPeer | Mode::OursViaStack => Self::Ours,
            Mode::IptablesNft
            | Mode::IptablesNftNoBrNetfilter
            | Mode::IptablesLegacy
            | Mode::Nftables
            | Mode::Flowtable => Self::Conntrack,
        }
    }
}

/// How many connections a flush removed, and how long it took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Flushed {
    pub(crate) flows: u64,
    pub(crate) time: Duration,
}

/// Flushes the connection table of a mode, if it has one.
///
/// # Errors
/// When the table cannot be opened or flushed.
pub(crate) fn flush(network: &Network) -> Result<Flushed> {
    let mut begin = Instant::now();
    let flows = match Table::of(network) {
        Table::None => 0,
        Table::Ours => {
            let flushed = Datapath::open(&network.router).and_then(|ours| ours.flush_flows());
            u64::try_from(flushed.context("cannot flush the flow table")?)?
        }
        Table::Conntrack => {
            let flows = conntrack::count(network)?;
            begin = Instant::now();
            enter(Some(&network.router), conntrack::flush).context("cannot flush conntrack")?;
            flows
        }
    };
    Ok(Flushed { flows, time: begin.elapsed() })
}

/// Checks that the table of a mode has room for `flows` connections.
///
/// # Errors
/// When it has not; the text names the setting that limits it.
pub(crate) fn ensure_capacity(network: &Network, flows: u64) -> Result<()> {
    let table = Table::of(network);
    let room = if table == Table::None { u64::MAX } else { capacity(network)? };
    if flows <= room {
        return Ok(());
    }
    match table {
        // By default the kernel has as many buckets as connections, so the advice keeps that.
        Table::Conntrack => bail!(
            "conntrack holds {room} connections here, not {flows}: `sysctl -w \
             net.netfilter.nf_conntrack_max={flows} net.netfilter.nf_conntrack_buckets={flows}` on \
             the machine lets it hold as many"
        ),
        Table::None | Table::Ours => bail!("the flow table holds {room} connections, not {flows}"),
    }
}

/// The most connections that a table holds.
pub(crate) fn capacity(network: &Network) -> Result<u64> {
    match Table::of(network) {
        Table::None => bail!("{} tracks no connections", network.mode.name()),
        Table::Conntrack => conntrack::limit(network),
        Table::Ours => Ok(Datapath::open(&network.router)?.flow_capacity()?.into()),
    }
}

/// Checks that `flows` connections are still in the table: it may have evicted some for others.
pub(crate) fn ensure_all_live(network: &Network, flows: u64) -> Result<()> {
    let held = match Table::of(network) {
        Table::None => return Ok(()),
        Table::Conntrack => conntrack::count(network)?,
        Table::Ours => ours::count(&network.router)?,
    };
    ensure!(held * 100 >= flows * 99, "only {held} of {flows} connections live");
    Ok(())
}

/// The memory of connections in bytes, as the growth since the table was empty. Our own table has
/// all its memory from the beginning.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    before: u64,
}

impl Memory {
    /// Reads the memory in use while the table is empty.
    pub(crate) fn baseline(network: &Network) -> Result<Self> {
        let before = match Table::of(network) {
            Table::None | Table::Ours => 0,
            Table::Conntrack => conntrack::memory()?,
        };
        Ok(Self { before })
    }

    /// The memory that has been added since.
    pub(crate) fn growth(self, network: &Network) -> Result<u64> {
        let now = match Table::of(network) {
            Table::None => 0,
            Table::Ours => ours::memory(&network.router)?,
            Table::Conntrack => conntrack::memory()?,
        };
        Ok(now.saturating_sub(self.before))
    }
}
