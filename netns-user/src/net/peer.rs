//! The namespaces of the far ends of cables.

use std::{fs::File, os::fd::AsRawFd, pin::pin};

use futures::StreamExt;
use rtnetlink::{
    packet_core::{NLM_F_ACK, NLM_F_REQUEST, NetlinkMessage, NetlinkPayload},
    packet_route::{
        RouteNetlinkMessage,
        nsid::{NsidAttribute, NsidMessage},
    },
};

use super::{Netlink, error::NetError};

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
}
