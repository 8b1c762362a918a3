//! A lab as a picture: namespaces on the left, the router with its bridges in the middle,
//! what lies beyond its uplinks on the right, the rules below.

mod canvas;

use canvas::{Canvas, FRAME, Label};

use crate::{
    output::style::{FAINT, HEADING, of_namespace, paint},
    topology::{Bridge, Namespace, NamespacePlug, Outside, Topology, Uplink},
};

/// Rows of a namespace's box: two edges, interface, address.
const NAMESPACE_HEIGHT: usize = 4;
/// Columns between a namespace and the router.
const GAP: usize = 1;

/// The picture and the rules as lines with ANSI sequences.
///
/// `width` is that of the terminal; names of bridge ports are left out where the picture
/// would not fit otherwise.
pub fn draw(topology: &Topology, width: usize) -> Vec<String> {
    let full = picture(topology, true);
    let canvas = if full.width() <= width { full } else { picture(topology, false) };
    let mut lines = canvas.lines();
    lines.push(String::new());
    lines.extend(rules(topology));
    lines
}

/// Columns of the picture, from left to right.
struct Columns {
    namespace_width: usize,
    router: usize,
    bridge: usize,
    bridge_width: usize,
    trunk: usize,
    wall: usize,
}

impl Columns {
    fn of(topology: &Topology, with_ports: bool) -> Self {
        let namespace_width = widest(topology.plugged().flat_map(|(namespace, plug)| {
            [
                namespace.name.chars().count() + 2,
                plug.interface.chars().count(),
                plug.address.to_string().len(),
            ]
        })) + FRAME;
        let port_width = if with_ports {
            widest(topology.plugged().map(|(_, plug)| plug.port.chars().count())) + 4
        } else {
            2
        };
        let bridge_width = widest(topology.bridges.iter().flat_map(|bridge| {
            [bridge.name.chars().count() + 2, bridge.address.to_string().len()]
        })) + FRAME;
        let router = namespace_width + GAP;
        let bridge = router + 1 + port_width;
        // An uplink's label stands left of the trunk and may need more room than the bridges.
        let labels = widest(topology.uplinks.iter().map(|uplink| uplink_label(uplink).width()));
        let trunk = (bridge + bridge_width + 1).max(router + labels + 3);
        Self { namespace_width, router, bridge, bridge_width, trunk, wall: trunk + 2 }
    }
}

fn widest(widths: impl Iterator<Item = usize>) -> usize {
    widths.max().unwrap_or_default()
}

fn picture(topology: &Topology, with_ports: bool) -> Canvas {
    let columns = Columns::of(topology, with_ports);
    let mut canvas = Canvas::default();

    // The frame comes first, so that cables may cross it; its height follows from the rest.
    let groups: Vec<Group<'_>> = groups(topology);
    let groups_end = groups.last().map_or(1, |group| group.row + group.height);
    let uplinks = uplink_rows(&topology.uplinks, groups_end + 1);
    let bottom = uplinks.last().map_or(groups_end, |(row, uplink)| match uplink.outside() {
        Some(_) => row + 2,
        None => row + 1,
    });
    let name = topology.first_router().unwrap_or("this machine");
    let router = Label::new(HEADING, name);
    let width = (columns.wall - columns.router + 1).max(router.width() + FRAME + 2);
    canvas.frame(columns.router, 0, width, bottom + 1, &router);

    let last_uplink = uplinks.last().map(|(row, _)| *row);
    let trunk_rows = groups.first().map(|group| group.row + 1).zip(last_uplink);
    if let Some((from, to)) = trunk_rows {
        canvas.down(columns.trunk, from..to);
    }
    for (place, group) in groups.iter().enumerate() {
        let has_trunk = trunk_rows.is_some().then_some(place == 0);
        draw_group(&mut canvas, &columns, group, with_ports, has_trunk);
    }
    if last_uplink.is_some() {
        let what = if topology.masquerades.is_empty() && topology.forwards.is_empty() {
            "routing"
        } else {
            "routing and NAT"
        };
        canvas.text_before(columns.trunk - 1, groups_end, &Label::new(FAINT, what));
    }
    for (row, uplink) in &uplinks {
        draw_uplink(&mut canvas, &columns, *row, uplink, Some(*row) == last_uplink);
    }
    canvas
}

/// A bridge, the namespaces on it with their places among all, and where it is drawn.
struct Group<'a> {
    bridge: &'a Bridge,
    namespaces: Vec<(usize, (&'a Namespace, &'a NamespacePlug))>,
    row: usize,
    height: usize,
}

fn groups(topology: &Topology) -> Vec<Group<'_>> {
    let mut groups: Vec<Group<'_>> = Vec::new();
    for bridge in &topology.bridges {
        let namespaces: Vec<_> = topology
            .plugged()
            .enumerate()
            .filter(|(_, (_, plug))| plug.bridge == bridge.name)
            .collect();
        // A bridge without cables still has its edges and its address.
        let height = (namespaces.len() * NAMESPACE_HEIGHT).max(3);
        let row = groups.last().map_or(1, |above| above.row + above.height);
        groups.push(Group { bridge, namespaces, row, height });
    }
    groups
}

