//! Plots of works that differ in one number: what grows with it rises, what does not is flat.

use std::fmt::Write as _;

use crate::{
    modes::Mode,
    record::{Record, ResultRecord, WorkRecord},
    statistics::as_f64,
    table::short,
};

/// The plot's lengths, in pixels of an unscaled page.
const WIDTH: f64 = 480.0;
const HEIGHT: f64 = 260.0;
const LEFT: f64 = 70.0;
const TOP: f64 = 10.0;
const LEGEND: f64 = LEFT + WIDTH + 20.0;

/// One for each mode, in their order; ours have the green ones.
const COLOURS: [&str; Mode::ALL.len()] =
    ["#555", "#89a", "#c33", "#e88", "#a5a", "#36c", "#6bd", "#2a7", "#065", "#9c3"];

/// A plot for each series and figure.
pub(crate) fn plots(record: &Record) -> String {
    let mut page = String::new();
    let mut names: Vec<_> = record.works.iter().filter_map(|work| work.series).collect();
    names.dedup();
    for name in names {
        let mut works: Vec<_> =
            record.works.iter().filter(|work| work.series == Some(name)).collect();
        works.sort_by_key(|work| work.x);
        // A single point is in its own plot.
        if works.len() > 1 {
            let of_first = record.results.iter().filter(|result| result.work == works[0].name);
            let mut metrics: Vec<_> = of_first.map(|result| (result.metric, result.unit)).collect();
            metrics.dedup();
            for (metric, unit) in metrics {
                plot(&mut page, record, &works, name, metric, unit);
            }
        }
    }
    page
}

/// The points of a mode: the number that the works differ in, and the median.
fn points(record: &Record, works: &[&WorkRecord], metric: &str, mode: &str) -> Vec<(f64, f64)> {
    let is_of = |result: &&ResultRecord, work: &WorkRecord| {
        (result.work, result.metric, result.mode) == (work.name, metric, mode)
    };
    let point = |work: &&WorkRecord| {
        let result = record.results.iter().find(|result| is_of(result, work))?;
        Some((as_f64(work.x?.into()), result.summary?.median))
    };
    works.iter().filter_map(point).collect()
}

fn plot(
    page: &mut String,
    record: &Record,
    works: &[&WorkRecord],
    name: &str,
    metric: &str,
    unit: &str,
) {
    let lines: Vec<_> = Mode::ALL
        .map(Mode::name)
        .into_iter()
        .zip(COLOURS)
        .map(|(mode, colour)| (mode, colour, points(record, works, metric, mode)))
        .filter(|(_, _, points)| !points.is_empty())
        .collect();
    let highest = lines.iter().flat_map(|line| &line.2).map(|point| point.1);
    let highest = highest.fold(f64::MIN_POSITIVE, f64::max);
    let numbers = || works.iter().filter_map(|work| work.x).map(|x| as_f64(x.into()));
    let (first, last) = (numbers().fold(f64::MAX, f64::min), numbers().fold(1.0, f64::max));
    // Each step to the right is as many times more.
    let across = |x: f64| LEFT + (x / first).ln() / (last / first).ln() * WIDTH;
    let up = |y: f64| TOP + HEIGHT * (1.0 - y / highest);

    let what = works[0].x_is.unwrap_or_default();
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
