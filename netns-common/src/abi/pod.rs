//! Lets aya copy the shared types to and from maps.

use aya::Pod;

use super::{
    AddressPage, BridgePort, Bucket, Counter, Endpoint, Flow, FlowBucket, FlowCopy, FlowKey,
    FlowLayout, FlowRecord, FlowSummary, FlowTail, FlowWord, Forward, Fragment, FragmentBudget,
    HostCallKey, HostPeerKey, Ip4, LinkAddress, Mapping, MappingKey, Masquerade, MasqueradeKey,
    Peer, Port, PortDevice, PortPage, Prefix, RulePrefix, Settings, Timeouts, UsageSlot,
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
    AddressPage,
    BridgePort,
    Bucket,
    Counter,
    Endpoint,
    Flow,
    FlowBucket,
    FlowCopy,
    FlowKey,
    FlowLayout,
    FlowRecord,
    FlowSummary,
    FlowTail,
    FlowWord,
    Forward,
    Fragment,
    FragmentBudget,
    HostCallKey,
    HostPeerKey,
    Ip4,
    LinkAddress,
    Mapping,
    MappingKey,
    Masquerade,
    MasqueradeKey,
    Peer,
    Port,
    PortDevice,
    PortPage,
    Prefix,
    RulePrefix,
    Settings,
    Timeouts,
    UsageSlot,
);
