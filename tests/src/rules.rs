//! The commands that change and list the rules of a lab that is up.

use serde_json::Value;

use crate::{Output, netns};

/// `netns forward add PROTOCOL PORT TARGET` for the only lab.
#[must_use]
#[track_caller]
pub fn forward_add(protocol: &str, port: u16, target: &str) -> Output {
    netns(&["forward", "add", protocol, &port.to_string(), target])
}

/// `netns forward del PROTOCOL PORT` for the only lab.
#[must_use]
#[track_caller]
pub fn forward_del(protocol: &str, port: u16) -> Output {
    netns(&["forward", "del", protocol, &port.to_string()])
}

/// `netns masquerade add|del SOURCE --uplink UPLINK` for the only lab.
#[must_use]
#[track_caller]
pub fn masquerade(verb: &str, source: &str, uplink: &str) -> Output {
    netns(&["masquerade", verb, source, "--uplink", uplink])
}

/// The lab's rules with their counters, and the drops.
#[must_use]
#[track_caller]
pub fn nat() -> Value {
    netns(&["nat", "--json"]).json()
}

/// The connection records.
///
/// # Panics
/// When the output is not a list.
#[must_use]
#[track_caller]
pub fn flows() -> Vec<Value> {
    let flows = netns(&["flows", "--json"]).json();
    flows.as_array().unwrap_or_else(|| panic!("no list of flows: {flows:#}")).clone()
}

/// How many packets the first router of the only lab has dropped for a reason.
///
/// # Panics
/// When the output does not contain the counter.
#[must_use]
#[track_caller]
pub fn dropped(reason: &str) -> u64 {
    let nat = nat();
    let drops =
        nat["routers"][0]["drops"].as_array().unwrap_or_else(|| panic!("no drops: {nat:#}"));
    drops.iter().find(|drop| drop["reason"] == reason).map_or(0, |drop| count(drop, "packets"))
}

/// A counter of a rule or of a drop.
///
/// # Panics
/// When there is no counter of that name.
#[must_use]
#[track_caller]
pub fn count(of: &Value, name: &str) -> u64 {
    of[name].as_u64().unwrap_or_else(|| panic!("no counter {name} in {of:#}"))
}
