//! Far ends of cables: their namespaces, and when a cable carries packets.

use std::{fs::File, os::fd::AsRawFd, pin::pin, time::Duration};

use futures::StreamExt;
use rtnetlink::{
    MulticastGroup, new_multicast_connection,
    packet_core::{NLM_F_ACK, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload},
    packet_route::{
        RouteNetlinkMessage,
        nsid::{NsidAttribute, NsidMessage},
    },
};
use tokio::time::{Instant, timeout_at};

use super::{Link, Netlink, PortState, error::NetError};

impl Netlink {
    /// The number by which this connection's namespace knows another one; `None` if it has none, so
    /// that none of its cables ends there.
    ///
    /// # Errors
    /// When the file is no namespace or the kernel refuses.
    pub fn number_of(&self, namespace: &File) -> Result<Option<i32>, NetError> {
        let action = || "read the ID of a namespace".to_owned();
        let descriptor = u32::try_from(namespace.as_raw_fd()).unwrap_or_default();
        let mut question = NsidMessage::default();
        question.attributes.push(NsidAttribute::Fd(descriptor));
        let mut request = NetlinkMessage::from(RouteNetlinkMessage::GetNsId(question));
        request.header.flags = NLM_F_REQUEST | NLM_F_ACK;
        let mut handle = self.handle().clone();
        let answer = async {
            let mut number = None;
            let mut answers = pin!(handle.request(request)?);
            while let Some(message) = answers.next().await {
                match message.payload {
                    NetlinkPayload::Error(error) if error.code.is_some() => {
                        return Err(rtnetlink::Error::NetlinkError(error));
                    }
                    NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewNsId(answer)) => {
                        number = answer.attributes.iter().find_map(|attribute| match attribute {
                            NsidAttribute::Id(number) => Some(*number),
                            _ => None,
                        });
                    }
                    _ => {}
                }
            }
            Ok(number)
        };
        // -1: no number was assigned.
        Ok(self.wait(answer, action)?.filter(|number| *number >= 0))
    }

    /// Waits until a bridge port with a carrier forwards packets: the kernel opens it some time
    /// after both ends of its cable are up, and drops packets until then. Returns whether it
    /// forwards now. A port that is closed for another reason is not waited for.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn wait_until_open(&self, port: &Link, limit: Duration) -> Result<bool, NetError> {
        let watch = || format!("watch interface \"{}\"", port.name);
        let refused = |error| NetError::refused(watch(), error);
        let guard = self.enter_runtime();
        // The subscription comes before the first look, so that no later change is missed.
        let (connection, _, mut news) =
            new_multicast_connection(&[MulticastGroup::Link]).map_err(refused)?;
        drop(guard);
        let deadline = Instant::now() + limit;
        let listening = self.spawn(connection);
        let outcome = loop {
            let link = self.link(&port.name)?;
            match link.port_state {
                Some(PortState::Closed) if link.up && link.carrier => {}
                state => break state == Some(PortState::Forwarding),
            }
            let next = async { Ok(timeout_at(deadline, news.next()).await) };
            match self.wait(next, watch)? {
                Ok(Some(_)) => {}
                Ok(None) | Err(_) => break false,
            }
        };
        listening.abort();
        Ok(outcome)
    }
}
