//! A sheet of boxes, lines and texts, in pixels, which becomes SVG.

use std::fmt::Write as _;

/// A point on the sheet. It can be left of and above the origin.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Point {
    pub(super) x: f32,
    pub(super) y: f32,
}

/// A box: its upper left corner and its size.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Area {
    pub(super) x: f32,
    pub(super) y: f32,
    pub(super) width: f32,
    pub(super) height: f32,
}

impl Area {
    pub(super) fn right(self) -> f32 {
        self.x + self.width
    }

    pub(super) fn bottom(self) -> f32 {
        self.y + self.height
    }

    pub(super) fn middle(self) -> f32 {
        self.y + self.height / 2.0
    }
}

/// The SVG of everything on the sheet, and the area that it covers.
#[derive(Debug, Default)]
pub(super) struct Sheet {
    /// Frames, below everything.
    ground: String,
    /// Lines, below boxes and texts.
    lines: String,
    /// Boxes and texts.
    front: String,
    reach: Option<(Point, Point)>,
}

/// Radius of the corners of lines.
const BEND: f32 = 9.0;

impl Sheet {
    fn extend(&mut self, area: Area) {
        let (from, to) =
            (Point { x: area.x, y: area.y }, Point { x: area.right(), y: area.bottom() });
        self.reach = Some(match self.reach {
            None => (from, to),
            Some((a, b)) => (
                Point { x: a.x.min(from.x), y: a.y.min(from.y) },
                Point { x: b.x.max(to.x), y: b.y.max(to.y) },
            ),
        });
    }

    /// The upper left and the lower right corner of everything on the sheet; the origin when it is
    /// empty.
    pub(super) fn reach(&self) -> (Point, Point) {
        let origin = Point { x: 0.0, y: 0.0 };
        self.reach.unwrap_or((origin, origin))
    }

    /// A frame, which lies below everything else.
    pub(super) fn frame(&mut self, area: Area, class: &str) {
        self.extend(area);
        self.ground += &rectangle(area, class, 14.0);
    }

    /// A box with round corners.
    pub(super) fn rectangle(&mut self, area: Area, class: &str, radius: f32) {
        self.extend(area);
        self.front += &rectangle(area, class, radius);
    }

    /// A text whose base line begins at `at`, and its width.
    pub(super) fn text(&mut self, at: Point, width: f32, class: &str, text: &str) {
        self.extend(Area { x: at.x, y: at.y - 12.0, width, height: 16.0 });
        self.put_text(at, class, "start", text);
    }

    /// A text around `at`.
    pub(super) fn centred(&mut self, at: Point, class: &str, text: &str) {
        self.put_text(at, class, "middle", text);
    }

    fn put_text(&mut self, at: Point, class: &str, anchor: &str, text: &str) {
        let anchor = match anchor {
            "start" => String::new(),
            other => format!(" text-anchor=\"{other}\""),
        };
        // Writing to a string cannot fail.
        let _ = writeln!(
            self.front,
            "<text x=\"{}\" y=\"{}\" class=\"{class}\"{anchor}>{}</text>",
            number(at.x),
            number(at.y),
            escaped(text)
        );
    }

    /// A text that is shown when the pointer is over a box.
    pub(super) fn hint(&mut self, area: Area, text: &str) {
        let Area { x, y, width, height } = area;
        let _ = writeln!(
            self.front,
            "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" fill=\"none\" \
             pointer-events=\"all\"><title>{}</title></rect>",
            number(x),
            number(y),
            number(width),
            number(height),
            escaped(text)
        );
    }

    /// A straight line, or a curve with horizontal ends.
    pub(super) fn curve(&mut self, from: Point, to: Point, class: &str) {
        let path = if (from.y - to.y).abs() < 0.5 {
            format!("M{} {}H{}", number(from.x), number(from.y), number(to.x))
        } else {
            let half = number(f32::midpoint(from.x, to.x));
            let (x, y) = (number(to.x), number(to.y));
            format!("M{} {fy}C{half} {fy} {half} {y} {x} {y}", number(from.x), fy = number(from.y))
        };
        self.path(&path, class);
    }

    /// A line from `from` left to `x`, up or down, and right to `to`.
    pub(super) fn detour(&mut self, from: Point, x: f32, to: Point, class: &str) {
        let (upper, lower) = if from.y < to.y { (from, to) } else { (to, from) };
        self.extend(Area { x, y: upper.y, width: 0.0, height: lower.y - upper.y });
        let bend = BEND.min((lower.y - upper.y) / 2.0);
        let path = format!(
            "M{} {}H{}Q{x} {} {x} {}V{}Q{x} {} {} {}H{}",
            number(upper.x),
            number(upper.y),
            number(x + bend),
            number(upper.y),
            number(upper.y + bend),
            number(lower.y - bend),
            number(lower.y),
            number(x + bend),
            number(lower.y),
            number(lower.x),
            x = number(x),
        );
        self.path(&path, class);
    }

    fn path(&mut self, path: &str, class: &str) {
        let _ = writeln!(self.lines, "<path d=\"{path}\" class=\"{class}\"/>");
    }

    /// The end of a cable in a box.
    pub(super) fn joint(&mut self, at: Point) {
        let (x, y) = (number(at.x), number(at.y));
        let _ = writeln!(self.front, "<circle cx=\"{x}\" cy=\"{y}\" r=\"3.5\" class=\"joint\"/>");
    }

    /// Everything on the sheet as SVG, with lines below boxes.
    pub(super) fn finish(self) -> String {
        let Self { ground, lines, front, .. } = self;
        ground + &lines + &front
    }
}

fn rectangle(area: Area, class: &str, radius: f32) -> String {
    format!(
        "<rect x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"{}\" class=\"{class}\"/>\n",
        number(area.x),
        number(area.y),
        number(area.width),
        number(area.height),
        number(radius)
    )
}

/// A number with at most one digit after the point.
pub(super) fn number(value: f32) -> String {
    let text = format!("{value:.1}");
    let short = text.strip_suffix(".0").unwrap_or(&text);
    if short == "-0" { "0".into() } else { short.to_owned() }
}

/// Text for an XML document. Control characters are replaced: some are not allowed in XML at all.
pub(super) fn escaped(text: &str) -> String {
    text.chars().fold(String::new(), |mut all, c| {
        match c {
            '&' => all += "&amp;",
            '<' => all += "&lt;",
            '>' => all += "&gt;",
            '"' => all += "&quot;",
            '\'' => all += "&#39;",
            c if c.is_control() || matches!(c, '\u{fffe}' | '\u{ffff}') => all.push('\u{fffd}'),
            c => all.push(c),
        }
        all
    })
}