/// Each uplink with the row of its line; what is outside needs room of its own.
fn uplink_rows(uplinks: &[Uplink], first: usize) -> Vec<(usize, &Uplink)> {
    let mut rows: Vec<(usize, &Uplink)> = Vec::new();
    for uplink in uplinks {
        let row = rows.last().map_or(first, |(row, above)| match above.outside() {
            Some(outside) => row + outside_height(outside),
            // The box of what is outside begins a row above the line.
            None => row + 1 + usize::from(uplink.outside().is_some()),
        });
        rows.push((row, uplink));
    }
    rows
}

fn outside_height(outside: &Outside) -> usize {
    NAMESPACE_HEIGHT + outside.answers.len()
}

/// `trunk`: whether there is one, and whether it begins here.
fn draw_group(
    canvas: &mut Canvas,
    columns: &Columns,
    group: &Group<'_>,
    with_ports: bool,
    trunk: Option<bool>,
) {
    let Columns { namespace_width, router, bridge, bridge_width, trunk: trunk_column, .. } =
        *columns;
    let title = Label::new(HEADING, &group.bridge.name);
    canvas.frame(bridge, group.row, bridge_width, group.height, &title);
    let line = group.row + 1;
    canvas.text(bridge + 2, line, &Label::plain(group.bridge.address.to_string()));
    if let Some(first) = trunk {
        let right = bridge + bridge_width - 1;
        canvas.line(right, line, '├');
        canvas.across(right + 1..trunk_column, line);
        canvas.line(trunk_column, line, if first { '╮' } else { '┤' });
    }

    for (index, (place, (namespace, plug))) in group.namespaces.iter().enumerate() {
        let row = group.row + index * NAMESPACE_HEIGHT;
        let title = Label::new(of_namespace(&namespace.name, *place), &namespace.name);
        canvas.frame(0, row, namespace_width, NAMESPACE_HEIGHT, &title);
        canvas.text(2, row + 1, &Label::plain(&plug.interface));
        canvas.text(2, row + 2, &Label::plain(plug.address.to_string()));
        canvas.line(namespace_width - 1, row + 1, '├');
        canvas.across(namespace_width..bridge, row + 1);
        canvas.line(router, row + 1, '┼');
        canvas.line(bridge, row + 1, '┤');
        if with_ports {
            let port = Label::plain(format!(" {} ", plug.port));
            canvas.text(router + 2, row + 1, &port);
        }
    }
}

fn draw_uplink(canvas: &mut Canvas, columns: &Columns, row: usize, uplink: &Uplink, last: bool) {
    canvas.text_before(columns.trunk - 1, row, &uplink_label(uplink));
    canvas.line(columns.trunk, row, if last { '╰' } else { '├' });
    canvas.across(columns.trunk + 1..columns.wall, row);
    canvas.line(columns.wall, row, '┼');
    let box_column = columns.wall + 2;
    canvas.line(columns.wall + 1, row, '─');
    let Some(outside) = uplink.outside() else {
        let beyond = match uplink.gateway {
            Some(gateway) => format!("▷ via {gateway}"),
            None => "▷".to_owned(),
        };
        canvas.text(box_column, row, &Label::plain(beyond));
        return;
    };
    let title = Label::new(HEADING, &outside.namespace);
    let address = outside.address.to_string();
    let answers: Vec<String> = outside.answers.iter().map(ToString::to_string).collect();
    let width = widest(
        [title.width() + 2, outside.interface.chars().count(), address.len()]
            .into_iter()
            .chain(answers.iter().map(String::len)),
    ) + FRAME;
    canvas.frame(box_column, row - 1, width, outside_height(outside), &title);
    canvas.line(box_column, row, '┤');
    canvas.text(box_column + 2, row, &Label::plain(&outside.interface));
    for (offset, text) in std::iter::once(address).chain(answers).enumerate() {
        canvas.text(box_column + 2, row + 1 + offset, &Label::plain(text));
    }
}

fn uplink_label(uplink: &Uplink) -> Label {
    Label::plain(match uplink.address {
        Some(address) => format!("{} {address}", uplink.name),
        None => uplink.name.clone(),
    })
}

/// The NAT rules in words.
fn rules(topology: &Topology) -> Vec<String> {
    let masquerades = topology.masquerades.iter().map(|rule| {
        let uplink = topology.uplinks.iter().find(|up| Some(&up.name) == rule.uplink.as_ref());
        let source = match uplink.and_then(|uplink| uplink.address) {
            Some(address) => address.addr().to_string(),
            None => "that uplink's address".to_owned(),
        };
        let way = rule.uplink.as_deref().unwrap_or("any uplink");
        ("masquerade", format!("{} leaves by {way} as {source}", rule.source))
    });
    let forwards = topology.forwards.iter().map(|rule| {
        let address = rule.address.map_or("the host".to_owned(), |address| address.to_string());
        let target = rule.target;
        let owner = topology
            .plugged()
            .find(|(_, plug)| plug.address.addr() == *target.ip())
            .map_or(String::new(), |(namespace, _)| format!(" in {}", namespace.name));
        let protocol = rule.protocol;
        ("forward", format!("{protocol} port {} of {address} leads to {target}{owner}", rule.port))
    });
    masquerades
        .chain(forwards)
        .map(|(kind, text)| format!("{} {text}", paint(FAINT, format!("{kind:<11}"))))
        .collect()
}

#[cfg(test)]
mod tests;
