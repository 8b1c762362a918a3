//! A router in the picture, with all that hangs on it.

use unicode_width::UnicodeWidthStr as _;

use super::{
    canvas::{FRAME, Label},
    picture::{Columns, Joint, Line, Picture, uplink_facts, uplink_label, widest},
};
use crate::graph::{Edge, Id, Kind, Link, Node};

/// Rows of an uplink that is plugged into a bridge, with the blank ones about it.
const PLUG_HEIGHT: usize = 3;

/// A bridge, what is plugged in, and where it is drawn.
struct Group<'a> {
    bridge: &'a Node,
    ports: Vec<Port<'a>>,
    row: usize,
    height: usize,
}

/// Something on a bridge.
struct Port<'a> {
    edge: &'a Edge,
    /// Of the namespace's box; none for an uplink.
    lines: Vec<Line>,
    height: usize,
}

/// Uplinks that lead to the same place, each with the row of its line.
struct Exit<'a> {
    uplinks: Vec<(&'a Node, usize)>,
    to: Way,
    /// Rows until the next exit can begin.
    height: usize,
}

/// What is drawn right of an uplink.
enum Way {
    /// The outside's box.
    Box {
        id: Id,
        lines: Vec<String>,
    },
    Words(String),
}

impl Exit<'_> {
    fn is_box(&self) -> bool {
        matches!(self.to, Way::Box { .. })
    }
}

impl<'a> Picture<'a> {
    /// Draws a router whose upper edge is at `top`, and tells the next free row.
    pub(super) fn router(&mut self, router: &Node, top: usize) -> usize {
        let graph = self.graph;
        let groups = self.groups(router, top + 1);
        let groups_end = groups.last().map_or(top + 1, |group| group.row + group.height);
        let notes_row = groups_end + router.interfaces.len();
        let work_row = notes_row + router.notes.len();
        let exits = self.exits(router, work_row + 1);
        let uplinks: Vec<usize> =
            exits.iter().flat_map(|exit| exit.uplinks.iter().map(|(_, row)| *row)).collect();
        let bridges: Vec<usize> = groups.iter().map(|group| group.row + 1).collect();
        let has_trunk = !uplinks.is_empty() || bridges.len() > 1;
        let bottom = match (uplinks.last(), exits.last()) {
            (Some(row), Some(exit)) => row + if exit.is_box() { 2 } else { exit.height },
            _ => work_row + usize::from(has_trunk),
        };

        // The frame comes first, so that cables may cross it.
        let Columns { router: left, trunk, wall, .. } = self.columns;
        let title = Label::new(self.styles.heading, &router.name);
        self.canvas.frame(left, top, wall - left + 1, bottom - top + 1, &title);
        if has_trunk {
            self.trunk(&bridges, &uplinks);
            self.canvas.text_before(
                trunk - 1,
                work_row,
                &Label::new(self.styles.faint, graph.work()),
            );
        }
        for group in &groups {
            self.group(group, has_trunk);
        }
        for (interface, row) in router.interfaces.iter().zip(groups_end..) {
            self.canvas.line(left, row, '┼');
            self.canvas.line(left + 1, row, '─');
            self.canvas.text(left + 3, row, &Label::plain(interface.words()));
            self.ends.insert((router.id, interface.name.clone()), (row, left));
        }
        for (note, row) in router.notes.iter().zip(notes_row..) {
            self.canvas.text(left + 2, row, &Label::new(self.styles.faint, note));
        }
        for exit in &exits {
            self.exit(exit);
        }
        let beyond = exits.last().map_or(0, |exit| exit.uplinks[0].1 - 1 + exit.height);
        (bottom + 1).max(beyond)
    }

