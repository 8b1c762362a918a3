//! From a topology to its graph.

use std::{collections::HashMap, net::Ipv4Addr};

use super::{
    Edge, End, Graph, Id, Interface, Kind, Link, Node, describe,
    fold::{self, Group},
};
use crate::{
    counted,
    topology::{CableEnd, Far, Outside, Router, Topology, Uplink},
};

impl Graph {
    /// The graph of a lab. With `folded`, similar namespaces of a large lab share a node.
    pub fn new(topology: &Topology, folded: bool) -> Self {
        let mut builder = Builder::new(topology);
        for router in &topology.routers {
            builder.router(router);
        }
        let groups = if folded { fold::folded(topology) } else { fold::unfolded(topology) };
        for group in &groups {
            builder.namespaces(group);
        }
        for uplink in &topology.uplinks {
            builder.far_end(uplink);
        }
        builder.cables();
        builder.graph
    }
}

struct Builder<'a> {
    topology: &'a Topology,
    graph: Graph,
    /// Namespaces inside, routers and networks outside.
    namespaces: HashMap<&'a str, Id>,
    bridges: HashMap<&'a str, Id>,
    /// By their router and name.
    uplinks: HashMap<(Option<&'a str>, &'a str), Id>,
}

impl<'a> Builder<'a> {
    fn new(topology: &'a Topology) -> Self {
        let graph = Graph {
            lab: topology.name.clone(),
            nodes: Vec::new(),
            edges: Vec::new(),
            rules: describe::rules(topology),
            via_stack: topology.nat.via_stack,
        };
        Self {
            topology,
            graph,
            namespaces: HashMap::new(),
            bridges: HashMap::new(),
            uplinks: HashMap::new(),
        }
    }

    fn add(&mut self, kind: Kind, name: impl Into<String>) -> &mut Node {
        let id = Id(self.graph.nodes.len());
        self.graph.nodes.push(Node {
            id,
            kind,
            name: name.into(),
            count: 1,
            router: None,
            address: None,
            further_addresses: Vec::new(),
            gateway: None,
            interfaces: Vec::new(),
            answers: Vec::new(),
            notes: Vec::new(),
        });
        &mut self.graph.nodes[id.0]
    }

    fn connect(&mut self, link: Link, a: End, b: End, mtu: Option<u32>) {
        self.graph.edges.push(Edge { link, a, b, count: 1, mtu });
    }

    fn router(&mut self, router: &'a Router) {
        let topology = self.topology;
        let name = router.namespace.as_deref();
        let is_used = topology.bridges_of(name).next().is_some()
            || topology.uplinks_of(name).next().is_some()
            || !router.routes.is_empty();
        // The machine always exists. It is shown only when the lab does something with it.
        if name.is_none() && !is_used {
            return;
        }
        let node = self.add(Kind::Router, name.unwrap_or(describe::MACHINE));
        node.notes = router.routes.iter().map(describe::route).collect();
        let id = node.id;
        if let Some(name) = name {
            self.namespaces.insert(name, id);
        }
        for bridge in topology.bridges_of(name) {
            let node = self.add(Kind::Bridge, &bridge.name);
            node.router = Some(id);
            node.address = Some(bridge.address.to_string());
            node.notes.extend(bridge.mtu.map(describe::mtu));
            let bridge_id = node.id;
            self.bridges.insert(&bridge.name, bridge_id);
        }
        for uplink in topology.uplinks_of(name) {
            let node = self.add(Kind::Uplink, &uplink.name);
            node.router = Some(id);
            let mut addresses = uplink.addresses.iter().map(ToString::to_string);
            node.address = addresses.next();
            node.further_addresses = addresses.collect();
            node.gateway = uplink.gateway.map(|gateway| gateway.to_string());
            node.notes.extend(uplink.mtu.map(describe::mtu));
            let uplink_id = node.id;
            self.uplinks.insert((name, &uplink.name), uplink_id);
        }
    }

    fn namespaces(&mut self, group: &Group<'a>) {
        let first = group[0];
        let count = group.len();
        let plugs: Vec<_> = group.iter().filter_map(|namespace| namespace.plug.as_ref()).collect();
        let names: Vec<&str> = group.iter().map(|namespace| namespace.name.as_str()).collect();
        let node = self.add(Kind::Namespace, range(&names));
        node.count = count;
        let id = node.id;
        // For several namespaces, the notes say only what they have in common.
        if group.iter().all(|other| other.forwarding == first.forwarding) && first.forwarding {
            node.notes.push("forwards packets".into());
        }
        if group.iter().all(|other| other.routes == first.routes) {
            node.notes.extend(first.routes.iter().map(describe::route));
        }
        if group.iter().all(|other| other.dns == first.dns) && !first.dns.is_empty() {
            let servers: Vec<String> = first.dns.iter().map(ToString::to_string).collect();
            node.notes.push(format!("dns {}", servers.join(" ")));
        }
        let mut edge = None;
        if let Some(plug) = plugs.first() {
            let interfaces: Vec<&str> = plugs.iter().map(|plug| plug.interface.as_str()).collect();
            let address = if count == 1 {
                plug.address.to_string()
            } else {
                address_range(plugs.iter().map(|plug| plug.address.addr()).collect())
            };
            let interface = range(&interfaces);
            node.interfaces.push(Interface { name: interface.clone(), address: Some(address) });
            let mtu = plug.mtu.filter(|_| plugs.iter().all(|other| other.mtu == plug.mtu));
            node.notes.extend(mtu.map(describe::mtu));
            let port = if count == 1 { plug.port.clone() } else { counted(plugs.len(), "port") };
            edge = Some((interface, port, plug.bridge.as_str(), mtu));
        }
        for name in names {
            self.namespaces.insert(name, id);
        }
        if let Some((interface, port, bridge, mtu)) = edge
            && let Some(bridge) = self.bridges.get(bridge).copied()
        {
            let far = End { node: bridge, interface: port };
            self.connect(Link::Port, End { node: id, interface }, far, mtu);
            if let Some(edge) = self.graph.edges.last_mut() {
                edge.count = count;
            }
        }
    }

