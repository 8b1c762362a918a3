//! Counts the connections that each link has begun, for a person.

use aya::maps::{HashMap, MapData, MapError};
use netns_common::abi::{BridgePort, Load, OTHER_NATS, UsageSlot, WHOLE_TABLE, maps};
use schemars::JsonSchema;
use serde::Serialize;

use super::{
    Datapath,
    configure::Interfaces,
    error::{DatapathError, map_error},
};

/// The connections of one link in the flow table. A connection to a forward of another namespace
/// counts twice, because it has two records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct UsageStatus {
    /// The interface by which the first packets came in: a port of a bridge, or an uplink; `None`:
    /// an interface that the router no longer has, or an inside end behind a namespace.
    pub interface: Option<String>,
    /// Whether these are the connections of other NATs on the machine, by whatever interface.
    pub of_other_nats: bool,
    /// Its connections.
    pub connections: u64,
    /// Those that have no answer yet; for TCP connections from outside, those that are not open
    /// yet.
    pub unreplied: u64,
    /// The largest possible number of `connections`.
    pub quota: u32,
    /// The largest possible number of `unreplied`.
    pub unreplied_quota: u32,
}

impl Datapath {
    /// The links that have connections, in the order of their names. Must run on a thread inside
    /// the router's namespace, where interface names are known.
    pub fn usage(&self) -> Result<Vec<UsageStatus>, DatapathError> {
        let error = map_error(maps::USAGE);
        let settings = self.settings()?;
        let limits = settings.limits;
        let interfaces = Interfaces::read()?;
        let ports: HashMap<MapData, u32, BridgePort> = self.map(maps::BRIDGE_PORTS)?;
        let map: HashMap<MapData, u32, UsageSlot> = self.map(maps::USAGE)?;
        let mut usage = std::collections::HashMap::new();
        for entry in map.iter() {
            match entry {
                Ok((link, slot)) => {
                    usage.insert(link, slot.usage.load());
                }
                // The sweeper removes entries of links without connections.
                Err(MapError::KeyNotFound) => {}
                Err(cause) => return Err(error(cause)),
            }
        }
        usage.remove(&WHOLE_TABLE);
        let of_other_nats = usage.remove(&OTHER_NATS).filter(|load| load.flows > 0);
        let status = |(link, load): (u32, Load)| {
            let own = ports.get(&link, 0).map_or(0, |port| port.quota);
            let is_uplink = settings.uplinks.contains(&link);
            UsageStatus {
                interface: interfaces.name(link).map(str::to_owned),
                of_other_nats: false,
                connections: load.flows,
                unreplied: load.unreplied,
                quota: if own == 0 { limits.quota } else { own },
                unreplied_quota: if is_uplink { limits.half_open } else { limits.unreplied },
            }
        };
        let busy = usage.into_iter().filter(|(_, load)| load.flows > 0);
        let mut usage: Vec<_> = busy.map(status).collect();
        usage.extend(of_other_nats.map(|load| UsageStatus {
            interface: None,
            of_other_nats: true,
            connections: load.flows,
            unreplied: load.unreplied,
            quota: limits.other_nats,
            unreplied_quota: limits.other_nats,
        }));
        usage.sort_by(|a, b| a.interface.cmp(&b.interface));
        Ok(usage)
    }
}
