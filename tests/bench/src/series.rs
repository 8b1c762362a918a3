//! Line plots of workloads that differ in one number, with that number on the x axis.

use std::fmt::Write as _;

use crate::{
    modes::Mode,
    record::{Record, ResultRecord, WorkloadRecord},
    statistics::as_f64,
    text_table::short,
};

/// The plot's lengths, in pixels of an unscaled page.
const WIDTH: f64 = 480.0;
const HEIGHT: f64 = 260.0;
const LEFT: f64 = 70.0;
const TOP: f64 = 10.0;
const LEGEND: f64 = LEFT + WIDTH + 20.0;

/// A colour for each mode, in the order of [`Mode::ALL`]. Our modes are green.
const COLOURS: [&str; Mode::ALL.len()] =
    ["#555", "#89a", "#c33", "#e88", "#a5a", "#36c", "#6bd", "#2a7", "#065", "#9c3"];

/// A plot for each series and metric.
pub(crate) fn plots(record: &Record) -> String {
    let mut page = String::new();
    let mut names: Vec<_> =
        record.workloads.iter().filter_map(|workload| workload.series).collect();
    names.dedup();
    for name in names {
        let mut workloads: Vec<_> =
            record.workloads.iter().filter(|workload| workload.series == Some(name)).collect();
        workloads.sort_by_key(|workload| workload.x);
        // A series with a single point needs no line; the bar plot shows it.
        if workloads.len() > 1 {
            let of_first =
                record.results.iter().filter(|result| result.workload == workloads[0].name);
            let mut metrics: Vec<_> = of_first.map(|result| (result.metric, result.unit)).collect();
            metrics.dedup();
            for (metric, unit) in metrics {
                plot(&mut page, record, &workloads, name, metric, unit);
            }
        }
    }
    page
}

/// The points of a mode: the number that the workloads differ in, and the median.
fn points(
    record: &Record,
    workloads: &[&WorkloadRecord],
    metric: &str,
    mode: &str,
) -> Vec<(f64, f64)> {
    let is_of = |result: &&ResultRecord, workload: &WorkloadRecord| {
        (result.workload, result.metric, result.mode) == (workload.name, metric, mode)
    };
    let point = |workload: &&WorkloadRecord| {
        let result = record.results.iter().find(|result| is_of(result, workload))?;
        Some((as_f64(workload.x?.into()), result.summary?.median))
    };
    workloads.iter().filter_map(point).collect()
}

fn plot(
    page: &mut String,
    record: &Record,
    workloads: &[&WorkloadRecord],
    name: &str,
    metric: &str,
    unit: &str,
) {
    let lines: Vec<_> = Mode::ALL
        .map(Mode::name)
        .into_iter()
        .zip(COLOURS)
        .map(|(mode, colour)| (mode, colour, points(record, workloads, metric, mode)))
        .filter(|(_, _, points)| !points.is_empty())
        .collect();
    let highest = lines.iter().flat_map(|line| &line.2).map(|point| point.1);
    let highest = highest.fold(f64::MIN_POSITIVE, f64::max);
    let numbers = || workloads.iter().filter_map(|workload| workload.x).map(|x| as_f64(x.into()));
    let (first, last) = (numbers().fold(f64::MAX, f64::min), numbers().fold(1.0, f64::max));
    // A logarithmic x axis.
    let across = |x: f64| LEFT + (x / first).ln() / (last / first).ln() * WIDTH;
    let up = |y: f64| TOP + HEIGHT * (1.0 - y / highest);

    let what = workloads[0].x_is.unwrap_or_default();
    add(page, &format!("<h2>{name} by {what}: {metric} ({unit})</h2>"));
    add(page, "<svg viewBox=\"0 0 760 310\" role=\"img\">");
    let (bottom, right) = (TOP + HEIGHT, LEFT + WIDTH);
    add(
        page,
        &format!(
            "<path d=\"M{LEFT} {TOP}V{bottom}H{right}\" fill=\"none\" stroke=\"#000\"/>\
             <text x=\"0\" y=\"{:.1}\">{}</text><text x=\"0\" y=\"{bottom}\">0</text>",
            TOP + 12.0,
            short(highest)
        ),
    );
    for x in numbers() {
        let (at, below) = (across(x), bottom + 20.0);
        let label = short(x).replace(".00", "");
        add(
            page,
            &format!("<text x=\"{at:.1}\" y=\"{below}\" text-anchor=\"middle\">{label}</text>"),
        );
    }
    let mut legend = TOP + 12.0;
    for (mode, colour, points) in lines {
        let mut path = String::new();
        for (x, y) in points {
            let (x, y) = (across(x), up(y));
            write!(path, "{}{x:.1} {y:.1}", if path.is_empty() { "M" } else { "L" })
                .expect("text grows");
            let dot = format!("<circle cx=\"{x:.1}\" cy=\"{y:.1}\" r=\"3\" fill=\"{colour}\"/>");
            add(page, &dot);
        }
        add(
            page,
            &format!(
                "<path d=\"{path}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"2\"/>\
                 <text x=\"{LEGEND}\" y=\"{legend}\" fill=\"{colour}\">{mode}</text>"
            ),
        );
        legend += 18.0;
    }
    page.push_str("</svg>\n");
}

fn add(page: &mut String, text: &str) {
    writeln!(page, "{text}").expect("text grows");
}
