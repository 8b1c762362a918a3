//! Routes: those of the main table, and the links of the routes of all tables.

use std::net::{IpAddr, Ipv4Addr};

use futures::TryStreamExt;
use ipnet::{IpNet, Ipv4Net};
use rtnetlink::{
    RouteMessageBuilder,
    packet_route::route::{
        RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteScope,
        RouteType,
    },
};
use schemars::JsonSchema;
use serde::Serialize;

use super::{Link, Netlink, error::NetError};

/// A route of the main table, IPv4.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Route {
    /// The destination; `"0.0.0.0/0"`: the default route.
    #[schemars(with = "String")]
    pub destination: IpNet,
    /// The gateway; `None`: the destination is reached directly.
    pub gateway: Option<IpAddr>,
    /// Index of the link; `None` for routes over several links or without one.
    pub link: Option<u32>,
    /// The preferred source address; `None`: the kernel selects one.
    pub source: Option<IpAddr>,
    /// Of several routes to one destination, that with the lowest metric is used.
    pub metric: u32,
    /// `"unicast"`, `"blackhole"`, `"unreachable"`, `"prohibit"` or `"throw"`.
    pub kind: &'static str,
    /// Whether a person has added it, not the kernel or a routing program.
    #[serde(skip)]
    pub by_hand: bool,
}

impl Route {
    /// Whether it is the default route.
    pub fn is_default(&self) -> bool {
        self.destination.prefix_len() == 0
    }
}

/// An IPv4 route of any table, reduced to the links by which packets leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TableRoute {
    pub table: u32,
    pub destination: Ipv4Net,
    /// The lower metric wins.
    pub metric: u32,
    /// Indexes of the links: several for a multipath route, none for a route that sends nothing
    /// out, such as a local or blackhole route.
    pub links: Vec<u32>,
}

impl Netlink {
    /// The IPv4 routes of the main table.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn routes(&self) -> Result<Vec<Route>, NetError> {
        Ok(self.route_messages()?.iter().filter_map(from_message).collect())
    }

    /// The IPv4 routes of all tables.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn routes_of_all_tables(&self) -> Result<Vec<TableRoute>, NetError> {
        Ok(self.route_messages()?.iter().filter_map(to_table_route).collect())
    }

    fn route_messages(&self) -> Result<Vec<RouteMessage>, NetError> {
        let all = RouteMessageBuilder::<Ipv4Addr>::new().build();
        let dump = self.handle().route().get(all).execute().try_collect::<Vec<_>>();
        self.wait(dump, || "list the routes".into())
    }

    /// Adds a route by a gateway, a link, or a gateway on a link.
    ///
    /// # Errors
    /// When there is already one to that destination with that metric, or the gateway is on no
    /// subnet of the namespace.
    pub fn add_route(
        &self,
        to: Ipv4Net,
        via: Option<Ipv4Addr>,
        link: Option<&Link>,
        metric: u32,
    ) -> Result<(), NetError> {
        let request = self.handle().route().add(to_message(to, via, link, metric)).execute();
        self.wait(request, || format!("add the route {}", in_words(to, via, link)))
    }

    /// Deletes a route.
    ///
    /// # Errors
    /// When there is no such route or the kernel refuses.
    pub fn delete_route(
        &self,
        to: Ipv4Net,
        via: Option<Ipv4Addr>,
        link: Option<&Link>,
        metric: u32,
    ) -> Result<(), NetError> {
        let mut message = to_message(to, via, link, metric);
        // It is deleted whoever has made it, and whatever its scope.
        message.header.protocol = RouteProtocol::Unspec;
        message.header.scope = RouteScope::NoWhere;
        let request = self.handle().route().del(message).execute();
        self.wait(request, || format!("delete the route {}", in_words(to, via, link)))
    }
}

fn to_message(
    to: Ipv4Net,
    via: Option<Ipv4Addr>,
    link: Option<&Link>,
    metric: u32,
) -> RouteMessage {
    let mut builder =
        RouteMessageBuilder::<Ipv4Addr>::new().destination_prefix(to.network(), to.prefix_len());
    match via {
        Some(via) => builder = builder.gateway(via),
        // A destination without a gateway is on the link itself, as for `ip route`.
        None => builder = builder.scope(RouteScope::Link),
    }
    if let Some(link) = link {
        builder = builder.output_interface(link.index);
    }
    // Metric 0 is the default.
    if metric > 0 {
        builder = builder.priority(metric);
    }
    builder.build()
}

fn in_words(to: Ipv4Net, via: Option<Ipv4Addr>, link: Option<&Link>) -> String {
    let mut words = if to.prefix_len() == 0 { "to default".to_owned() } else { format!("to {to}") };
    if let Some(via) = via {
        words += &format!(" via {via}");
    }
    if let Some(link) = link {
        words += &format!(" out of \"{}\"", link.name);
    }
    words
}