    fn groups(&self, router: &Node, first: usize) -> Vec<Group<'a>> {
        let graph = self.graph;
        let mut row = first;
        let mut groups = Vec::new();
        for bridge in graph.inside(router.id, Kind::Bridge) {
            let ports: Vec<Port<'a>> = graph.ports(bridge.id).map(|edge| self.port(edge)).collect();
            // A bridge without cables still has its edges and its address.
            let own = 2 + bridge.facts().len();
            let height = ports.iter().map(|port| port.height).sum::<usize>().max(own);
            groups.push(Group { bridge, ports, row, height });
            row += height;
        }
        groups
    }

    fn port(&self, edge: &'a Edge) -> Port<'a> {
        if edge.link == Link::Plug {
            return Port { edge, lines: Vec::new(), height: PLUG_HEIGHT };
        }
        let lines = self.lines(&self.graph[edge.a.node]);
        let height = lines.len() + 2;
        Port { edge, lines, height }
    }

    /// Each uplink with the row of its line; those to the same outside follow each other.
    fn exits(&mut self, router: &Node, first: usize) -> Vec<Exit<'a>> {
        let mut exits: Vec<Exit<'a>> = Vec::new();
        for uplink in self.graph.inside(router.id, Kind::Uplink) {
            let edge = self.graph.way_out(uplink.id);
            let outside = edge.map(|edge| edge.b.node);
            let same = exits
                .iter_mut()
                .find(|exit| matches!(&exit.to, Way::Box { id, .. } if Some(*id) == outside));
            match same {
                Some(exit) => exit.uplinks.push((uplink, 0)),
                None => {
                    exits.push(Exit {
                        uplinks: vec![(uplink, 0)],
                        to: self.way(uplink),
                        height: 1 + usize::from(uplink_facts(uplink).width() > 0),
                    });
                }
            }
        }
        let mut row = first;
        for place in 0..exits.len() {
            // The box of what is outside begins a row above its first line.
            let below_words = place > 0 && !exits[place - 1].is_box();
            let exit = &mut exits[place];
            row += usize::from(below_words && exit.is_box());
            if let Way::Box { id, lines } = &mut exit.to {
                let joints;
                (*lines, joints) = self.outside_lines(*id, &exit.uplinks);
                for ((_, uplink_row), joint) in exit.uplinks.iter_mut().zip(joints) {
                    *uplink_row = row + joint;
                }
                exit.height = lines.len() + 2;
            } else {
                exit.uplinks[0].1 = row;
            }
            row += exit.height;
        }
        exits
    }

    /// Where an uplink leads; a box only the first time.
    fn way(&mut self, uplink: &Node) -> Way {
        let Some(edge) = self.graph.way_out(uplink.id) else {
            return Way::Words("▷".to_owned());
        };
        let far = &self.graph[edge.b.node];
        if edge.link == Link::Plug {
            return Way::Words(format!("▷ {} on {}", self.graph.end(&edge.b), far.name));
        }
        if far.kind == Kind::Outside && self.drawn.insert(far.id) {
            return Way::Box { id: far.id, lines: Vec::new() };
        }
        Way::Words(format!("▷ {}", self.graph.end(&edge.b)))
    }

    /// What stands in the box of an outside, and which of these lines the uplinks lead to.
    fn outside_lines(&self, id: Id, uplinks: &[(&Node, usize)]) -> (Vec<String>, Vec<usize>) {
        let node = &self.graph[id];
        let mut lines = Vec::new();
        let mut joints = Vec::new();
        let own: Vec<&str> = uplinks
            .iter()
            .filter_map(|(uplink, _)| self.graph.way_out(uplink.id))
            .map(|edge| edge.b.interface.as_str())
            .collect();
        // First those that the uplinks lead to, in their order.
        let is_own = |name: &str| own.contains(&name);
        let led = own
            .iter()
            .filter_map(|name| node.interfaces.iter().find(|interface| interface.name == **name));
        let others = node.interfaces.iter().filter(|interface| !is_own(&interface.name));
        for interface in led.chain(others) {
            if is_own(&interface.name) {
                joints.push(lines.len());
            }
            lines.push(interface.name.clone());
            lines.extend(interface.address.clone());
            if let Some(far) = self.graph.beyond(node, &interface.name) {
                lines.push(format!("▷ {far}"));
            }
        }
        lines.extend(node.answers.iter().cloned());
        lines.extend(node.notes.iter().cloned());
        (lines, joints)
    }

    /// The line that all bridges and uplinks of a router hang on.
    fn trunk(&mut self, bridges: &[usize], uplinks: &[usize]) {
        let column = self.columns.trunk;
        let rows: Vec<(usize, bool)> = bridges
            .iter()
            .map(|row| (*row, true))
            .chain(uplinks.iter().map(|row| (*row, false)))
            .collect();
        let (Some((first, _)), Some((last, _))) = (rows.first(), rows.last()) else { return };
        self.canvas.down(column, *first..*last);
        for (place, (row, is_bridge)) in rows.iter().enumerate() {
            let joint = match (place == 0, place + 1 == rows.len(), is_bridge) {
                (true, true, _) => '─',
                (true, false, true) => '╮',
                (true, false, false) => '╭',
                (false, true, true) => '╯',
                (false, true, false) => '╰',
                (false, false, true) => '┤',
                (false, false, false) => '├',
            };
            self.canvas.line(column, *row, joint);
        }
    }

    fn group(&mut self, group: &Group<'a>, has_trunk: bool) {
        let Columns { namespace_width, router, bridge, bridge_width, trunk, .. } = self.columns;
        let title = Label::new(self.styles.heading, &group.bridge.name);
        self.canvas.frame(bridge, group.row, bridge_width, group.height, &title);
        let line = group.row + 1;
        for (fact, row) in group.bridge.facts().into_iter().zip(line..) {
            self.canvas.text(bridge + 2, row, &Label::plain(fact));
        }
        if has_trunk {
            let right = bridge + bridge_width - 1;
            self.canvas.line(right, line, '├');
            self.canvas.across(right + 1..trunk, line);
        }

        let mut row = group.row;
        for port in &group.ports {
            let is_joint = |line: &Line| line.joint == Some(Joint::Right);
            let joint = row + 1 + port.lines.iter().position(is_joint).unwrap_or_default();
            let from = if port.edge.link == Link::Plug {
                let label = self.plugged_uplink(&port.edge.a);
                self.canvas.text_before(namespace_width - 1, joint, &label);
                namespace_width
            } else {
                let node = &self.graph[port.edge.a.node];
                let place = self.graph.of(Kind::Namespace).position(|other| other.id == node.id);
                self.namespace(node, place.unwrap_or_default(), &port.lines, row);
                namespace_width
            };
            self.canvas.across(from..bridge, joint);
            self.canvas.line(router, joint, '┼');
            self.canvas.line(bridge, joint, '┤');
            if self.with_ports {
                let label = Label::plain(format!(" {} ", port.edge.b.interface));
                self.canvas.text(router + 2, joint, &label);
            }
            row += port.height;
        }
    }

    fn exit(&mut self, exit: &Exit<'a>) {
        let Columns { trunk, wall, .. } = self.columns;
        for (uplink, row) in &exit.uplinks {
            self.canvas.text_before(trunk - 1, *row, &uplink_label(uplink));
            let facts = Label::new(self.styles.faint, uplink_facts(uplink));
            self.canvas.text_before(trunk - 1, row + 1, &facts);
            self.canvas.across(trunk + 1..wall + 2, *row);
            self.canvas.line(wall, *row, '┼');
        }
        let column = wall + 2;
        let first = exit.uplinks[0].1;
        match &exit.to {
            Way::Words(words) => self.canvas.text(column, first, &Label::plain(words)),
            Way::Box { id, lines } => {
                let title = Label::new(self.styles.heading, &self.graph[*id].name);
                let inside =
                    widest(lines.iter().map(|line| line.width()).chain([title.width() + 2]));
                self.canvas.frame(column, first - 1, inside + FRAME, lines.len() + 2, &title);
                for (line, row) in lines.iter().zip(first..) {
                    self.canvas.text(column + 2, row, &Label::plain(line));
                }
                for (_, row) in &exit.uplinks {
                    self.canvas.line(column, *row, '┤');
                }
            }
        }
    }
}
