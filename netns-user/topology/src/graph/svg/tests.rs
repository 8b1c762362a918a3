//! The SVG picture of a lab: valid XML, boxes that do not overlap, text inside its box.

use roxmltree::{Document, Node};

use super::{style::NAME, *};
use crate::{graph::tests as samples, topology::Topology};

/// The ratio of width to size of a character in the widest common fixed-width font.
const WIDEST: f32 = 0.602;

fn labs() -> Vec<Topology> {
    vec![
        Topology::lecture(),
        samples::plugged(),
        samples::crowd(20),
        samples::crowd(200),
        samples::nasty(),
        samples::chain(12),
        samples::empty("empty"),
    ]
}

fn attribute(node: Node<'_, '_>, name: &str) -> f32 {
    node.attribute(name).unwrap_or_default().parse().unwrap_or_default()
}

fn area(node: Node<'_, '_>) -> Area {
    let of = |name| attribute(node, name);
    Area { x: of("x"), y: of("y"), width: of("width"), height: of("height") }
}

/// The boxes of nodes, without the boxes behind them that stand for more namespaces.
fn boxes<'a>(document: &'a Document<'_>) -> Vec<Area> {
    let classes = ["namespace", "bridge", "uplink", "outside", "elsewhere", "function"];
    let of_node = |node: &Node<'a, '_>| {
        node.tag_name().name() == "rect"
            && node.attribute("class").is_some_and(|class| classes.contains(&class))
    };
    document
        .descendants()
        .filter(of_node)
        // A box behind is followed by another one of the same width.
        .filter(|node| {
            let next = node.next_sibling_element();
            next.is_none_or(|next| !of_node(&next) || area(next).width != area(*node).width)
                || node.attribute("class") != Some("namespace")
        })
        .map(area)
        .collect()
}

#[test]
fn the_picture_is_valid_xml_without_references() {
    for lab in labs() {
        let text = svg(&Graph::new(&lab, true));
        let document = Document::parse(&text).unwrap_or_else(|error| panic!("{error}\n{text}"));
        let root = document.root_element();
        assert_eq!(root.tag_name().name(), "svg");
        let names: Vec<&str> = root.children().map(|node| node.tag_name().name()).collect();
        assert!(names.contains(&"title") && names.contains(&"desc"), "{names:?}");
        assert!(!document.descendants().any(|node| node.tag_name().name() == "script"));
        let elsewhere = text.replace("xmlns=\"http://www.w3.org/2000/svg\"", "");
        for word in ["http", "href", "url(", "@import", "@font-face"] {
            assert!(!elsewhere.contains(word), "{word}");
        }
    }
}

#[test]
fn special_characters_in_names_are_shown() {
    let text = svg(&Graph::new(&samples::nasty(), true));
    let document = Document::parse(&text).unwrap();
    let is_shown = |wanted: &str| {
        document.descendants().any(|node| node.is_text() && node.text() == Some(wanted))
    };
    for first in ["n", "p", "r", "b", "u", "o", "i", "c"] {
        let name = format!("{first}{}", samples::NASTY);
        assert!(is_shown(&name) || is_shown(&format!("{name} ")), "{name}\n{text}");
    }
}

#[test]
fn everything_is_on_the_sheet() {
    for lab in labs() {
        let text = svg(&Graph::new(&lab, true));
        let document = Document::parse(&text).unwrap();
        let root = document.root_element();
        let size = (attribute(root, "width"), attribute(root, "height"));
        assert_eq!(root.attribute("viewBox"), Some(&*format!("0 0 {} {}", size.0, size.1)));
        let group = root.children().find(|node| node.tag_name().name() == "g").unwrap();
        let shift = group.attribute("transform").unwrap();
        let shift = shift.trim_start_matches("translate(").trim_end_matches(')');
        let (x, y) = shift.split_once(' ').unwrap();
        let (x, y): (f32, f32) = (x.parse().unwrap(), y.parse().unwrap());
        for node in group.children().filter(|node| node.tag_name().name() == "rect") {
            let area = area(node);
            assert!(area.x + x >= 0.0 && area.y + y >= 0.0, "{}: {area:?}", lab.name);
            assert!(area.right() + x <= size.0, "{}: {area:?}", lab.name);
            assert!(area.bottom() + y <= size.1, "{}: {area:?}", lab.name);
        }
    }
}

