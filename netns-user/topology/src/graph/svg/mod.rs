//! A graph as an SVG picture that needs nothing beside it: no script, no font, no link.

mod card;
mod columns;
mod picture;
mod plan;
mod router;
mod sheet;
mod style;
#[cfg(test)]
mod tests;

use sheet::{Area, Point, Sheet, escaped, number};
use style::{SHEET, TEXT, TITLE, fixed, words};

use super::{Graph, Kind};
use crate::counted;

/// Pixels about the picture.
const MARGIN: f32 = 28.0;
/// Between two rules.
const RULE: f32 = 26.0;
/// More rules than this are counted instead of drawn.
const MAX_RULES: usize = 24;

/// The picture as an SVG document, light or dark as the reader's system is.
pub fn svg(graph: &Graph) -> String {
    let mut sheet = picture::draw(graph);
    title(&mut sheet, graph);
    rules(&mut sheet, graph);
    let (from, to) = sheet.reach();
    let (width, height) = (to.x - from.x + 2.0 * MARGIN, to.y - from.y + 2.0 * MARGIN);
    let (width, height) = (width.ceil(), height.ceil());
    let lab = escaped(&graph.lab);
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {w} {h}\" width=\"{w}\" \
         height=\"{h}\" role=\"img\" aria-labelledby=\"netns-{lab}-title netns-{lab}-desc\" \
         class=\"netns\">\n\
         <title id=\"netns-{lab}-title\">Network lab {lab}</title>\n\
         <desc id=\"netns-{lab}-desc\">{desc}</desc>\n\
         <style>{SHEET}</style>\n\
         <rect class=\"sheet\" width=\"{w}\" height=\"{h}\"/>\n\
         <g transform=\"translate({x} {y})\">\n{content}</g>\n</svg>\n",
        w = number(width),
        h = number(height),
        x = number(MARGIN - from.x),
        y = number(MARGIN - from.y),
        desc = escaped(&description(graph)),
        content = sheet.finish(),
    )
}

/// What there is, in figures.
fn summary(graph: &Graph) -> String {
    let namespaces: usize = graph.of(Kind::Namespace).map(|node| node.count).sum();
    let mut parts = vec![counted(namespaces, "namespace")];
    for kind in [Kind::Bridge, Kind::Router, Kind::Uplink] {
        let count = graph.of(kind).count();
        if count > 0 {
            parts.push(counted(count, kind.name()));
        }
    }
    parts.join(" · ")
}

/// The picture for those who cannot see it.
fn description(graph: &Graph) -> String {
    let mut text = summary(graph) + ".";
    for edge in &graph.edges {
        text += &format!(" {} is connected with {}.", graph.end(&edge.a), graph.end(&edge.b));
    }
    for rule in &graph.rules {
        text += &format!(" {}: {}.", rule.kind, rule.text);
    }
    text
}

fn title(sheet: &mut Sheet, graph: &Graph) {
    let (from, _) = sheet.reach();
    let at = Point { x: from.x, y: from.y - 52.0 };
    let name = card::shorten(&graph.lab);
    sheet.text(at, words(&name, TITLE), "words title", &name);
    let summary = summary(graph);
    let below = Point { x: at.x, y: at.y + 22.0 };
    sheet.text(below, words(&summary, TEXT), "words muted", &summary);
}

fn rules(sheet: &mut Sheet, graph: &Graph) {
    let (from, to) = sheet.reach();
    let mut at = Point { x: from.x, y: to.y + 40.0 };
    for rule in graph.rules.iter().take(MAX_RULES) {
        let width = 82.0;
        let badge = Area { x: at.x, y: at.y - 14.0, width, height: 20.0 };
        sheet.rectangle(badge, rule.kind, 10.0);
        let middle = Point { x: at.x + width / 2.0, y: at.y };
        sheet.centred(middle, "words small inverse", rule.kind);
        let text = Point { x: at.x + width + 12.0, y: at.y };
        sheet.text(text, fixed(&rule.text, TEXT), "", &rule.text);
        at.y += RULE;
    }
    if let Some(more @ 1..) = graph.rules.len().checked_sub(MAX_RULES) {
        let words_left = format!("and {}", counted(more, "more rule"));
        sheet.text(at, words(&words_left, TEXT), "words muted", &words_left);
    }
}
