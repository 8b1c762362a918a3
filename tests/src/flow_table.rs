//! The flow table in the kernel, read from its maps.

use std::collections::HashMap;

use aya::maps::{Array, Map, MapData};
use netns_common::{
    abi::{
        Flow, FlowBucket, FlowKey, FlowLayout, FlowRecord, FlowSummary, FlowTail, FlowWord,
        InsideKey, RECORDS_OF_WORD, SCHEMA, WORDS_OF_SUMMARY, maps,
    },
    datapath::translated_record,
};
use netns_user::datapath::Datapath;

/// The maps of one flow table.
#[expect(missing_debug_implementations, reason = "aya's maps have none")]
pub struct FlowTable {
    records: Array<MapData, FlowRecord>,
    tails: Array<MapData, FlowTail>,
    index: Array<MapData, FlowBucket>,
    words: Array<MapData, FlowWord>,
    summaries: Array<MapData, FlowSummary>,
    layout: FlowLayout,
    has_moved: Array<MapData, u32>,
}

impl FlowTable {
    /// The table of a lab that is up.
    pub fn of(lab: &str) -> Self {
        let folder = Datapath::pins_of(lab).join(format!("v{SCHEMA}/maps"));
        Self::take(|name| {
            let path = folder.join(name);
            let data = MapData::from_pin(&path);
            let data = data.unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            Map::from_map_data(data).expect("a map")
        })
    }

    /// The table whose maps `map` returns by name.
    pub fn take(mut map: impl FnMut(&str) -> Map) -> Self {
        let layout: Array<MapData, FlowLayout> = array(map(maps::FLOW_LAYOUT));
        Self {
            records: array(map(maps::FLOWS)),
            tails: array(map(maps::FLOW_TAILS)),
            index: array(map(maps::FLOW_INDEX)),
            words: array(map(maps::FLOW_WORDS)),
            summaries: array(map(maps::FLOW_SUMMARIES)),
            layout: layout.get(&0, 0).expect("a layout"),
            has_moved: array(map(maps::HAS_TRANSLATED)),
        }
    }

    /// The records in use, with their numbers.
    fn taken(&self) -> impl Iterator<Item = (u32, FlowKey, Flow)> {
        let words = (0..).zip(self.words.iter()).filter_map(|(number, word)| {
            let taken = word.expect("a word").taken;
            (taken != 0).then_some((number, taken))
        });
        words.flat_map(move |(number, taken)| {
            let taken = (0..RECORDS_OF_WORD).filter(move |place| (taken >> place) & 1 == 1);
            taken.map(move |place| {
                let number = number * RECORDS_OF_WORD + place;
                let (key, flow) = self.record(number);
                (number, key, flow)
            })
        })
    }

    fn record(&self, number: u32) -> (FlowKey, Flow) {
        let record = self.records.get(&number, 0).expect("a record");
        let tail = self.tails.get(&number, 0).expect("its tail");
        (record.key(), Flow { head: record.head, tail })
    }

    /// Every record.
    pub fn flows(&self) -> HashMap<FlowKey, Flow> {
        self.records().into_iter().collect()
    }

    /// The connections with a translated port, by their inside key.
    pub fn moved_flows(&self) -> HashMap<InsideKey, FlowKey> {
        if self.has_moved.get(&0, 0).expect("a word") == 0 {
            return HashMap::new();
        }
        let buckets = self.index.iter().map(|bucket| bucket.expect("a bucket"));
        let entries = buckets.flat_map(|bucket| bucket.entries);
        let records = entries.filter_map(|entry| translated_record(&self.layout, entry));
        records
            .map(|number| {
                let record = self.records.get(&number, 0).expect("a record");
                (record.inside_key(), record.key())
            })
            .collect()
    }

    /// The same as a list, in which a key may occur twice.
    pub fn records(&self) -> Vec<(FlowKey, Flow)> {
        self.taken().map(|(_, key, flow)| (key, flow)).collect()
    }

    /// The sizes of the table.
    pub const fn layout(&self) -> FlowLayout {
        self.layout
    }

    /// How many entries of the index are in the second bucket of their key.
    pub fn overflow_count(&self) -> usize {
        self.index.iter().map(|bucket| usize::from(bucket.expect("a bucket").overflow_count)).sum()
    }

    /// Changes every record. No packet may be on its way meanwhile.
    pub fn edit(&mut self, edit: impl Fn(&FlowKey, &mut Flow)) {
        let taken: Vec<_> = self.taken().collect();
        for (number, key, mut flow) in taken {
            edit(&key, &mut flow);
            let record = FlowRecord::new(&key, flow.head);
            self.records.set(number, record, 0).expect("a record that was there");
            self.tails.set(number, flow.tail, 0).expect("a tail that was there");
        }
    }

    /// Asserts that the bitmap summary marks exactly the words of the bitmap that are full.
    pub fn assert_summed_up(&self) {
        for (number, word) in (0..).zip(self.words.iter()) {
            let taken = word.expect("a word").taken;
            let summary = self.summaries.get(&(number / WORDS_OF_SUMMARY), 0).expect("a summary");
            let is_full = (summary.full >> (number % WORDS_OF_SUMMARY)) & 1 == 1;
            assert_eq!(is_full, taken == u64::MAX, "word {number}: {taken:#x}");
        }
    }

    /// Asserts that the table is empty: no record is in use, and the index has no entry.
    pub fn assert_empty(&self) {
        self.assert_summed_up();
        for word in self.words.iter() {
            assert_eq!(word.expect("a word").taken, 0, "no record is taken");
        }
        for bucket in self.index.iter() {
            let FlowBucket { overflow_count, entries, .. } = bucket.expect("a bucket");
            assert_eq!((overflow_count, entries), Default::default(), "no record is named");
        }
    }
}

fn array<V: aya::Pod>(map: Map) -> Array<MapData, V> {
    map.try_into().expect("an array")
}