fn from_message(message: &RouteMessage) -> Option<Route> {
    // The kernel dumps every table; local and broadcast routes are in a table of their own.
    if message.header.table != RouteHeader::RT_TABLE_MAIN {
        return None;
    }
    let mut route = Route {
        destination: IpNet::V4(Ipv4Net::default()),
        gateway: None,
        link: None,
        source: None,
        metric: 0,
        kind: kind_name(message.header.kind),
        by_hand: matches!(message.header.protocol, RouteProtocol::Boot | RouteProtocol::Static),
    };
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Destination(address) => {
                let length = message.header.destination_prefix_length;
                route.destination = IpNet::new(ip(address)?, length).ok()?;
            }
            RouteAttribute::Gateway(address) => route.gateway = ip(address),
            RouteAttribute::PrefSource(address) => route.source = ip(address),
            RouteAttribute::Oif(index) => route.link = Some(*index),
            RouteAttribute::Priority(metric) => route.metric = *metric,
            _ => {}
        }
    }
    Some(route)
}

fn to_table_route(message: &RouteMessage) -> Option<TableRoute> {
    let mut route = TableRoute {
        table: u32::from(message.header.table),
        destination: Ipv4Net::default(),
        metric: 0,
        links: Vec::new(),
    };
    for attribute in &message.attributes {
        match attribute {
            // Numbers above 255 do not fit in the header.
            RouteAttribute::Table(table) => route.table = *table,
            RouteAttribute::Destination(RouteAddress::Inet(address)) => {
                let length = message.header.destination_prefix_length;
                route.destination = Ipv4Net::new(*address, length).ok()?;
            }
            RouteAttribute::Priority(metric) => route.metric = *metric,
            RouteAttribute::Oif(index) => route.links.push(*index),
            RouteAttribute::MultiPath(hops) => {
                route.links.extend(hops.iter().map(|hop| hop.interface_index));
            }
            _ => {}
        }
    }
    if message.header.kind != RouteType::Unicast {
        route.links.clear();
    }
    Some(route)
}

/// The name of the kind, as in `ip route`.
fn kind_name(kind: RouteType) -> &'static str {
    match kind {
        RouteType::Unicast => "unicast",
        RouteType::BlackHole => "blackhole",
        RouteType::Unreachable => "unreachable",
        RouteType::Prohibit => "prohibit",
        RouteType::Throw => "throw",
        _ => "other",
    }
}

fn ip(address: &RouteAddress) -> Option<IpAddr> {
    match address {
        RouteAddress::Inet(address) => Some(IpAddr::V4(*address)),
        RouteAddress::Inet6(address) => Some(IpAddr::V6(*address)),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use rtnetlink::packet_route::route::RouteNextHop;

    use super::*;

    fn message(kind: RouteType, attributes: Vec<RouteAttribute>) -> RouteMessage {
        let mut message = RouteMessage::default();
        message.header.table = RouteHeader::RT_TABLE_MAIN;
        message.header.destination_prefix_length = 16;
        message.header.kind = kind;
        message.attributes = attributes;
        message
    }

    fn to() -> RouteAttribute {
        RouteAttribute::Destination(RouteAddress::Inet(Ipv4Addr::new(10, 8, 0, 0)))
    }

    #[test]
    fn a_multipath_route_leads_to_the_links_of_all_its_next_hops() {
        let hops = [3, 7].map(|index| {
            let mut hop = RouteNextHop::default();
            hop.interface_index = index;
            hop
        });
        let attributes =
            vec![to(), RouteAttribute::MultiPath(hops.to_vec()), RouteAttribute::Priority(50)];
        let route = to_table_route(&message(RouteType::Unicast, attributes)).unwrap();
        let destination = "10.8.0.0/16".parse().unwrap();
        assert_eq!(route, TableRoute { table: 254, destination, metric: 50, links: vec![3, 7] });
    }

    #[test]
    fn a_table_number_above_255_is_in_an_attribute() {
        let attributes = vec![RouteAttribute::Table(51820), to(), RouteAttribute::Oif(3)];
        let route = to_table_route(&message(RouteType::Unicast, attributes)).unwrap();
        assert_eq!((route.table, route.links), (51820, vec![3]));
    }

    #[test]
    fn a_local_route_sends_nothing_out() {
        let attributes = vec![to(), RouteAttribute::Oif(3)];
        let route = to_table_route(&message(RouteType::Local, attributes)).unwrap();
        assert_eq!(route.links, Vec::<u32>::new());
    }
}
