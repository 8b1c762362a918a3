//! One frame of the live view as lines: the rates between two snapshots.

use std::{cmp::Reverse, collections::HashMap, time::Duration};

use anstyle::Style;

use super::snapshot::{DropSample, FlowSample, RuleSample, Snapshot};
use crate::output::{
    self, bits_per_second, bytes, count, packets_per_second,
    style::{BAD, FAINT, HEADING, PLAIN, paint},
    table_within,
};

/// From this width on, a flow has one line.
const WIDE: usize = 124;
/// The minimum of lines for a table on a small terminal.
const LEAST_ROWS: usize = 2;

/// The frame, at most `width` columns and `height` lines, with ANSI sequences.
///
/// Without an earlier snapshot all rates are 0.
pub fn render(
    title: &str,
    before: Option<&Snapshot>,
    after: &Snapshot,
    width: usize,
    height: usize,
) -> Vec<String> {
    let elapsed = before.map_or(Duration::ZERO, |before| after.at.duration_since(before.at));
    let frame = Frame { before, after, elapsed, width };
    let mut lines = vec![frame.title(title), (PLAIN, String::new())];
    let share = (height.saturating_sub(8) / 3).max(LEAST_ROWS);
    let drops = frame.drops(share);
    // The rules get the lines that drops and flows leave free, with a line between the tables.
    let others = lines.len() + 1 + drops.len() + 1 + frame.lines_of_all_flows();
    lines.extend(frame.rules(height.saturating_sub(others).max(share + 1)));
    lines.push((PLAIN, String::new()));
    lines.extend(drops);
    lines.push((PLAIN, String::new()));
    let left = height.saturating_sub(lines.len());
    lines.extend(frame.flows(left));
    lines.truncate(height);
    lines.into_iter().map(|(style, text)| paint(style, cut(&text, width))).collect()
}

type Line = (Style, String);

struct Frame<'a> {
    before: Option<&'a Snapshot>,
    after: &'a Snapshot,
    elapsed: Duration,
    width: usize,
}

