//! Measures how long the entry programs of the hooks take for a packet of a known flow.

use std::collections::HashMap;

use aya::sys::{Stats, enable_stats};
use netns_common::{
    abi::programs,
    model::{Hook, VecPacket, address, flags, ipv4},
};
use netns_tests::programs::{Kernel, router};

/// Packets in each direction.
const ROUNDS: u32 = 10_000;

/// The nanoseconds per run of each program, from the kernel's statistics.
pub(crate) fn measure() -> HashMap<&'static str, u64> {
    let (_sandbox, places) = router();
    let kernel = Kernel::install(&places, 64);
    let out = |flag| {
        let packet = ipv4(address::RED, address::FAR).dont_fragment().tcp(40_000, 443, flag);
        packet.frame(places.red_mac, places.bridge.mac, places.red_port)
    };
    let back = |flag| {
        let packet = ipv4(address::FAR, address::HOST).dont_fragment().tcp(443, 40_000, flag);
        packet.frame(places.lan_mac, places.uplink.mac, places.uplink.index)
    };
    let outside = kernel.run(Hook::FromNamespace, &out(flags::SYN));
    let outside = VecPacket::new(outside.bytes, places.uplink.index);
    kernel.run(Hook::FromUplink, &back(flags::SYN | flags::ACK));
    // An established connection: these packets do not change its state.
    let (request, answer) = (out(flags::ACK), back(flags::ACK));
    kernel.run(Hook::FromNamespace, &request);
    let leaving = outside.clone();
    let _statistics = enable_stats(Stats::RunTime).expect("statistics of programs");
    [
        (Hook::FromNamespace, programs::FROM_NAMESPACE, &request),
        (Hook::FromUplink, programs::FROM_UPLINK, &answer),
        (Hook::ToUplink, programs::TO_UPLINK, &leaving),
    ]
    .map(|(hook, name, packet)| {
        for _ in 0..ROUNDS {
            kernel.run(hook, packet);
        }
        let (count, time) = kernel.run_time(name);
        let each = time.as_nanos() / u128::from(count.max(1));
        (name, u64::try_from(each).unwrap_or(u64::MAX))
    })
    .into()
}
