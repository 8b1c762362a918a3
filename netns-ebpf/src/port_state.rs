//! The state of a cable's host side. Programs read it in the kernel's own structures: the device of
//! the link, its bridge port, and the bridge.
//!
//! No packet may pass a cable that is unplugged from its bridge, or a bridge that is down. So a
//! packet is redirected past the bridge only if the bridge would forward it too.

use aya_ebpf::{bindings::TC_ACT_OK, macros::classifier, programs::TcContext};
use netns_common::{
    abi::{BridgePort, KernelField, PORT_DEVICES_KNOWN, PortDevice, field, number},
    datapath::PortState,
};

use crate::{
    kernel_memory::{cast_to_kernel, cast_to_type, member},
    maps,
    racy::racy,
};

/// `IFF_UP` of linux/if.h.
const UP: u32 = 1;

/// `BR_STATE_FORWARDING` of linux/if_bridge.h.
const FORWARDING: u8 = 3;

/// `BR_ISOLATED` of linux/if_bridge.h (kernel 4.18): no frames between two such ports.
const ISOLATED: u64 = 1 << 16;

/// `BR_PORT_LOCKED` of linux/if_bridge.h (kernel 5.18): the bridge accepts only frames of known
/// senders.
const LOCKED: u64 = 1 << 21;

/// `BROPT_VLAN_ENABLED` of net/bridge/br_private.h: the bridge filters by VLAN.
const VLAN_ENABLED: u64 = 1;

/// The state of a cable's host side for packets that came in by it. Records the device of the
/// packet, if it is not recorded yet.
#[inline(always)]
pub(crate) fn of_sender(ctx: &TcContext, link: u32) -> PortState {
    if known(link).is_none() {
        note(ctx, link);
    }
    match known(link) {
        Some(known) => state(&known),
        None => PortState::Unknown,
    }
}

/// The state of a cable's host side for packets to its far end. A native XDP program there sees
/// packets that come by the cable, but not packets that are redirected into the far end.
#[inline(always)]
pub(crate) fn of_receiver(link: u32) -> PortState {
    match known(link) {
        Some(known) if !has_native_xdp(known.device) => state(&known),
        _ => PortState::Unknown,
    }
}

/// Records the address of the device that the packet came in by.
#[inline(always)]
fn note(ctx: &TcContext, link: u32) {
    // SAFETY: the kernel's own structure of the packet, as the loader has told the verifier.
    let device = unsafe { member::<u64>(cast_to_kernel(ctx), field::PACKET_DEVICE) };
    // If the kernel does not show its structures, there is nothing to record.
    if device == 0 {
        return;
    }
    // SAFETY: copied at once. An entry that another CPU reuses is one of another port.
    let Some(BridgePort { bridge, .. }) = (unsafe { maps::BRIDGE_PORTS.get(link) }).copied() else {
        return;
    };
    let Some(place) = maps::PORT_DEVICES.get_ptr_mut(link % PORT_DEVICES_KNOWN) else { return };
    // A program that reads it half written finds that it is not the link's.
    racy!(*place).set(PortDevice { device, link, bridge });
}

/// The recorded device of a link, if it still belongs to that link.
#[inline(always)]
fn known(link: u32) -> Option<PortDevice> {
    let noted = *maps::PORT_DEVICES.get(link % PORT_DEVICES_KNOWN)?;
    let is_its = noted.link == link && read::<u32>(noted.device, field::DEVICE_INDEX) == link;
    is_its.then_some(noted)
}

#[inline(always)]
fn state(noted: &PortDevice) -> PortState {
    let PortDevice { device, link, bridge } = *noted;
    let port = read::<u64>(device, field::DEVICE_PORT);
    if bridge == link {
        let is_open = port == 0 && read::<u32>(device, field::DEVICE_FLAGS) & UP != 0;
        return if is_open { PortState::Open } else { PortState::Closed };
    }
    if port == 0 {
        return PortState::Closed;
    }
    // The new master of the link may be no bridge, and then has no such port.
    let of = read::<u64>(port, field::PORT_BRIDGE);
    let is_in_bridge = read::<u64>(port, field::PORT_DEVICE) == device
        && read::<u32>(read::<u64>(of, field::BRIDGE_DEVICE), field::DEVICE_INDEX) == bridge;
    if !is_in_bridge {
        return PortState::Elsewhere;
    }
    if read::<u8>(port, field::PORT_STATE) != FORWARDING {
        return PortState::Closed;
    }
    let flags = read::<u64>(port, field::PORT_FLAGS);
    if flags & LOCKED != 0 || read::<u64>(of, field::BRIDGE_OPTIONS) & VLAN_ENABLED != 0 {
        return PortState::Unknown;
    }
    if flags & ISOLATED == 0 { PortState::Open } else { PortState::Isolated }
}

/// Whether the far end of a cable has a native XDP program.
#[inline(always)]
fn has_native_xdp(device: u64) -> bool {
    // For both kinds of cables, veth and netkit, the private part begins with the device of the far
    // end.
    let private = device.wrapping_add(u64::from(number::DEVICE_PRIVATE.mark));
    let far_end = read::<u64>(private, field::PRIVATE_PEER);
    // One after the other: the verifier does not permit the combination of two pointers.
    read::<u64>(far_end, field::DEVICE_XDP_PROGRAM) != 0
        || read::<u64>(far_end, field::DEVICE_XDP_LINK) != 0
}

/// A member of the kernel's structure at an address. A freed structure may read as any value, and
/// unmapped memory reads as 0. All members are 0 if the kernel does not show their offsets.
#[inline(always)]
fn read<T: Copy>(address: u64, field: KernelField) -> T {
    // SAFETY: the loader has put the member's offset there, and the kernel makes a load that
    // faults 0.
    unsafe { member(cast_to_type(address, field.read_as), field) }
}

/// Records the device that a packet came in by: run once for each cable by a test run.
#[classifier]
pub(crate) fn note_port(ctx: TcContext) -> i32 {
    // SAFETY: the context is the one the kernel passed.
    note(&ctx, unsafe { (*ctx.skb.skb).ifindex });
    TC_ACT_OK
}
