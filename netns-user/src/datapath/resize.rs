//! Changes the size of the flow table while packets flow: the new table and its programs are made
//! beside the old ones, the flows are copied, and the programs are exchanged. Connections survive,
//! and each link has a program at every moment.

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
    datapath::{QuotaCharge, is_expired},
};

use super::{
    Datapath, DatapathSpec,
    attach::{Variant, replace_classifiers, replace_reassembler},
    configure,
    error::{DatapathError, map_error, program_error},
    flows::now,
    object,
};

/// Seconds for which no flow may begin, if nobody ends the pause: many times the usual duration.
const PAUSE_SECONDS: u32 = 5;

/// Ticks by which clocks of the kernel may differ.
const CLOCK_SKEW: Tick = 2;

impl Datapath {
    /// Gives the flow table the size of the description. Must run inside the router's namespace. If
    /// it fails before the programs are exchanged, nothing has changed. A process that is killed
    /// later leaves the next table, which shows that some programs may use one table, and some the
    /// other.
    pub(super) fn resize(&self, spec: &DatapathSpec) -> Result<(), DatapathError> {
        self.pins.adopt_rest()?;
        let was_interrupted = self.pins.has_next_flow_table();
        let next = Self { lab: self.lab.clone(), pins: self.pins.with_next_flow_table()? };
        let begin = now()?;
        let prepared = self.fill_next(&next, spec);
        if prepared.is_err() && !was_interrupted {
            // The first error is the one to report.
            let _ = self.pins.remove_next_flow_table();
        }
        let mut object = prepared?;
        // Flows that began or changed in the meantime are copied while no flow may begin.
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
        self.pins.adopt_next_flow_table()
    }

    /// Lets no flow begin before a time; 0 ends the pause.
    fn pause(&self, until: Tick) -> Result<(), DatapathError> {
        let settings = Settings { paused_until: until, ..self.settings()? };
        let mut map: Array<MapData, Settings> = self.map(maps::SETTINGS)?;
        map.set(0, settings, 0).map_err(map_error(maps::SETTINGS))
    }

    /// Copies the flows that were seen since a time into the table of another object. If not all
    /// fit, answered ones come first, sorted by the time they were last seen; those of other NATs
    /// come last.
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
            (is_of_other_nat(flow), QuotaCharge::of(flow).is_unreplied, Reverse(flow.last_seen))
        });
        // The room for other NATs in a table of the new size.
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
