//! A netlink request and its answers, for families that [`Netlink`](super::Netlink) does not
//! support.

use std::io;

use netlink_packet_core::{
    NetlinkDeserializable, NetlinkHeader, NetlinkMessage, NetlinkPayload, NetlinkSerializable,
};
use netlink_sys::{Socket, SocketAddr};

use super::error::NetError;

/// Sends a request of a family (`NETLINK_…`), and returns the messages that answer it. `action`
/// says what is requested, as in [`NetError::Refused`]. `flags` are `NLM_F_…`, and contain
/// `NLM_F_DUMP` or `NLM_F_ACK`: otherwise the end of the answers could not be recognised.
///
/// # Errors
/// When the kernel refuses, or answers with something else.
pub(super) fn exchange<Request, Answer>(
    family: isize,
    action: &str,
    flags: u16,
    request: Request,
) -> Result<Vec<Answer>, NetError>
where
    Request: NetlinkSerializable,
    Answer: NetlinkDeserializable,
{
    let refused = |error: io::Error| NetError::refused(action, error);
    let mut socket = Socket::new(family).map_err(refused)?;
    socket.bind_auto().map_err(refused)?;
    socket.connect(&SocketAddr::new(0, 0)).map_err(refused)?;
    let mut header = NetlinkHeader::default();
    header.flags = flags;
    let mut packet = NetlinkMessage::new(header, NetlinkPayload::InnerMessage(request));
    packet.finalize();
    let mut bytes = vec![0; packet.buffer_len()];
    packet.serialize(&mut bytes);
    socket.send(&bytes, 0).map_err(refused)?;

    let mut answers = Vec::new();
    loop {
        let (received, _) = socket.recv_from_full().map_err(refused)?;
        let mut rest = received.as_slice();
        while !rest.is_empty() {
            let packet = NetlinkMessage::<Answer>::deserialize(rest).map_err(|error| {
                NetError::Protocol { action: action.into(), answer: error.to_string() }
            })?;
            let length = usize::try_from(packet.header.length).unwrap_or(rest.len());
            // Messages begin at multiples of four bytes.
            rest = rest.get(length.next_multiple_of(4)..).unwrap_or_default();
            match packet.payload {
                NetlinkPayload::Done(_) => return Ok(answers),
                // An acknowledgement.
                NetlinkPayload::Error(error) if error.code.is_none() => return Ok(answers),
                NetlinkPayload::Error(error) => return Err(refused(error.to_io())),
                NetlinkPayload::InnerMessage(answer) => answers.push(answer),
                _ => {}
            }
        }
    }
}
