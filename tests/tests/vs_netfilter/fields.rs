//! Splits a packet into named fields.

use netns_common::model::checksum;

use crate::packet::ID;

/// Names and values, in the order of the packet.
pub(crate) type Fields = Vec<(String, String)>;

/// A short description of a packet.
pub(crate) fn summary(packet: &[u8]) -> String {
    let l4 = usize::from(packet[0] & 0x0f) * 4;
    let fragment = u16::from_be_bytes([packet[6], packet[7]]) & 0x3fff;
    let from = format!("{}.{}.{}.{}", packet[12], packet[13], packet[14], packet[15]);
    let what = match (packet[9], packet.get(l4..)) {
        _ if fragment & 0x1fff != 0 => "fragment".to_owned(),
        (6, Some(tcp)) if tcp.len() >= 14 => format!("TCP {}", flags(tcp[13])),
        (17, _) => "UDP".to_owned(),
        (1, Some(icmp)) if icmp.len() >= 2 => format!("ICMP {}/{}", icmp[0], icmp[1]),
        (protocol, _) => format!("protocol {protocol}"),
    };
    format!("{what} from {from}")
}

fn flags(flags: u8) -> String {
    let names = ["FIN", "SYN", "RST", "PSH", "ACK", "URG", "ECE", "CWR"];
    let set = names.iter().enumerate().filter(|(bit, _)| flags & (1 << bit) != 0);
    let set: Vec<_> = set.map(|(_, name)| *name).collect();
    if set.is_empty() { "without flags".to_owned() } else { set.join("+") }
}

/// All fields of an IPv4 packet, and of the packet that an ICMP error quotes.
pub(crate) fn fields(packet: &[u8]) -> Fields {
    let mut fields = Fields::new();
    ip(&mut fields, "", packet);
    fields
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn address(bytes: &[u8]) -> String {
    let octets: Vec<_> = bytes.iter().map(u8::to_string).collect();
    octets.join(".")
}

fn word(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

fn ip(fields: &mut Fields, prefix: &str, packet: &[u8]) {
    let mut add = |name: &str, value: String| fields.push((format!("{prefix}{name}"), value));
    if packet.len() < 20 || packet[0] >> 4 != 4 || packet.len() < usize::from(packet[0] & 15) * 4 {
        add("bytes", hex(packet));
        return;
    }
    let l4 = usize::from(packet[0] & 0x0f) * 4;
    add("dscp and ecn", format!("{:#04x}", packet[1]));
    add("length", word(packet, 2).to_string());
    let id =
        if word(packet, 4) == ID { "kept".into() } else { format!("{:#06x}", word(packet, 4)) };
    add("id", id);
    let fragment = word(packet, 6);
    let bit = |bit: u16| u8::from(fragment & bit != 0).to_string();
    add("reserved bit", bit(0x8000));
    add("don't fragment", bit(0x4000));
    add("more fragments", bit(0x2000));
    add("offset", (usize::from(fragment & 0x1fff) * 8).to_string());
    add("ttl", packet[8].to_string());
    add("protocol", packet[9].to_string());
    add("ip checksum", valid(checksum(&packet[..l4]) == 0));
    add("source", address(&packet[12..16]));
    add("destination", address(&packet[16..20]));
    add("ip options", hex(&packet[20..l4]));
    let body = &packet[l4..];
    let is_whole = fragment & 0x3fff == 0 && usize::from(word(packet, 2)) == packet.len();
    if fragment & 0x1fff != 0 {
        add("payload", hex(body));
        return;
    }
    let pseudo = |length: usize| {
        let length = u16::try_from(length).expect("a length");
        [&packet[12..20], &[0, packet[9]], &length.to_be_bytes()].concat()
    };
    let with_pseudo = || checksum(&[&pseudo(body.len())[..], body].concat());
    match packet[9] {
        6 | 17 if body.len() < 8 => add("payload", hex(body)),
        6 if body.len() < 20 => {
            add("source port", word(body, 0).to_string());
            add("destination port", word(body, 2).to_string());
            add("sequence and more", hex(&body[4..]));
        }
        6 => {
            let length = usize::from(body[12] >> 4) * 4;
            add("source port", word(body, 0).to_string());
            add("destination port", word(body, 2).to_string());
            add("sequence", hex(&body[4..8]));
            add("acknowledgement", hex(&body[8..12]));
            add("tcp flags", flags(body[13]));
            add("tcp reserved bits", hex(&[body[12] & 0x0f]));
            add("window", word(body, 14).to_string());
            add("urgent pointer", word(body, 18).to_string());
            add("tcp options", hex(body.get(20..length).unwrap_or_default()));
            add("payload", hex(body.get(length..).unwrap_or_default()));
            if is_whole {
                add("tcp checksum", valid(with_pseudo() == 0));
            }
        }
        17 | 136 if body.len() >= 8 => {
            add("source port", word(body, 0).to_string());
            add("destination port", word(body, 2).to_string());
            add("udp length", word(body, 4).to_string());
            add("payload", hex(&body[8..]));
            if word(body, 6) == 0 {
                add("udp checksum", "none".into());
            } else if is_whole {
                add("udp checksum", valid(with_pseudo() == 0));
            } else {
                // A checksum that cannot be computed is compared as a number.
                add("udp checksum", hex(&body[6..8]));
            }
        }
        1 if body.len() >= 8 => {
            add("icmp type", body[0].to_string());
            add("icmp code", body[1].to_string());
            if is_whole {
                add("icmp checksum", valid(checksum(body) == 0));
            }
            let is_error = matches!(body[0], 3 | 4 | 5 | 11 | 12);
            let name = if is_error { "icmp rest" } else { "identifier and sequence" };
            add(name, hex(&body[4..8]));
            if is_error {
                ip(fields, &format!("{prefix}quoted "), &body[8..]);
            } else {
                add("payload", hex(&body[8..]));
            }
        }
        132 if body.len() >= 12 => {
            add("source port", word(body, 0).to_string());
            add("destination port", word(body, 2).to_string());
            add("payload", hex(&body[4..8]) + &hex(&body[12..]));
            add(
                "sctp checksum",
                valid(crate::protocols::crc32c_of(body).to_le_bytes() == body[8..12]),
            );
        }
        _ => add("payload", hex(body)),
    }
}

fn valid(is: bool) -> String {
    if is { "valid" } else { "wrong" }.to_owned()
}
