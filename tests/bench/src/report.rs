//! The HTML report: one self-contained file with a bar plot for each metric of each workload.

use std::fmt::Write as _;

use crate::{
    record::{Record, ResultRecord},
    series,
    text_table::short,
};

const STYLE: &str = "body{font:15px sans-serif;max-width:60em;margin:2em auto;padding:0 1em}\
                     svg{width:100%;height:auto}text{font:13px sans-serif}\
                     td,th{padding:0 1em 0 0;text-align:left}";
/// The plot's lengths, in pixels of an unscaled page.
const ROW: usize = 26;
const LEFT: f64 = 180.0;
const WIDTH: f64 = 480.0;

pub(crate) fn html(record: &Record) -> String {
    let machine = &record.machine;
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>netns bench</title>\
         <style>{STYLE}</style><h1>netns bench</h1><p>{} CPUs ({}), kernel {}, {} rounds of {} \
         ms. A bar is the median, the line across it goes from the least to the most.</p>",
        machine.cpus,
        escape(&machine.cpu),
        escape(&machine.kernel),
        record.rounds,
        record.window_ms
    );
    let mut rest = record.results.as_slice();
    while let Some(first) = rest.first() {
        let is_same = |other: &&ResultRecord| {
            (other.workload, other.metric) == (first.workload, first.metric)
        };
        let same = rest.iter().take_while(is_same).count();
        let (group, after) = rest.split_at(same);
        plot(&mut page, group);
        rest = after;
    }
    page.push_str(&series::plots(record));
    programs(&mut page, record);
    page.push_str("<h2>Modes</h2><ul>");
    for mode in &record.modes {
        let why = mode.missing.as_deref().map(|why| format!(" – not measured: {}", escape(why)));
        add(&mut page, &format!("<li>{}: {}{}", mode.name, mode.about, why.unwrap_or_default()));
    }
    page.push_str("</ul><h2>Versions</h2><ul>");
    for (tool, version) in &machine.versions {
        add(&mut page, &format!("<li>{tool}: {}", escape(version)));
    }
    page.push_str("</ul><h2>Settings</h2><ul>");
    for (setting, value) in &machine.settings {
        add(&mut page, &format!("<li>{setting}: {}", escape(value)));
    }
    page.push_str("</ul></html>\n");
    page
}

/// A bar plot of one metric of one workload.
fn plot(page: &mut String, results: &[ResultRecord]) {
    let summaries = results.iter().filter_map(|result| result.summary);
    let most = summaries.map(|summary| summary.max).fold(f64::MIN_POSITIVE, f64::max);
    let Some(first) = results.first() else { return };
    let height = results.len() * ROW;
    add(page, &format!("<h2>{}: {} ({})</h2>", first.workload, first.metric, first.unit));
    add(page, &format!("<svg viewBox=\"0 0 760 {height}\" role=\"img\">"));
    for (index, result) in results.iter().enumerate() {
        let y = index * ROW;
        let base = y + 17;
        add(page, &format!("<text x=\"0\" y=\"{base}\">{}</text>", result.mode));
        let Some(summary) = result.summary else {
            add(page, &format!("<text x=\"{LEFT}\" y=\"{base}\">failed</text>"));
            continue;
        };
        let [median, min, max] =
            [summary.median, summary.min, summary.max].map(|value| value / most * WIDTH);
        let colour = if result.mode.starts_with("ours") { "#2a7" } else { "#9ab" };
        let (top, middle) = (y + 4, y + 13);
        let (from, to, label) = (LEFT + min, LEFT + max, LEFT + WIDTH + 10.0);
        add(
            page,
            &format!(
                "<rect x=\"{LEFT}\" y=\"{top}\" width=\"{median:.1}\" height=\"18\" \
                 fill=\"{colour}\"/><path d=\"M{from:.1} {middle}H{to:.1}\" stroke=\"#000\"/>\
                 <text x=\"{label}\" y=\"{base}\">{}</text>",
                short(summary.median)
            ),
        );
    }
    page.push_str("</svg>");
    for result in results {
        for error in &result.errors {
            add(page, &format!("<p>{}: {}</p>", result.mode, escape(error)));
        }
    }
}

/// The run times of our programs.
fn programs(page: &mut String, record: &Record) {
    if record.programs.is_empty() {
        return;
    }
    page.push_str(
        "<h2>Our programs</h2><table><tr><th>workload<th>program<th>runs<th>ns a run\
         <th>instructions verified",
    );
    for cost in &record.programs {
        let verified = cost.instructions.map_or_else(|| "-".to_owned(), |count| count.to_string());
        let (runs, took) = (short(cost.runs as f64), short(cost.nanoseconds));
        let name = escape(&cost.program);
        let workload = cost.workload;
        add(page, &format!("<tr><td>{workload}<td>{name}<td>{runs}<td>{took}<td>{verified}"));
    }
    page.push_str("</table>");
}

fn add(page: &mut String, text: &str) {
    writeln!(page, "{text}").expect("text grows");
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}
