//! The drawing of a graph as SVG. It depends on nothing else: no script, no font, no link.

mod card;
mod columns;
mod nesting;
mod picture;
mod router;
mod sheet;
mod style;
#[cfg(test)]
mod tests;

use sheet::{Area, Point, Sheet, escaped, number};
use style::{STYLE_SHEET, TEXT, TITLE, fixed_width, prose_width};

use super::{Graph, Kind};
use crate::counted;

/// Pixels around the picture.
const MARGIN: f32 = 28.0;
/// Pixels from one rule to the next.
const RULE: f32 = 26.0;
/// The number of rules above which the rest is only counted.
const MAX_RULES: usize = 24;

/// The picture as an SVG document, which follows the light or dark theme of the reader's system.
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
         <style>{STYLE_SHEET}</style>\n\
         <rect class=\"sheet\" width=\"{w}\" height=\"{h}\"/>\n\
         <g transform=\"translate({x} {y})\">\n{content}</g>\n</svg>\n",
        w = number(width),
        h = number(height),
        x = number(MARGIN - from.x),
        y = number(MARGIN - from.y),
        desc = escaped(&alternative_text(graph)),
        content = sheet.finish(),
    )
}

/// The numbers of namespaces, bridges, routers and uplinks.
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

/// The text for readers who cannot see the picture.
fn alternative_text(graph: &Graph) -> String {
    let mut text = summary(graph) + ".";
    for edge in &graph.edges {
        text += &format!(" {} is connected to {}.", graph.end(&edge.a), graph.end(&edge.b));
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
    sheet.text(at, prose_width(&name, TITLE), "prose title", &name);
    let summary = summary(graph);
    let below = Point { x: at.x, y: at.y + 22.0 };
    sheet.text(below, prose_width(&summary, TEXT), "prose muted", &summary);
}

fn rules(sheet: &mut Sheet, graph: &Graph) {
    let (from, to) = sheet.reach();
    let mut at = Point { x: from.x, y: to.y + 40.0 };
    for rule in graph.rules.iter().take(MAX_RULES) {
        let width = 82.0;
        let badge = Area { x: at.x, y: at.y - 14.0, width, height: 20.0 };
        sheet.rectangle(badge, rule.kind, 10.0);
        let middle = Point { x: at.x + width / 2.0, y: at.y };
        sheet.centred(middle, "prose small inverse", rule.kind);
        let text = Point { x: at.x + width + 12.0, y: at.y };
        sheet.text(text, fixed_width(&rule.text, TEXT), "", &rule.text);
        at.y += RULE;
    }
    if let Some(more @ 1..) = graph.rules.len().checked_sub(MAX_RULES) {
        let rest = format!("and {}", counted(more, "more rule"));
        sheet.text(at, prose_width(&rest, TEXT), "prose muted", &rest);
    }
}
