//! Another size of the flow table, while packets go on: the new table and the programs that use it
//! are made beside the old ones, the flows are copied, and the programs take each other's place.
//! Connections survive, and each link has a program at every moment.

use std::cmp::Reverse;

use aya::{
    Ebpf,
    maps::{Array, HashMap, MapData},
    programs::{SchedClassifier, TestRun as _, TestRunOptions},
};
use netns_common::{
    abi::{
        ETHERNET_HEADER, Flow, FlowCopy, FlowKey, FlowKind, FlowRecord, Mapping, MappingKey,
        RESTORED_AT_ONCE, Settings, Tick, maps, programs, ticks,
    },
    datapath::{Charge, is_expired},
};

use super::{
    Datapath, DatapathError, DatapathSpec,
    attach::{Variant, replace_classifiers, replace_reassembler},
    configure,
    error::{map_error, program_error},
    flows::now,
    object,
};

/// For how long no flow may begin, in seconds, if nobody ends the pause: many times what it takes.
const PAUSE_SECONDS: u32 = 5;

/// Ticks by which clocks of the kernel may be apart.
const CLOCK_SKEW: Tick = 2;

impl Datapath {
    /// Gives the flow table the size of the description. Must run inside the router's namespace.
    /// When it fails before the programs are exchanged, all is as it was. Whoever is killed later
    /// leaves the next table, and so a sign that some programs may use the one table, and some
    /// the other.
    pub(super) fn resize(&self, spec: &DatapathSpec) -> Result<(), DatapathError> {
        self.pins.take_up_rest()?;
        let was_interrupted = self.pins.has_next_flow_table();
        let next = Self { lab: self.lab.clone(), pins: self.pins.with_next_flow_table()? };
        let begin = now()?;
        let prepared = self.fill_next(&next, spec);
        if prepared.is_err() && !was_interrupted {
            // The first error is the one that tells.
            let _ = self.pins.remove_next_flow_table();
        }
        let mut object = prepared?;
        // What began or changed since is copied while nothing begins.
        self.pause(now()?.wrapping_add(ticks(PAUSE_SECONDS)).max(1))?;
        let exchanged = self
            .copy_flows(&mut object, spec, begin.wrapping_sub(CLOCK_SKEW))
            .and_then(|()| self.copy_mappings(&next))
            .and_then(|()| self.exchange(&mut object));
        exchanged.and(self.pause(0))
    }

    /// Makes the next flow table, with programs that use it, and copies the flows into it.
    fn fill_next(&self, next: &Self, spec: &DatapathSpec) -> Result<Ebpf, DatapathError> {
        let mut object = object::load(&next.pins, spec.flow_capacity)?;
        configure::write_flow_layout(next, spec.flow_capacity)?;
        object::fill_stages(&mut object, &next.pins)?;
        self.copy_flows(&mut object, spec, 0)?;
        Ok(object)
    }

    fn exchange(&self, object: &mut Ebpf) -> Result<(), DatapathError> {
        replace_classifiers(object, &self.pins, Variant::Silent)?;
        replace_reassembler(object, &self.pins)?;
        object::start_sweeper(object)?;
        object::replace_forgetter(object, &self.pins)?;
        self.pins.take_up_next_flow_table()
    }

    /// Lets no flow begin before a time; 0: they may.
    fn pause(&self, until: Tick) -> Result<(), DatapathError> {
        let settings = Settings { paused_until: until, ..self.settings()? };
        let mut map: Array<MapData, Settings> = self.map(maps::SETTINGS)?;
        map.set(0, settings, 0).map_err(map_error(maps::SETTINGS))
    }

    /// Copies the living flows that were seen since a time into the table of another object. Where
    /// not all have room, those that are answered come first, and of them those seen last; those of other
    /// NATs come last.
    fn copy_flows(
        &self,
        object: &mut Ebpf,
        spec: &DatapathSpec,
        since: Tick,
    ) -> Result<(), DatapathError> {
        let (now, settings) = (now()?, self.settings()?);
        let mut records = Vec::new();
        self.each_record(|key, flow| {
            if flow.last_seen >= since && !is_expired(&flow, &settings, now) {
                records.push((key, flow));
            }
        })?;
        let is_of_other_nat = |flow: &Flow| flow.kind == FlowKind::OtherNat as u8;
        records.sort_by_key(|(_, flow)| {
            (is_of_other_nat(flow), Charge::of(flow).is_unreplied, Reverse(flow.last_seen))
        });
        // As many as other NATs may have in a table of the new size.
        let mut room = spec.limits.other_nats;
        records.retain(|(_, flow)| {
            let has_room = room > 0;
            room -= u32::from(has_room && is_of_other_nat(flow));
            has_room || !is_of_other_nat(flow)
        });
        let program = object::classifier(object, programs::RESTORE_FLOWS)?;
        records.chunks(RESTORED_AT_ONCE as usize).try_for_each(|flows| restore(program, flows))
    }

    fn copy_mappings(&self, next: &Self) -> Result<(), DatapathError> {
        let error = map_error(maps::MAPPINGS);
        let mut map: HashMap<MapData, MappingKey, Mapping> = next.map(maps::MAPPINGS)?;
        for (key, mapping) in self.entries::<MappingKey, Mapping>(maps::MAPPINGS)? {
            map.insert(key, mapping, 0).map_err(error)?;
        }
        Ok(())
    }
}

fn restore(program: &mut SchedClassifier, flows: &[(FlowKey, Flow)]) -> Result<(), DatapathError> {
    let mut frame = vec![0; ETHERNET_HEADER];
    for (key, flow) in flows {
        let copy = FlowCopy { record: FlowRecord::new(key, flow.head), tail: flow.tail };
        // SAFETY: the structure has no padding, so all of its bytes are initialised.
        frame.extend(unsafe {
            std::slice::from_raw_parts((&raw const copy).cast::<u8>(), size_of::<FlowCopy>())
        });
    }
    let options = TestRunOptions { data_in: Some(&frame), ..TestRunOptions::default() };
    let error = program_error(programs::RESTORE_FLOWS);
    program.test_run(options).map(drop).map_err(error)
}
