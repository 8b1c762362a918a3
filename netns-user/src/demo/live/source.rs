//! A running datapath as a source of snapshots.

use std::time::{Duration, Instant};

use super::{DropSample, FlowSample, RuleSample, Snapshot, Source};
use crate::{
    datapath::{Datapath, FlowStatus, RuleStatus},
    net::Netns,
};

/// A router of a lab that is up.
#[derive(Debug)]
pub struct LivingLab {
    datapath: Datapath,
    netns: Netns,
}

impl LivingLab {
    /// Opens the datapath of that name in the namespace `netns`. If a `netns log` was killed, its
    /// programs are replaced first.
    ///
    /// # Errors
    /// When there is none.
    pub fn open(name: &str, netns: Netns) -> anyhow::Result<Self> {
        let datapath = Datapath::open(name)?;
        datapath.end_dead_log()?;
        Ok(Self { datapath, netns })
    }
}

impl Source for LivingLab {
    fn sample(&mut self) -> anyhow::Result<Snapshot> {
        let datapath = &self.datapath;
        let masquerades = self.netns.run(|| datapath.masquerades())??;
        let mut rules: Vec<RuleSample> = masquerades.iter().map(rule_sample).collect();
        rules.extend(datapath.forwards()?.iter().map(rule_sample));
        let drops = datapath.drops()?;
        let mut flows = Vec::new();
        datapath.each_flow(|flow| flows.push(flow_sample(&flow)))?;
        Ok(Snapshot {
            at: Instant::now(),
            rules,
            drops: drops
                .iter()
                .map(|drop| DropSample {
                    reason: drop.reason,
                    packets: drop.packets,
                    bytes: drop.bytes,
                })
                .collect(),
            flow_count: flows.len() as u64,
            flows,
            capacity: datapath.flow_capacity()?.into(),
        })
    }
}

fn rule_sample<R: ToString>(status: &RuleStatus<R>) -> RuleSample {
    let RuleStatus { id, rule, flows, packets, bytes } = status;
    RuleSample {
        id: u32::from(*id),
        rule: rule.to_string(),
        flows: *flows,
        packets: *packets,
        bytes: *bytes,
    }
}

fn flow_sample(flow: &FlowStatus) -> FlowSample {
    FlowSample {
        protocol: flow.protocol,
        state: flow.state,
        kind: flow.kind,
        inside: flow.inside,
        external: flow.external,
        remote: flow.remote,
        age: Duration::from_secs(flow.age_seconds.into()),
        packets: u64::from(flow.packets_out) + u64::from(flow.packets_in),
        bytes: flow.bytes_out + flow.bytes_in,
    }
}
