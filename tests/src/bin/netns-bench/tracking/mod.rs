//! The tables that modes track connections in.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use netns_tests::enter;
use netns_user::datapath::Datapath;

use crate::{modes::Mode, places::Place};

mod conntrack;
mod ours;

/// Which table a mode has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Table {
    None,
    Conntrack,
    Ours,
}

impl Table {
    fn of(place: &Place) -> Self {
        match place.mode {
            Mode::Cable | Mode::Routed => Self::None,
            Mode::Ours | Mode::OursPeer | Mode::OursViaStack => Self::Ours,
            Mode::IptablesNft
            | Mode::IptablesNftPlainBridge
            | Mode::IptablesLegacy
            | Mode::Nftables
            | Mode::Flowtable => Self::Conntrack,
        }
    }
}

/// How many connections were taken out of a table, and how long that took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Forgotten {
    pub(crate) flows: u64,
    pub(crate) time: Duration,
}

/// Empties the table of a mode, if it has one.
///
/// # Errors
/// When the table cannot be had.
pub(crate) fn forget(place: &Place) -> Result<Forgotten> {
    let mut begin = Instant::now();
    let flows = match Table::of(place) {
        Table::None => 0,
        Table::Ours => {
            let flushed = Datapath::open(&place.router).and_then(|ours| ours.flush_flows());
            u64::try_from(flushed.context("cannot flush the flow table")?)?
        }
        Table::Conntrack => {
            let flows = conntrack::count(place)?;
            begin = Instant::now();
            enter(Some(&place.router), conntrack::flush).context("cannot flush conntrack")?;
            flows
        }
    };
    Ok(Forgotten { flows, time: begin.elapsed() })
}

/// Whether a mode has room for so many connections.
///
/// # Errors
/// With what limits it, when it has not.
pub(crate) fn has_room(place: &Place, flows: u64) -> Result<()> {
    let table = Table::of(place);
    let room = if table == Table::None { u64::MAX } else { capacity(place)? };
    if flows <= room {
        return Ok(());
    }
    match table {
        // As many buckets as connections are what the kernel chooses by itself.
        Table::Conntrack => bail!(
            "conntrack holds {room} connections here, not {flows}: `sysctl -w \
             net.netfilter.nf_conntrack_max={flows} net.netfilter.nf_conntrack_buckets={flows}` on \
             the machine lets it hold as many"
        ),
        Table::None | Table::Ours => bail!("the flow table holds {room} connections, not {flows}"),
    }
}

/// How many connections a table is to hold at most.
pub(crate) fn capacity(place: &Place) -> Result<u64> {
    match Table::of(place) {
        Table::None => bail!("{} tracks no connections", place.mode.name()),
        Table::Conntrack => conntrack::limit(place),
        Table::Ours => Ok(Datapath::open(&place.router)?.flow_capacity()?.into()),
    }
}

/// Whether a table has all of so many connections that were begun: it may have made room for some by
/// forgetting others.
pub(crate) fn holds(place: &Place, flows: u64) -> Result<()> {
    let held = match Table::of(place) {
        Table::None => return Ok(()),
        Table::Conntrack => conntrack::count(place)?,
        Table::Ours => ours::count(&place.router)?,
    };
    ensure!(held * 100 >= flows * 99, "only {held} of {flows} connections live");
    Ok(())
}

/// The memory that connections take, in bytes; only the growth from one time to the next means
/// something, but for a table that has all its memory from the beginning.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Memory {
    before: u64,
}

impl Memory {
    /// While the table is empty.
    pub(crate) fn of_empty(place: &Place) -> Result<Self> {
        let before = match Table::of(place) {
            Table::None | Table::Ours => 0,
            Table::Conntrack => conntrack::memory()?,
        };
        Ok(Self { before })
    }

    /// What has come in addition.
    pub(crate) fn taken(self, place: &Place) -> Result<u64> {
        let now = match Table::of(place) {
            Table::None => 0,
            Table::Ours => ours::memory(&place.router)?,
            Table::Conntrack => conntrack::memory()?,
        };
        Ok(now.saturating_sub(self.before))
    }
}
