//! ICMP messages as bytes (RFC 792): writes echo requests, and reads replies and errors.

use std::net::Ipv4Addr;

const ECHO_REPLY: u8 = 0;
const UNREACHABLE: u8 = 3;
const ECHO_REQUEST: u8 = 8;
const TIME_EXCEEDED: u8 = 11;
const PARAMETER_PROBLEM: u8 = 12;
const HEADER: usize = 8;
const IP_HEADER: usize = 20;
const PROTOCOL_ICMP: u8 = 1;

/// Identifies an echo request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct EchoId {
    pub id: u16,
    pub sequence: u16,
}

/// An ICMP message that may belong to one of our echo requests.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Received<'a> {
    pub from: Ipv4Addr,
    /// The time to live on arrival.
    pub ttl: u8,
    pub echo: EchoId,
    pub message: Message<'a>,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Message<'a> {
    Reply {
        payload: &'a [u8],
    },
    /// An error about an echo request to `destination`.
    Error {
        kind: u8,
        code: u8,
        destination: Ipv4Addr,
    },
}

/// An echo request, without IP header.
pub(super) fn echo_request(echo: EchoId, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![ECHO_REQUEST, 0, 0, 0];
    bytes.extend(echo.id.to_be_bytes());
    bytes.extend(echo.sequence.to_be_bytes());
    bytes.extend(payload);
    let sum = checksum(&bytes);
    bytes[2..4].copy_from_slice(&sum.to_be_bytes());
    bytes
}

/// Reads a message from a raw socket, with its IP header.
///
/// `None` if it is damaged, or neither an echo reply nor an error about an echo request. The
/// checksum is verified here because the kernel has not yet checked a message that a raw socket
/// receives, and a NAT that corrupts it must be noticed.
pub(super) fn parse(packet: &[u8]) -> Option<Received<'_>> {
    let (ip, icmp) = split_ip(packet)?;
    if checksum(icmp) != 0 {
        return None;
    }
    let (header, body) = icmp.split_at_checked(HEADER)?;
    let (echo, message) = match header[0] {
        ECHO_REPLY if header[1] == 0 => (echo_id(header)?, Message::Reply { payload: body }),
        UNREACHABLE | TIME_EXCEEDED | PARAMETER_PROBLEM => {
            let (quoted_ip, quoted) = split_ip(body)?;
            if quoted.first() != Some(&ECHO_REQUEST) {
                return None;
            }
            let destination = address(quoted_ip, 16)?;
            let error = Message::Error { kind: header[0], code: header[1], destination };
            (echo_id(quoted)?, error)
        }
        _ => return None,
    };
    Some(Received { from: address(ip, 12)?, ttl: ip[8], echo, message })
}

/// The IPv4 header and the ICMP message after it. A quoted packet may be truncated.
fn split_ip(packet: &[u8]) -> Option<(&[u8], &[u8])> {
    let first = *packet.first()?;
    let header = usize::from(first & 0x0f) * 4;
    if first >> 4 != 4 || header < IP_HEADER || packet.len() < header {
        return None;
    }
    let total = usize::from(u16::from_be_bytes([packet[2], packet[3]]));
    let end = total.clamp(header, packet.len());
    (packet[9] == PROTOCOL_ICMP).then(|| (&packet[..header], &packet[header..end]))
}

fn echo_id(icmp: &[u8]) -> Option<EchoId> {
    let fields: [u8; 4] = icmp.get(4..8)?.try_into().ok()?;
    Some(EchoId {
        id: u16::from_be_bytes([fields[0], fields[1]]),
        sequence: u16::from_be_bytes([fields[2], fields[3]]),
    })
}

fn address(ip: &[u8], offset: usize) -> Option<Ipv4Addr> {
    let octets: [u8; 4] = ip.get(offset..offset + 4)?.try_into().ok()?;
    Some(octets.into())
}

