//! A router in the picture, with its bridges, their ports and its uplinks.

use unicode_width::UnicodeWidthStr as _;

use super::{
    canvas::{FRAME, Label},
    picture::{Columns, Joint, Line, Picture, uplink_details, uplink_label, widest},
};
use crate::graph::{Edge, Id, Kind, Link, Node};

/// Rows of an uplink that is plugged into a bridge, with a blank row above and below it.
const PLUG_HEIGHT: usize = 3;

/// A bridge with everything that is plugged in, and its rows.
struct BridgeGroup<'a> {
    bridge: &'a Node,
    ports: Vec<Port<'a>>,
    row: usize,
    height: usize,
}

/// A port of a bridge.
struct Port<'a> {
    edge: &'a Edge,
    /// The lines of the namespace's box; empty for an uplink.
    lines: Vec<Line>,
    height: usize,
}

/// Uplinks with the same target, each with the row of its line.
struct UplinkGroup<'a> {
    uplinks: Vec<(&'a Node, usize)>,
    target: Target,
    /// Rows from the first uplink to the next group.
    height: usize,
}

/// The drawing right of uplinks.
enum Target {
    /// The outside's box.
    Box { id: Id, lines: Vec<String> },
    /// The name of something that is drawn elsewhere, or not at all.
    Reference(String),
}

impl UplinkGroup<'_> {
    fn is_box(&self) -> bool {
        matches!(self.target, Target::Box { .. })
    }
}

impl<'a> Picture<'a> {
    /// Draws a router with its upper edge at `top`, and returns the next free row.
    pub(super) fn router(&mut self, router: &Node, top: usize) -> usize {
        let graph = self.graph;
        let groups = self.bridge_groups(router, top + 1);
        let groups_end = groups.last().map_or(top + 1, |group| group.row + group.height);
        let notes_row = groups_end + router.interfaces.len();
        let function_row = notes_row + router.notes.len();
        let uplink_groups = self.uplink_groups(router, function_row + 1);
        let uplinks: Vec<usize> = uplink_groups
            .iter()
            .flat_map(|group| group.uplinks.iter().map(|(_, row)| *row))
            .collect();
        let bridges: Vec<usize> = groups.iter().map(|group| group.row + 1).collect();
        let has_trunk = !uplinks.is_empty() || bridges.len() > 1;
        let bottom = match (uplinks.last(), uplink_groups.last()) {
            (Some(row), Some(group)) => row + if group.is_box() { 2 } else { group.height },
            _ => function_row + usize::from(has_trunk),
        };

        // The frame is drawn first, so that cables can cross it.
        let Columns { router: left, trunk, wall, .. } = self.columns;
        let title = Label::new(self.styles.heading, &router.name);
        self.canvas.frame(left, top, wall - left + 1, bottom - top + 1, &title);
        if has_trunk {
            self.trunk(&bridges, &uplinks);
            self.canvas.text_before(
                trunk - 1,
                function_row,
                &Label::new(self.styles.faint, graph.router_function()),
            );
        }
        for group in &groups {
            self.draw_bridge_group(group, has_trunk);
        }
        for (interface, row) in router.interfaces.iter().zip(groups_end..) {
            self.canvas.line(left, row, '┼');
            self.canvas.line(left + 1, row, '─');
            self.canvas.text(left + 3, row, &Label::plain(interface.describe()));
            self.ends.insert((router.id, interface.name.clone()), (row, left));
        }
        for (note, row) in router.notes.iter().zip(notes_row..) {
            self.canvas.text(left + 2, row, &Label::new(self.styles.faint, note));
        }
        for group in &uplink_groups {
            self.draw_uplink_group(group);
        }
        let beyond = uplink_groups.last().map_or(0, |group| group.uplinks[0].1 - 1 + group.height);
        (bottom + 1).max(beyond)
    }

    fn bridge_groups(&self, router: &Node, first: usize) -> Vec<BridgeGroup<'a>> {
        let graph = self.graph;
        let mut row = first;
        let mut groups = Vec::new();
        for bridge in graph.inside(router.id, Kind::Bridge) {
            let ports: Vec<Port<'a>> = graph.ports(bridge.id).map(|edge| self.port(edge)).collect();
            // A bridge without cables still has its edges and its address.
            let own = 2 + bridge.details().len();
            let height = ports.iter().map(|port| port.height).sum::<usize>().max(own);
            groups.push(BridgeGroup { bridge, ports, row, height });
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

    /// The uplinks of a router, grouped by their targets.
    fn uplink_groups(&mut self, router: &Node, first: usize) -> Vec<UplinkGroup<'a>> {
        let mut uplink_groups: Vec<UplinkGroup<'a>> = Vec::new();
        for uplink in self.graph.inside(router.id, Kind::Uplink) {
            let edge = self.graph.uplink_edge(uplink.id);
            let outside = edge.map(|edge| edge.b.node);
            let same = uplink_groups.iter_mut().find(
                |group| matches!(&group.target, Target::Box { id, .. } if Some(*id) == outside),
            );
            match same {
                Some(group) => group.uplinks.push((uplink, 0)),
                None => {
                    uplink_groups.push(UplinkGroup {
                        uplinks: vec![(uplink, 0)],
                        target: self.target(uplink),
                        height: 1 + usize::from(uplink_details(uplink).width() > 0),
                    });
                }
            }
        }
        let mut row = first;
        for index in 0..uplink_groups.len() {
            // The box of an outside begins one row above its first line.
            let is_below_reference = index > 0 && !uplink_groups[index - 1].is_box();
            let group = &mut uplink_groups[index];
            row += usize::from(is_below_reference && group.is_box());
            if let Target::Box { id, lines } = &mut group.target {
                let joints;
                (*lines, joints) = self.outside_lines(*id, &group.uplinks);
                for ((_, uplink_row), joint) in group.uplinks.iter_mut().zip(joints) {
                    *uplink_row = row + joint;
                }
                group.height = lines.len() + 2;
            } else {
                group.uplinks[0].1 = row;
            }
            row += group.height;
        }
        uplink_groups
    }

