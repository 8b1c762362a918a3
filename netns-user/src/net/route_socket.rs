//! The socket of a rtnetlink connection.
//!
//! The library skips messages that it cannot decode, such as that of an interface whose name or
//! alias is not UTF-8: the interface would be missing, and a request without another answer would
//! never end. The root of a namespace can cause this. So messages are checked and repaired before
//! the library gets them.

use std::{
    io,
    task::{Context, Poll, ready},
};

use netlink_packet_core::{NLMSG_ERROR, NetlinkBuffer, NetlinkMessage, NlaBuffer, NlasIterator};
use netlink_sys::{AsyncSocket, Socket, SocketAddr, TokioSocket};
use rtnetlink::packet_route::RouteNetlinkMessage;

use crate::output::text_of_bytes;

/// Bytes of a message's header (`struct nlmsghdr`), and positions in it.
const HEADER: usize = 16;
const LENGTH: std::ops::Range<usize> = 0..4;
const KIND: std::ops::Range<usize> = 4..6;

/// Bytes of an attribute's header (`struct nlattr`).
const ATTRIBUTE: usize = 4;

/// The library's socket, whose messages pass through [`decodable`].
pub(super) struct RouteSocket(TokioSocket);

impl AsyncSocket for RouteSocket {
    fn socket_ref(&self) -> &Socket {
        self.0.socket_ref()
    }

    fn socket_mut(&mut self) -> &mut Socket {
        self.0.socket_mut()
    }

    fn new(protocol: isize) -> io::Result<Self> {
        TokioSocket::new(protocol).map(Self)
    }

    fn poll_send(&self, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.0.poll_send(context, bytes)
    }

    fn poll_send_to(
        &self,
        context: &mut Context<'_>,
        bytes: &[u8],
        to: &SocketAddr,
    ) -> Poll<io::Result<usize>> {
        self.0.poll_send_to(context, bytes, to)
    }

    fn poll_recv<B: bytes::BufMut>(
        &self,
        context: &mut Context<'_>,
        buffer: &mut B,
    ) -> Poll<io::Result<()>> {
        self.poll_recv_from(context, buffer).map_ok(|_| ())
    }

    fn poll_recv_from<B: bytes::BufMut>(
        &self,
        context: &mut Context<'_>,
        buffer: &mut B,
    ) -> Poll<io::Result<SocketAddr>> {
        let (datagram, from) = ready!(self.poll_recv_from_full(context))?;
        buffer.put_slice(&datagram);
        Poll::Ready(Ok(from))
    }

    fn poll_recv_from_full(
        &self,
        context: &mut Context<'_>,
    ) -> Poll<io::Result<(Vec<u8>, SocketAddr)>> {
        let received = self.0.poll_recv_from_full(context);
        received.map_ok(|(datagram, from)| (decodable(&datagram), from))
    }
}

/// The same messages, so that each can be decoded.
fn decodable(datagram: &[u8]) -> Vec<u8> {
    let mut messages = Vec::with_capacity(datagram.len());
    let mut rest = datagram;
    while let Ok(header) = NetlinkBuffer::new_checked(rest) {
        let (message, others) = rest.split_at(header.length() as usize);
        match NetlinkMessage::<RouteNetlinkMessage>::deserialize(message) {
            Ok(_) => messages.extend_from_slice(message),
            Err(_) => messages.extend(without_faults(message)),
        }
        rest = others;
    }
    messages
}

/// A message without the attributes that cannot be decoded; names of interfaces are kept, escaped.
/// If that does not help, an error in place of the message.
fn without_faults(message: &[u8]) -> Vec<u8> {
    let Some(start) = attributes_begin(message) else { return refusal(message) };
    let mut repaired = message[..start].to_vec();
    for attribute in NlasIterator::new(&message[start..]).flatten() {
        let bytes = name_escaped(message, &attribute).unwrap_or_else(|| {
            let length = ATTRIBUTE + attribute.value_length();
            attribute.into_inner()[..length].to_vec()
        });
        if is_decoded(&[&message[..start], &bytes].concat()) {
            repaired.extend(bytes);
            repaired.resize(repaired.len().next_multiple_of(4), 0);
        }
    }
    set_length(&mut repaired);
    if is_decoded(&repaired) { repaired } else { refusal(message) }
}

/// The position of a message's attributes: after a header that depends on the kind of object.
fn attributes_begin(message: &[u8]) -> Option<usize> {
    let object = match kind(message) {
        libc::RTM_NEWLINK => 16,
        libc::RTM_NEWADDR => 8,
        libc::RTM_NEWROUTE | libc::RTM_NEWNEIGH | libc::RTM_NEWRULE => 12,
        _ => return None,
    };
    Some(HEADER + object).filter(|start| *start <= message.len())
}