#[test]
fn boxes_do_not_overlap() {
    for lab in labs() {
        let text = svg(&Graph::new(&lab, true));
        let document = Document::parse(&text).unwrap();
        let boxes = boxes(&document);
        for (place, one) in boxes.iter().enumerate() {
            for other in &boxes[place + 1..] {
                let beside = one.right() <= other.x || other.right() <= one.x;
                let above = one.bottom() <= other.y || other.bottom() <= one.y;
                assert!(beside || above, "{}: {one:?} and {other:?}", lab.name);
            }
        }
    }
}

#[test]
fn text_stays_in_its_box() {
    let mut long = Topology::lecture();
    long.namespaces[0].name = "n".repeat(200);
    long.routers[0].namespace = Some("r".repeat(100));
    long.bridges[0].router.clone_from(&long.routers[0].namespace);
    long.uplinks[0].router.clone_from(&long.routers[0].namespace);
    let mut checked = 0;
    for lab in labs().into_iter().chain([long]) {
        let text = svg(&Graph::new(&lab, true));
        let document = Document::parse(&text).unwrap();
        let boxes = boxes(&document);
        for node in document.descendants().filter(|node| node.tag_name().name() == "text") {
            let words = node.text().unwrap_or_default();
            let class = node.attribute("class").unwrap_or_default();
            if class.contains("prose") || node.attribute("text-anchor").is_some() {
                continue;
            }
            let size = if class.contains("name") { NAME } else { TEXT };
            #[expect(clippy::cast_precision_loss, reason = "a text has few characters")]
            let end = attribute(node, "x") + words.chars().count() as f32 * size * WIDEST;
            let (x, y) = (attribute(node, "x"), attribute(node, "y"));
            let around = boxes
                .iter()
                .find(|area| area.x < x && x < area.right() && area.y < y && y < area.bottom());
            if let Some(area) = around {
                assert!(end <= area.right(), "{}: {words} in {area:?}", lab.name);
                checked += 1;
            }
        }
    }
    assert!(checked > 80, "{checked}");
}

#[test]
fn a_router_stands_left_of_the_one_it_is_plugged_into() {
    let text = svg(&Graph::new(&samples::plugged(), true));
    let document = Document::parse(&text).unwrap();
    let is_router = |node: &Node<'_, '_>| node.attribute("class") == Some("router");
    let mut routers: Vec<Area> = document.descendants().filter(is_router).map(area).collect();
    routers.sort_by(|one, other| one.x.total_cmp(&other.x));
    let [home, isp] = routers.as_slice() else { panic!("{routers:?}") };
    assert!(home.right() < isp.x);
    // The line between them is horizontal, so that the nested router lies within the height of the
    // other.
    assert!(isp.y < home.y && home.bottom() < isp.bottom());
}

#[test]
fn routers_plugged_into_each_other_are_all_drawn() {
    let mut lab = samples::plugged();
    lab.uplinks[0].far = Some(samples::plug("lan", "isp-eth0"));
    let text = svg(&Graph::new(&lab, true));
    let document = Document::parse(&text).unwrap();
    let is_router = |node: &Node<'_, '_>| node.attribute("class") == Some("router");
    assert_eq!(document.descendants().filter(is_router).count(), 2);
}

#[test]
fn each_cable_of_the_lecture_has_its_line() {
    let text = svg(&Graph::new(&Topology::lecture(), true));
    assert_eq!(text.matches("class=\"wire\"").count(), 2);
    assert_eq!(text.matches("class=\"way\"").count(), 1);
    // From the bridge to the function, and from there to the uplink.
    assert_eq!(text.matches("class=\"inner\"").count(), 2);
}

#[test]
fn of_many_rules_the_last_are_only_counted() {
    let mut lab = Topology::lecture();
    lab.forwards = vec![lab.forwards[0].clone(); 1000];
    let text = svg(&Graph::new(&lab, true));
    assert!(text.contains("and 977 more rules"), "{text}");
}
