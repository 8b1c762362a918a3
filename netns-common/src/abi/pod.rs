//! Lets aya copy the shared types to and from maps.

use aya::Pod;

use super::{
    BridgePort, Counter, Endpoint, Flow, FlowKey, Forward, ForwardKey, HostPeerKey, InsideKey, Ip4,
    Masquerade, MovedPort, Peer, Port, Prefix, Settings, Timeouts,
};

macro_rules! pod {
    ($($type:ty),+ $(,)?) => {
        $(
            // SAFETY: the type is repr(C) or repr(transparent), made of integers and arrays
            // of them, without implicit padding (this module's sizes are asserted).
            unsafe impl Pod for $type {}
        )+
    };
}

pod!(
    BridgePort,
    Counter,
    Endpoint,
    Flow,
    FlowKey,
    Forward,
    ForwardKey,
    HostPeerKey,
    InsideKey,
    Ip4,
    Masquerade,
    MovedPort,
    Peer,
    Port,
    Prefix,
    Settings,
    Timeouts,
);