/// The Internet checksum (RFC 1071): 0 over a message with a correct checksum.
fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|pair| {
        u64::from(u16::from_be_bytes([pair[0], pair.get(1).copied().unwrap_or_default()]))
    });
    let mut sum: u64 = words.sum();
    while sum > 0xffff {
        sum = (sum >> 16) + (sum & 0xffff);
    }
    !u16::try_from(sum).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use proptest::{collection::vec, prelude::*};

    use super::*;

    const HERE: Ipv4Addr = Ipv4Addr::new(192, 168, 15, 1);
    const THERE: Ipv4Addr = Ipv4Addr::new(192, 168, 15, 2);

    fn ip(from: Ipv4Addr, to: Ipv4Addr, icmp: &[u8]) -> Vec<u8> {
        let total = u16::try_from(IP_HEADER + icmp.len()).unwrap().to_be_bytes();
        let mut packet = vec![0x45, 0, total[0], total[1], 0, 0, 0, 0, 64, PROTOCOL_ICMP, 0, 0];
        packet.extend(from.octets());
        packet.extend(to.octets());
        packet.extend(icmp);
        packet
    }

    fn sealed(mut icmp: Vec<u8>) -> Vec<u8> {
        icmp[2..4].fill(0);
        let sum = checksum(&icmp);
        icmp[2..4].copy_from_slice(&sum.to_be_bytes());
        icmp
    }

    fn reply_to(request: &[u8]) -> Vec<u8> {
        let mut reply = request.to_vec();
        reply[0] = ECHO_REPLY;
        sealed(reply)
    }

    #[test]
    fn the_checksum_is_that_of_the_example_in_rfc_1071() {
        assert_eq!(checksum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]), !0xddf2);
    }

    proptest! {
        #[test]
        fn a_reply_has_the_payload_of_the_request(
            id: u16, sequence: u16, payload in vec(any::<u8>(), 0..200),
        ) {
            let echo = EchoId { id, sequence };
            let request = echo_request(echo, &payload);
            prop_assert_eq!(checksum(&request), 0);
            let packet = ip(THERE, HERE, &reply_to(&request));
            let message = Message::Reply { payload: &payload };
            let expected = Received { from: THERE, ttl: 64, echo, message };
            prop_assert_eq!(parse(&packet), Some(expected));
        }

        #[test]
        fn an_error_names_the_echo_it_is_about(
            id: u16, sequence: u16, code: u8,
            kind in prop::sample::select(vec![UNREACHABLE, TIME_EXCEEDED, PARAMETER_PROBLEM]),
            // RFC 792 promises no more than eight bytes of the quoted message.
            quoted in 8_usize..40,
        ) {
            let echo = EchoId { id, sequence };
            let mut quote = ip(HERE, THERE, &echo_request(echo, &[7; 32]));
            quote.truncate(IP_HEADER + quoted);
            let mut icmp = vec![kind, code, 0, 0, 0, 0, 0, 0];
            icmp.extend(quote);
            let router = Ipv4Addr::new(192, 168, 15, 5);
            let packet = ip(router, HERE, &sealed(icmp));
            let message = Message::Error { kind, code, destination: THERE };
            let expected = Received { from: router, ttl: 64, echo, message };
            prop_assert_eq!(parse(&packet), Some(expected));
        }

        #[test]
        fn a_message_with_a_flipped_bit_is_discarded(bit in 0_usize..(HEADER + 16) * 8) {
            let request = echo_request(EchoId { id: 1, sequence: 2 }, &[9; 16]);
            let mut packet = ip(THERE, HERE, &reply_to(&request));
            packet[IP_HEADER + bit / 8] ^= 1 << (bit % 8);
            prop_assert_eq!(parse(&packet), None);
        }

        #[test]
        fn no_input_causes_a_panic(bytes in vec(any::<u8>(), 0..80)) {
            let _ = parse(&bytes);
        }
    }

    #[test]
    fn an_echo_request_is_no_reply() {
        let request = echo_request(EchoId { id: 1, sequence: 2 }, b"");
        assert_eq!(parse(&ip(HERE, THERE, &request)), None);
    }
}