/// The attribute of an interface's name, escaped.
fn name_escaped(message: &[u8], attribute: &NlaBuffer<&[u8]>) -> Option<Vec<u8>> {
    if kind(message) != libc::RTM_NEWLINK || attribute.kind() != libc::IFLA_IFNAME {
        return None;
    }
    let name = attribute.value().split(|byte| *byte == 0).next().unwrap_or_default();
    let name = text_of_bytes(name);
    // A name has at most 15 bytes, each of which becomes up to four.
    let length = u16::try_from(ATTRIBUTE + name.len() + 1).ok()?;
    let header = [length.to_ne_bytes(), attribute.kind().to_ne_bytes()].concat();
    Some([header.as_slice(), name.as_bytes(), &[0]].concat())
}

/// An answer that ends the request (`struct nlmsgerr`).
fn refusal(message: &[u8]) -> Vec<u8> {
    let mut refusal = message[..HEADER].to_vec();
    refusal[KIND].copy_from_slice(&NLMSG_ERROR.to_ne_bytes());
    refusal.extend((-libc::EBADMSG).to_ne_bytes());
    refusal.extend(&message[..HEADER]);
    set_length(&mut refusal);
    refusal
}

fn is_decoded(message: &[u8]) -> bool {
    let mut message = message.to_vec();
    set_length(&mut message);
    NetlinkMessage::<RouteNetlinkMessage>::deserialize(&message).is_ok()
}

fn set_length(message: &mut [u8]) {
    let length = u32::try_from(message.len()).unwrap_or(u32::MAX);
    message[LENGTH].copy_from_slice(&length.to_ne_bytes());
}

fn kind(message: &[u8]) -> u16 {
    let [low, high] = [message[KIND.start], message[KIND.start + 1]];
    u16::from_ne_bytes([low, high])
}

#[cfg(test)]
mod tests {
    use netlink_packet_core::NetlinkPayload;
    use rtnetlink::packet_route::link::{LinkAttribute, LinkMessage};

    use super::*;

    /// A message of a link with attributes of these kinds and values.
    fn link(attributes: &[(u16, &[u8])]) -> Vec<u8> {
        let mut message = vec![0; HEADER + 16];
        message[KIND].copy_from_slice(&libc::RTM_NEWLINK.to_ne_bytes());
        for (kind, value) in attributes {
            let length = u16::try_from(ATTRIBUTE + value.len()).unwrap();
            message.extend(length.to_ne_bytes());
            message.extend(kind.to_ne_bytes());
            message.extend(*value);
            message.resize(message.len().next_multiple_of(4), 0);
        }
        set_length(&mut message);
        message
    }

    fn payloads(datagram: &[u8]) -> Vec<NetlinkPayload<RouteNetlinkMessage>> {
        let mut found = Vec::new();
        let mut rest = datagram;
        while !rest.is_empty() {
            let message = NetlinkMessage::deserialize(rest).unwrap();
            rest = &rest[message.header.length as usize..];
            found.push(message.payload);
        }
        found
    }

    fn attributes(payload: &NetlinkPayload<RouteNetlinkMessage>) -> &[LinkAttribute] {
        match payload {
            NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewLink(LinkMessage {
                attributes,
                ..
            })) => attributes,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_link_whose_name_is_not_utf8_is_listed() {
        let odd = link(&[
            (libc::IFLA_IFNAME, b"ev\xffil\0"),
            (libc::IFLA_MTU, &1500_u32.to_ne_bytes()),
            (libc::IFLA_IFALIAS, b"\xff"),
        ]);
        let plain = link(&[(libc::IFLA_IFNAME, b"eth0\0")]);
        let found = payloads(&decodable(&[odd, plain.clone()].concat()));
        let [odd, eth0] = found.as_slice() else { panic!("{found:?}") };
        let name = LinkAttribute::IfName("ev\\xffil".into());
        assert_eq!(attributes(odd), [name, LinkAttribute::Mtu(1500)]);
        assert_eq!(attributes(eth0), [LinkAttribute::IfName("eth0".into())]);
        assert_eq!(decodable(&plain), plain);
    }

    #[test]
    fn a_message_that_cannot_be_repaired_ends_the_request_with_an_error() {
        let mut message = vec![0; HEADER + 2];
        message[KIND].copy_from_slice(&libc::RTM_NEWLINK.to_ne_bytes());
        set_length(&mut message);
        let found = payloads(&decodable(&message));
        let [NetlinkPayload::Error(error)] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!(error.raw_code(), -libc::EBADMSG);
    }
}
