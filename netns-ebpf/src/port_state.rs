//! What the kernel does with frames at a cable's host side. Programs read it in the kernel's own
//! structures: the device of that link, its port of a bridge, and the bridge.
//!
//! Nothing may pass a cable that is pulled out of its bridge, or a bridge that is switched off. So
//! a packet takes a way past the bridge only where the bridge would carry it too.

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

/// `BR_ISOLATED` of linux/if_bridge.h (kernel 4.18): nothing between two such ports.
const ISOLATED: u64 = 1 << 16;

/// `BR_PORT_LOCKED` of linux/if_bridge.h (kernel 5.18): the bridge takes only what it knows the
/// sender of.
const LOCKED: u64 = 1 << 21;

/// `BROPT_VLAN_ENABLED` of net/bridge/br_private.h: what passes hangs on VLANs.
const VLAN_ENABLED: u64 = 1;

/// What the kernel does with what comes by a cable's host side. The device that the packet came by
/// is noted, if it was not yet.
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

/// What the kernel does with what is sent to the far end of a cable. A native XDP program there
/// sees what comes by the cable, and nothing that enters the far end past it.
#[inline(always)]
pub(crate) fn of_receiver(link: u32) -> PortState {
    match known(link) {
        Some(known) if !has_native_xdp(known.device) => state(&known),
        _ => PortState::Unknown,
    }
}

/// Notes where the kernel has the device that the packet came by.
#[inline(always)]
fn note(ctx: &TcContext, link: u32) {
    // SAFETY: the kernel's own structure of the packet, as the loader has told the verifier.
    let device = unsafe { member::<u64>(cast_to_kernel(ctx), field::PACKET_DEVICE) };
    // Where the kernel does not show its structures there is nothing to note.
    if device == 0 {
        return;
    }
    // SAFETY: copied at once. An entry that is reused meanwhile is one of another port.
    let Some(BridgePort { bridge, .. }) = (unsafe { maps::BRIDGE_PORTS.get(link) }).copied() else {
        return;
    };
    let Some(place) = maps::PORT_DEVICES.get_ptr_mut(link % PORT_DEVICES_KNOWN) else { return };
    // Whoever reads it while it is half written finds that it is not the link's.
    racy!(*place).set(PortDevice { device, link, bridge });
}

/// What is noted of a link, if the device there still is that link's.
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
    // What has taken the link may be no bridge, and then has no such port.
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

/// Whether a native XDP program sees what comes in at the far end of a cable.
#[inline(always)]
fn has_native_xdp(device: u64) -> bool {
    // Both kinds of cables, veth and netkit, begin their private part with the far end's device.
    let private = device.wrapping_add(u64::from(number::DEVICE_PRIVATE.mark));
    let far_end = read::<u64>(private, field::PRIVATE_PEER);
    // One after the other: the verifier lets no two pointers be put together.
    read::<u64>(far_end, field::DEVICE_XDP_PROGRAM) != 0
        || read::<u64>(far_end, field::DEVICE_XDP_LINK) != 0
}

/// A member of the kernel's structure at an address. A structure that is gone reads as anything,
/// and memory that is gone as 0. All members are 0 where the kernel does not show where they lie.
#[inline(always)]
fn read<T: Copy>(address: u64, field: KernelField) -> T {
    // SAFETY: the loader has put the member's offset there, and the kernel makes a load that
    // faults 0.
    unsafe { member(cast_to_type(address, field.read_as), field) }
}

/// Notes the device that a packet came by: run once for each cable by a test run.
#[classifier]
pub(crate) fn note_port(ctx: TcContext) -> i32 {
    // SAFETY: the context is the one the kernel passed.
    note(&ctx, unsafe { (*ctx.skb.skb).ifindex });
    TC_ACT_OK
}