    /// The target of an uplink. Only the first uplink to an outside has its box.
    fn target(&mut self, uplink: &Node) -> Target {
        let Some(edge) = self.graph.uplink_edge(uplink.id) else {
            return Target::Reference("▷".to_owned());
        };
        let far = &self.graph[edge.b.node];
        if edge.link == Link::Plug {
            return Target::Reference(format!("▷ {} on {}", self.graph.end(&edge.b), far.name));
        }
        if far.kind == Kind::Outside && self.drawn.insert(far.id) {
            return Target::Box { id: far.id, lines: Vec::new() };
        }
        Target::Reference(format!("▷ {}", self.graph.end(&edge.b)))
    }

    /// The lines in the box of an outside, and the indexes of the lines that the uplinks lead to.
    fn outside_lines(&self, id: Id, uplinks: &[(&Node, usize)]) -> (Vec<String>, Vec<usize>) {
        let node = &self.graph[id];
        let mut lines = Vec::new();
        let mut joints = Vec::new();
        let own: Vec<&str> = uplinks
            .iter()
            .filter_map(|(uplink, _)| self.graph.uplink_edge(uplink.id))
            .map(|edge| edge.b.interface.as_str())
            .collect();
        // First the interfaces that the uplinks lead to, in the order of the uplinks.
        let is_own = |name: &str| own.contains(&name);
        let connected = own
            .iter()
            .filter_map(|name| node.interfaces.iter().find(|interface| interface.name == **name));
        let others = node.interfaces.iter().filter(|interface| !is_own(&interface.name));
        for interface in connected.chain(others) {
            if is_own(&interface.name) {
                joints.push(lines.len());
            }
            lines.push(interface.name.clone());
            lines.extend(interface.address.clone());
            if let Some(far) = self.graph.far_end_reference(node, &interface.name) {
                lines.push(format!("▷ {far}"));
            }
        }
        lines.extend(node.answers.iter().cloned());
        lines.extend(node.notes.iter().cloned());
        (lines, joints)
    }

    /// The line that connects all bridges and uplinks of a router.
    fn trunk(&mut self, bridges: &[usize], uplinks: &[usize]) {
        let column = self.columns.trunk;
        let rows: Vec<(usize, bool)> = bridges
            .iter()
            .map(|row| (*row, true))
            .chain(uplinks.iter().map(|row| (*row, false)))
            .collect();
        let (Some((first, _)), Some((last, _))) = (rows.first(), rows.last()) else { return };
        self.canvas.down(column, *first..*last);
        for (index, (row, is_bridge)) in rows.iter().enumerate() {
            let joint = match (index == 0, index + 1 == rows.len(), is_bridge) {
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

    fn draw_bridge_group(&mut self, group: &BridgeGroup<'a>, has_trunk: bool) {
        let Columns { namespace_width, router, bridge, bridge_width, trunk, .. } = self.columns;
        let title = Label::new(self.styles.heading, &group.bridge.name);
        self.canvas.frame(bridge, group.row, bridge_width, group.height, &title);
        let line = group.row + 1;
        for (detail, row) in group.bridge.details().into_iter().zip(line..) {
            self.canvas.text(bridge + 2, row, &Label::plain(detail));
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
                let index = self.graph.of(Kind::Namespace).position(|other| other.id == node.id);
                self.namespace(node, index.unwrap_or_default(), &port.lines, row);
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

    fn draw_uplink_group(&mut self, group: &UplinkGroup<'a>) {
        let Columns { trunk, wall, .. } = self.columns;
        for (uplink, row) in &group.uplinks {
            self.canvas.text_before(trunk - 1, *row, &uplink_label(uplink));
            let details = Label::new(self.styles.faint, uplink_details(uplink));
            self.canvas.text_before(trunk - 1, row + 1, &details);
            self.canvas.across(trunk + 1..wall + 2, *row);
            self.canvas.line(wall, *row, '┼');
        }
        let column = wall + 2;
        let first = group.uplinks[0].1;
        match &group.target {
            Target::Reference(name) => self.canvas.text(column, first, &Label::plain(name)),
            Target::Box { id, lines } => {
                let title = Label::new(self.styles.heading, &self.graph[*id].name);
                let inside =
                    widest(lines.iter().map(|line| line.width()).chain([title.width() + 2]));
                self.canvas.frame(column, first - 1, inside + FRAME, lines.len() + 2, &title);
                for (line, row) in lines.iter().zip(first..) {
                    self.canvas.text(column + 2, row, &Label::plain(line));
                }
                for (_, row) in &group.uplinks {
                    self.canvas.line(column, *row, '┤');
                }
            }
        }
    }
}
