//! Our own flow table.

use std::{fs, os::fd::AsRawFd as _};

use anyhow::{Context as _, Result};
use aya::maps::MapData;
use netns_common::abi::{SCHEMA, maps};
use netns_tests::enter;
use netns_user::datapath::Datapath;

/// The maps whose size the lab's `flow_table` sets.
const MAPS: [&str; 5] =
    [maps::FLOWS, maps::FLOW_TAILS, maps::FLOW_INDEX, maps::FLOW_WORDS, maps::FLOW_SUMMARIES];

/// The number of connections of the router, as the quotas of its links count them.
pub(super) fn count(router: &str) -> Result<u64> {
    let usage = enter(Some(router), || Datapath::open(router)?.usage())?;
    Ok(usage.iter().map(|link| link.connections).sum())
}

/// The bytes that the kernel has allocated for these maps, including the index.
pub(super) fn memory(lab: &str) -> Result<u64> {
    let folder = Datapath::pins_of(lab).join(format!("v{SCHEMA}/maps"));
    let mut bytes = 0;
    for name in MAPS {
        let map = MapData::from_pin(folder.join(name))?;
        let descriptor = std::os::fd::AsFd::as_fd(map.fd()).as_raw_fd();
        let text = fs::read_to_string(format!("/proc/self/fdinfo/{descriptor}"))?;
        let field = text.lines().find_map(|line| line.strip_prefix("memlock:"));
        let of_map: u64 = field.and_then(|text| text.trim().parse().ok()).context("no memlock")?;
        bytes += of_map;
    }
    Ok(bytes)
}
