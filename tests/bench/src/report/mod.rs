//! The HTML report: one self-contained file with a table of ratios, and a bar plot for each metric
//! of each workload.

mod headline;
mod html;

use std::time::{Duration, UNIX_EPOCH};

use html::{add, anchor, escape};

use crate::{
    record::{Record, ResultRecord},
    series,
    text_table::short,
    workloads::workload::Better,
};

const STYLE: &str = "body{font:15px sans-serif;max-width:60em;margin:2em auto;padding:0 1em}\
                     svg{width:100%;height:auto}text{font:13px sans-serif}\
                     td,th{padding:0 1em 0 0;text-align:left}\
                     td.better{color:#062;font-weight:bold}td.worse{color:#a11}\
                     nav ul{padding:0}nav li{display:inline-block;margin-right:1em}\
                     h2{margin-top:2em}.way{color:#666;font-weight:normal}";
/// The plot's lengths, in pixels of an unscaled page.
const ROW: usize = 26;
const LEFT: f64 = 180.0;
const WIDTH: f64 = 480.0;

pub(crate) fn html(record: &Record) -> String {
    let machine = &record.machine;
    let began = UNIX_EPOCH + Duration::from_secs(record.began);
    let mut page = format!(
        "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>netns bench</title>\
         <style>{STYLE}</style><h1>netns bench</h1><p>{}. {} CPUs ({}), Linux {}, {} rounds of {} \
         ms.</p>",
        httpdate::fmt_http_date(began),
        machine.cpus,
        escape(&machine.cpu),
        escape(&machine.kernel),
        record.rounds,
        record.window_ms
    );
    contents(&mut page, record);
    page.push_str(&headline::table(record));
    modes(&mut page, record);
    page.push_str(
        "<h2 id=\"plots\">All figures</h2><p>A bar is the median, the line across it goes from \
         the least to the most.</p>",
    );
    let mut rest = record.results.as_slice();
    while let Some(first) = rest.first() {
        let is_same = |other: &&ResultRecord| {
            (other.workload, other.metric) == (first.workload, first.metric)
        };
        let same = rest.iter().take_while(is_same).count();
        let (group, after) = rest.split_at(same);
        plot(&mut page, record, group);
        rest = after;
    }
    page.push_str("<a id=\"series\"></a>");
    page.push_str(&series::plots(record));
    programs(&mut page, record);
    page.push_str("<h2 id=\"machine\">Versions</h2><ul>");
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

/// Links to the parts of the page.
fn contents(page: &mut String, record: &Record) {
    page.push_str(
        "<nav><ul><li><a href=\"#headline\">Ours against each other mode</a>\
         <li><a href=\"#modes\">What each mode is</a><li><a href=\"#plots\">All figures</a>\
         <li><a href=\"#series\">Series</a><li><a href=\"#programs\">Our programs</a>\
         <li><a href=\"#machine\">Versions and settings</a></ul><ul>",
    );
    for workload in &record.workloads {
        let first = record.results.iter().find(|result| result.workload == workload.name);
        let Some(first) = first else { continue };
        let link = anchor(workload.name, first.metric);
        add(page, &format!("<li><a href=\"#{link}\">{}</a>", workload.name));
    }
    page.push_str("</ul></nav>");
}

fn modes(page: &mut String, record: &Record) {
    page.push_str("<h2 id=\"modes\">What each mode is</h2><table>");
    for mode in &record.modes {
        let why = mode.missing.as_deref().map(|why| format!("; not measured: {}", escape(why)));
        let (name, about) = (mode.name, escape(mode.about));
        add(page, &format!("<tr><th>{name}<td>{about}{}", why.unwrap_or_default()));
    }
    page.push_str("</table>");
}

/// A figure with its unit: nanoseconds from 1,000 on as microseconds.
fn figure(value: f64, unit: &str) -> String {
    match unit.split('/').next() {
        Some("ns") if value >= 1e3 => format!("{:.2} µs", value / 1e3),
        Some("ns") => format!("{value:.0} ns"),
        _ => short(value),
    }
}

/// A bar plot of one metric of one workload.
fn plot(page: &mut String, record: &Record, results: &[ResultRecord]) {
    let summaries = results.iter().filter_map(|result| result.summary);
    let most = summaries.map(|summary| summary.max).fold(f64::MIN_POSITIVE, f64::max);
    let Some(first) = results.first() else { return };
    let height = results.len() * ROW;
    let way = match first.better {
        Better::More => "more is better",
        Better::Less => "less is better",
        Better::Neither => "neither way is better",
    };
    let (name, metric, unit) = (first.workload, first.metric, first.unit);
    add(
        page,
        &format!(
            "<h3 id=\"{}\">{name}: {metric} <span class=\"way\">({unit}; {way})</span></h3>",
            anchor(name, metric)
        ),
    );
    let described = record.workloads.iter().find(|workload| workload.name == name);
    if let Some(workload) = described {
        add(page, &format!("<p>{}</p>", escape(workload.about)));
    }
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
                figure(summary.median, result.unit)
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
        "<h2 id=\"programs\">Our programs</h2><table><tr><th>workload<th>program<th>runs<th>ns a run\
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

#[cfg(test)]
mod tests {
    use super::figure;

    #[test]
    fn nanoseconds_become_microseconds_from_a_thousand_on() {
        assert_eq!(figure(999.4, "ns/packet"), "999 ns");
        assert_eq!(figure(48_123.0, "ns/packet"), "48.12 µs");
        assert_eq!(figure(1_500.0, "packets/s"), "1.50 k");
    }
}
