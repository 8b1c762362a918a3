//! The table of all cases.

mod errors;
mod forward;
mod fragment;
mod header;
mod protocol;
mod query;
mod stranger;
mod tcp;
mod udp;

use crate::exchange::Exchange;

/// Cases that share two labs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Group {
    Tcp,
    Udp,
    Header,
    Query,
    ErrorIn,
    ErrorOut,
    Forward,
    Fragment,
    Mtu,
    Protocol,
    Stranger,
}

/// A sequence of packets.
#[derive(Debug)]
pub(crate) struct Case {
    pub group: Group,
    pub name: &'static str,
    /// Whether the case is that no packet arrives in either lab.
    pub is_silent: bool,
    pub run: fn(&mut Exchange),
}

const fn case(group: Group, name: &'static str, run: fn(&mut Exchange)) -> Case {
    Case { group, name, is_silent: false, run }
}

const fn silent(group: Group, name: &'static str, run: fn(&mut Exchange)) -> Case {
    Case { group, name, is_silent: true, run }
}

pub(crate) const CASES: &[Case] = &[
    case(Group::Tcp, "tcp: open, data, close", tcp::whole),
    case(Group::Tcp, "tcp: options", tcp::options),
    case(Group::Tcp, "tcp: reset from outside", tcp::reset_from_outside),
    case(Group::Tcp, "tcp: reset from inside", tcp::reset_from_inside),
    case(Group::Tcp, "tcp: reset out of the window", tcp::reset_out_of_window),
    case(Group::Tcp, "tcp: refused", tcp::refused),
    case(Group::Tcp, "tcp: simultaneous open", tcp::simultaneous_open),
    case(Group::Tcp, "tcp: same port twice", tcp::same_port_twice),
    case(Group::Tcp, "tcp: one port, two servers", tcp::two_servers),
    case(Group::Tcp, "tcp: reused after closing", tcp::reused),
    case(Group::Tcp, "tcp: found in the middle", tcp::mid_flow),
    case(Group::Tcp, "tcp: reset of nothing", tcp::reset_of_nothing),
    case(Group::Tcp, "tcp: syn+ack of nothing", tcp::syn_ack_of_nothing),
    case(Group::Tcp, "tcp: strange flags", tcp::strange_flags),
    case(Group::Tcp, "tcp: wrong checksum", tcp::wrong_checksum),
    case(Group::Tcp, "tcp: far out of the window", tcp::out_of_window),
    case(Group::Tcp, "tcp: port 0", tcp::port_0),
    case(Group::Udp, "udp: question and answer", udp::whole),
    case(Group::Udp, "udp: without checksum", udp::without_checksum),
    case(Group::Udp, "udp: odd sizes", udp::odd_sizes),
    case(Group::Udp, "udp: low ports", udp::low_ports),
    case(Group::Udp, "udp: same port twice", udp::same_port_twice),
    case(Group::Udp, "udp: answer from elsewhere", udp::answer_from_elsewhere),
    case(Group::Udp, "udp: wrong checksum", udp::wrong_checksum),
    case(Group::Udp, "udp: wrong lengths", udp::wrong_lengths),
    case(Group::Udp, "udp: port 0", udp::port_0),
    case(Group::Udp, "udp: broadcast and multicast", udp::broadcast),
    case(Group::Header, "ip: dscp and ecn", header::marks),
    case(Group::Header, "ip: time to live", header::time_to_live),
    case(Group::Header, "ip: time to live of answers", header::time_to_live_in),
    case(Group::Header, "ip: traceroute", header::traceroute),
    case(Group::Header, "ip: identification", header::identification),
    case(Group::Header, "ip: don't fragment and reserved bit", header::bits),
    case(Group::Header, "ip: options without meaning", header::no_operation),
    case(Group::Header, "ip: record route", header::record_route),
    case(Group::Header, "ip: timestamp option", header::timestamp),
    case(Group::Header, "ip: source route", header::source_route),
    case(Group::Header, "ip: router alert", header::router_alert),
    case(Group::Header, "ip: wrong header checksum", header::wrong_checksum),
    case(Group::Header, "ip: filled frame", header::filled_frame),
    silent(Group::Header, "ip: broken headers", header::broken),
    case(Group::Query, "echo: question and answer", query::whole),
    case(Group::Query, "echo: odd sizes", query::odd_sizes),
    case(Group::Query, "echo: same identifier twice", query::same_identifier_twice),
    case(Group::Query, "echo: code that is not 0", query::strange_code),
    silent(Group::Query, "echo: answer to nothing", query::answer_to_nothing),
    case(Group::Query, "echo: answer to nothing from inside", query::answer_from_inside),
    case(Group::Query, "echo: wrong checksum", query::wrong_checksum),
    case(Group::Query, "query: timestamp", query::timestamp),
    case(Group::Query, "query: address mask", query::address_mask),
    case(Group::Query, "query: information", query::information),
    case(Group::Query, "query: router solicitation", query::solicitation),
    case(Group::ErrorIn, "error in: about tcp", errors::about_tcp),
    case(Group::ErrorIn, "error in: about udp", errors::about_udp),
    case(
        Group::ErrorIn,
        "error in: about udp without checksum",
        errors::about_udp_without_checksum,
    ),
    case(Group::ErrorIn, "error in: about echo", errors::about_echo),
    case(Group::ErrorIn, "error in: about a moved port", errors::about_a_moved_port),
    case(Group::ErrorIn, "error in: with extensions", errors::with_extensions),
    case(Group::ErrorIn, "error in: quoted ip options", errors::quoted_options),
    case(Group::ErrorIn, "error in: wrong inner checksums", errors::wrong_inner_checksums),
    case(Group::ErrorIn, "error in: wrong outer checksum", errors::wrong_outer_checksum),
    case(Group::ErrorIn, "error in: source quench", errors::source_quench),
    case(Group::ErrorIn, "error in: redirect", errors::redirect),
    silent(Group::ErrorIn, "error in: about nothing", errors::about_nothing),
    silent(Group::ErrorIn, "error in: too short a quotation", errors::short_quotation),
    case(Group::ErrorOut, "error out: about an answer", errors::about_an_answer),
    case(Group::ErrorOut, "error out: about a forwarded packet", errors::about_a_forwarded),
    case(Group::ErrorOut, "error out: about nothing", errors::out_about_nothing),
    case(Group::ErrorOut, "error out: source quench", errors::out_source_quench),
    case(Group::ErrorOut, "error out: wrong outer checksum", errors::out_wrong_checksum),
    case(Group::Forward, "forward: tcp", forward::tcp),
    case(Group::Forward, "forward: udp", forward::udp),
    case(Group::Forward, "forward: from far away", forward::from_afar),
    case(Group::Forward, "forward: refused inside", forward::refused),
    case(Group::Forward, "forward: error about an answer", forward::error_in),
    case(Group::Forward, "forward: time to live", forward::time_to_live),
    case(Group::Forward, "forward: no syn", forward::no_syn),
    case(Group::Forward, "forward: other protocol", forward::other_protocol),
    case(Group::Forward, "forward: transit", forward::transit),
    case(Group::Forward, "hairpin: tcp", forward::hairpin_tcp),
    case(Group::Forward, "hairpin: udp", forward::hairpin_udp),
    case(Group::Forward, "hairpin: to oneself", forward::hairpin_self),
    case(Group::Forward, "hairpin: time to live", forward::hairpin_time_to_live),
    case(Group::Forward, "hairpin: error", forward::hairpin_error),
    case(Group::Fragment, "fragments: udp out", fragment::udp_out),
    case(Group::Fragment, "fragments: udp out, last first", fragment::udp_out_reversed),
    case(Group::Fragment, "fragments: udp in", fragment::udp_in),
    case(Group::Fragment, "fragments: udp in, last first", fragment::udp_in_reversed),
    case(Group::Fragment, "fragments: tcp", fragment::tcp),
    case(Group::Fragment, "fragments: echo", fragment::echo),
    case(Group::Fragment, "fragments: to a forward", fragment::forward),
    silent(Group::Fragment, "fragments: one is missing", fragment::missing),
    case(Group::Mtu, "mtu: too large to leave", fragment::too_large_out),
    case(Group::Mtu, "mtu: may be fragmented", fragment::may_be_fragmented),
    case(Group::Mtu, "mtu: too large to come in", fragment::too_large_in),
    case(Group::Protocol, "sctp: association", protocol::sctp_association),
    case(Group::Protocol, "udp-lite", protocol::udp_lite),
    case(Group::Protocol, "gre", protocol::gre),
    case(Group::Protocol, "esp", protocol::esp),
    case(Group::Protocol, "protocol 253", protocol::experimental),
    case(Group::Protocol, "ip in ip", protocol::ip_in_ip),
    case(Group::Stranger, "stranger: closed ports of the host", stranger::closed_ports),
    case(Group::Stranger, "stranger: inside destination", stranger::inside_destination),
    case(Group::Stranger, "stranger: inside source", stranger::inside_source),
    case(Group::Stranger, "stranger: source of nobody", stranger::source_of_nobody),
    case(Group::Stranger, "stranger: source of another", stranger::source_of_another),
    case(Group::Stranger, "stranger: martians", stranger::martians),
    case(Group::Stranger, "stranger: no route", stranger::no_route),
];