impl Frame<'_> {
    fn title(&self, title: &str) -> Line {
        let Snapshot { flow_count, capacity, .. } = self.after;
        let share = (flow_count * 100).checked_div(*capacity).unwrap_or_default();
        let right = format!("{flow_count} of {capacity} flows ({share}%)");
        let used = title.chars().count() + right.chars().count();
        (HEADING, format!("{title}{}{right}", " ".repeat(self.width.saturating_sub(used).max(2))))
    }

    /// The busiest rules that fit into so many lines, and the number of the others.
    fn rules(&self, lines: usize) -> Vec<Line> {
        let earlier: HashMap<u32, &RuleSample> = self
            .before
            .map(|before| before.rules.iter().map(|rule| (rule.id, rule)).collect())
            .unwrap_or_default();
        let mut rows: Vec<(u64, [String; 6])> = self
            .after
            .rules
            .iter()
            .map(|rule| {
                let (packets, octets) = match earlier.get(&rule.id) {
                    Some(old) => (grown(rule.packets, old.packets), grown(rule.bytes, old.bytes)),
                    None => (0, 0),
                };
                let row = [
                    rule.rule.clone(),
                    packets_per_second(packets, self.elapsed),
                    bits_per_second(octets, self.elapsed),
                    count(rule.flows),
                    count(rule.packets),
                    bytes(rule.bytes),
                ];
                (packets, row)
            })
            .collect();
        rows.sort_by_key(|(packets, _)| Reverse(*packets));
        let all = rows.len();
        // A heading above, and a line below when not all fit.
        let most = if all < lines { all } else { lines.saturating_sub(2) };
        rows.truncate(most);
        let rows: Vec<[String; 6]> = rows.into_iter().map(|(_, row)| row).collect();
        let mut table = self.whole_columns(&rows);
        if all > most {
            table.push((FAINT, format!("… {} more", all - most)));
        }
        table
    }

    /// The table of rules, without its last columns if it is too wide: a figure that is cut off
    /// would be wrong.
    fn whole_columns(&self, rows: &[[String; 6]]) -> Vec<Line> {
        const HEADERS: [&str; 6] = ["RULE", "PKT/S", "RATE", "FLOWS", "PKTS", "BYTES"];
        let mut columns = HEADERS.len();
        loop {
            let cells = rows.iter().map(|row| row.iter().take(columns).cloned());
            let table = self.table(&HEADERS[..columns], cells, rows.len(), PLAIN);
            let fits = table.iter().all(|(_, line)| line.chars().count() <= self.width);
            if fits || columns == 1 {
                return table;
            }
            columns -= 1;
        }
    }

    fn lines_of_all_flows(&self) -> usize {
        1 + self.after.flows.len() * self.lines_of_a_flow()
    }

    fn lines_of_a_flow(&self) -> usize {
        if self.width >= WIDE { 1 } else { 2 }
    }

    fn drops(&self, most: usize) -> Vec<Line> {
        let earlier = |reason| {
            let drops = self.before.map(|before| before.drops.as_slice()).unwrap_or_default();
            drops.iter().find(|drop| drop.reason == reason).map_or(0, |drop| drop.packets)
        };
        let mut drops: Vec<(u64, &DropSample)> = self
            .after
            .drops
            .iter()
            .filter(|drop| drop.packets > 0)
            .map(|drop| (grown(drop.packets, earlier(drop.reason)), drop))
            .collect();
        if drops.is_empty() {
            return vec![(FAINT, "nothing dropped".to_owned())];
        }
        drops.sort_by_key(|(packets, drop)| Reverse((*packets, drop.packets)));
        let rows = drops.into_iter().map(|(packets, drop)| {
            [
                packets_per_second(packets, self.elapsed),
                count(drop.packets),
                bytes(drop.bytes),
                drop.reason.to_owned(),
            ]
        });
        self.table(&["PKT/S", "PKTS", "BYTES", "DROPPED"], rows, most, BAD)
    }

    /// The busiest flows that fit into so many lines.
    fn flows(&self, lines: usize) -> Vec<Line> {
        let earlier: HashMap<_, &FlowSample> = self
            .before
            .map(|before| before.flows.iter().map(|flow| (flow.identity(), flow)).collect())
            .unwrap_or_default();
        let mut flows: Vec<(u64, u64, &FlowSample)> = self
            .after
            .flows
            .iter()
            .map(|flow| {
                let old = earlier.get(&flow.identity()).filter(|old| flow.is_same(old));
                let packets = grown(flow.packets, old.map_or(0, |old| old.packets));
                let octets = grown(flow.bytes, old.map_or(0, |old| old.bytes));
                // A flow from before the first snapshot has no rate yet.
                if self.before.is_none() { (0, 0, flow) } else { (packets, octets, flow) }
            })
            .collect();
        if flows.is_empty() {
            return vec![(FAINT, "no flows".to_owned())];
        }
        flows.sort_by_key(|(_, octets, flow)| {
            (Reverse(*octets), Reverse(flow.bytes), flow.age, flow.identity())
        });
        let one_line = self.lines_of_a_flow() == 1;
        let most = lines.saturating_sub(1) / self.lines_of_a_flow();
        flows.truncate(most);
        let row = |(packets, octets, flow): &(u64, u64, &FlowSample)| {
            let mut row = vec![
                packets_per_second(*packets, self.elapsed),
                bits_per_second(*octets, self.elapsed),
                count(flow.packets),
                bytes(flow.bytes),
                age(flow.age),
                flow.protocol.to_owned(),
                flow.state.to_owned(),
            ];
            row.extend(one_line.then(|| flow.path()));
            row
        };
        let mut headers = vec!["PKT/S", "RATE", "PKTS", "BYTES", "AGE", "PROTO", "STATE"];
        headers.extend(one_line.then_some("BEFORE ⇒ AFTER"));
        let table = self.table(&headers, flows.iter().map(row), most, PLAIN);
        if one_line {
            return table;
        }
        let mut paths = flows.iter().map(|(_, _, flow)| format!("  {}", flow.path()));
        let mut lines = Vec::new();
        for (index, line) in table.into_iter().enumerate() {
            lines.push(line);
            if index > 0 {
                lines.extend(paths.next().map(|path| (FAINT, path)));
            }
        }
        lines
    }

    /// A heading and at most so many rows. No cell is wrapped.
    fn table<R: IntoIterator<Item = String>>(
        &self,
        headers: &[&str],
        rows: impl Iterator<Item = R>,
        most: usize,
        style: Style,
    ) -> Vec<Line> {
        let text = table_within(u16::MAX, headers, rows.take(most));
        let styles = std::iter::once(HEADING).chain(std::iter::repeat(style));
        styles.zip(text.lines().map(str::to_owned)).collect()
    }
}

/// The growth of a counter. A counter that was reset counts from 0.
fn grown(now: u64, before: u64) -> u64 {
    now.checked_sub(before).unwrap_or(now)
}

/// The age of a flow in whole seconds.
fn age(age: Duration) -> String {
    match age.as_secs() {
        seconds @ 0..60 => format!("{seconds} s"),
        _ => output::duration(age),
    }
}

fn cut(text: &str, width: usize) -> String {
    text.chars().take(width).collect()
}

#[cfg(test)]
mod tests;