    /// Connects an uplink with its far end, which the lab makes.
    fn far_end(&mut self, uplink: &'a Uplink) {
        let key = (uplink.router.as_deref(), uplink.name.as_str());
        let (Some(id), Some(far)) = (self.uplinks.get(&key).copied(), &uplink.far) else { return };
        let near = End { node: id, interface: uplink.name.clone() };
        match far {
            Far::Outside(outside) => {
                let node = self.outside(outside);
                let far = End { node, interface: outside.interface.clone() };
                self.connect(Link::Outside, near, far, uplink.mtu);
            }
            Far::Plug(plug) => {
                if let Some(bridge) = self.bridges.get(plug.bridge.as_str()).copied() {
                    let far = End { node: bridge, interface: plug.port.clone() };
                    self.connect(Link::Plug, near, far, uplink.mtu);
                }
            }
        }
    }

    /// The node of an outside, which the first uplink to it adds.
    fn outside(&mut self, outside: &'a Outside) -> Id {
        let known = self.namespaces.get(outside.namespace.as_str()).copied();
        let id = known.unwrap_or_else(|| self.add(Kind::Outside, &outside.namespace).id);
        self.namespaces.insert(&outside.namespace, id);
        let node = &mut self.graph.nodes[id.0];
        node.interfaces.push(Interface {
            name: outside.interface.clone(),
            address: Some(outside.address.to_string()),
        });
        for answer in outside.answers.iter().map(ToString::to_string) {
            if !node.answers.contains(&answer) {
                node.answers.push(answer);
            }
        }
        id
    }

    fn cables(&mut self) {
        // Where a node stands for several namespaces, one edge stands for all of its cables to the
        // same other node.
        let mut merged: HashMap<(Id, Id), usize> = HashMap::new();
        for cable in &self.topology.cables {
            let a = self.namespaces.get(cable.a.namespace.as_str()).copied();
            let b = self.namespaces.get(cable.b.namespace.as_str()).copied();
            let (Some(a), Some(b)) = (a, b) else { continue };
            if self.graph[a].count == 1 && self.graph[b].count == 1 {
                let a = self.cable_end(a, &cable.a, cable.mtu);
                let b = self.cable_end(b, &cable.b, cable.mtu);
                self.connect(Link::Direct, a, b, cable.mtu);
                continue;
            }
            let pair = (a.min(b), a.max(b));
            match merged.get(&pair) {
                Some(index) => self.graph.edges[*index].count += 1,
                None => {
                    merged.insert(pair, self.graph.edges.len());
                    let end = |node| End { node, interface: String::new() };
                    self.connect(Link::Direct, end(pair.0), end(pair.1), None);
                }
            }
        }
        let mut merged: Vec<usize> = merged.into_values().collect();
        merged.sort_unstable();
        for index in merged {
            self.name_merged(index);
        }
        // Cables within one node are a note of the node, not an edge.
        self.graph.edges.retain(|edge| edge.a.node != edge.b.node);
    }

    fn cable_end(&mut self, node: Id, end: &CableEnd, mtu: Option<u32>) -> End {
        let address = end.address.map(|address| address.to_string());
        let interface = Interface { name: end.interface.clone(), address };
        let owner = &mut self.graph.nodes[node.0];
        owner.interfaces.push(interface);
        let mtu = mtu.filter(|_| owner.kind != Kind::Router);
        owner.notes.extend(mtu.map(|mtu| format!("{} of {}", describe::mtu(mtu), end.interface)));
        End { node, interface: end.interface.clone() }
    }

    /// Names the ends of an edge that stands for several cables.
    fn name_merged(&mut self, index: usize) {
        let edge = &mut self.graph.edges[index];
        let cables = counted(edge.count, "cable");
        let (a, b) = (edge.a.node, edge.b.node);
        if a == b {
            self.graph.nodes[a.0].notes.push(format!("{cables} among them"));
            return;
        }
        for (node, other) in [(a, b), (b, a)] {
            let name = format!("{cables} to {}", self.graph[other].name);
            let interface = Interface { name: name.clone(), address: None };
            self.graph.nodes[node.0].interfaces.push(interface);
            let edge = &mut self.graph.edges[index];
            let end = if node == edge.a.node { &mut edge.a } else { &mut edge.b };
            end.interface = name;
        }
    }
}

/// The first and the last of several names.
fn range(names: &[&str]) -> String {
    match names {
        [first, .., last] if first != last => format!("{first} … {last}"),
        [first, ..] => (*first).to_owned(),
        [] => String::new(),
    }
}

/// The first and the last address: with a dash between them where none is left out, otherwise with
/// dots.
fn address_range(mut addresses: Vec<Ipv4Addr>) -> String {
    addresses.sort_unstable();
    let follow = addresses.windows(2).all(|pair| u32::from(pair[1]) - u32::from(pair[0]) == 1);
    match addresses.as_slice() {
        [first, .., last] if follow => format!("{first} - {last}"),
        [first, .., last] => format!("{first} … {last}"),
        [only] => only.to_string(),
        [] => String::new(),
    }
}
