//! Reading the kernel's own structures in place.

use core::ffi::c_void;

use aya_ebpf::{EbpfContext as _, programs::TcContext};
use netns_common::abi::{CAST_TO_KERNEL, CAST_TO_TYPE, KernelField, KernelNumber};

/// The kernel's `struct sk_buff` of a packet: the verifier turns the call into a move.
///
/// # Safety
/// The loader must have replaced the placeholder by the kernel function.
#[inline(always)]
pub(crate) unsafe fn cast_to_kernel(ctx: &TcContext) -> *const u8 {
    // SAFETY: a function that is called by its number has no code that the compiler could know; the
    // caller promises that the number is that of the kernel function by then.
    let cast: unsafe extern "C" fn(*mut c_void) -> *const u8 =
        unsafe { core::mem::transmute(CAST_TO_KERNEL as usize) };
    // SAFETY: as the caller promises.
    unsafe { cast(ctx.as_ptr()) }
}

/// Casts an address to a structure of the kernel: the verifier turns the call into a move.
///
/// # Safety
/// The loader must have replaced the placeholders by the kernel function and by the number of the
/// type.
#[inline(always)]
pub(crate) unsafe fn cast_to_type(address: u64, of: KernelNumber) -> *const u8 {
    // SAFETY: as in `cast_to_kernel`.
    let cast: unsafe extern "C" fn(u64, u64) -> *const u8 =
        unsafe { core::mem::transmute(CAST_TO_TYPE as usize) };
    // SAFETY: as the caller promises.
    unsafe { cast(address, u64::from(of.mark)) }
}

/// A member of a kernel structure.
///
/// # Safety
/// The structure must have the member, and the loader must have replaced the member's placeholder.
#[inline(always)]
pub(crate) unsafe fn member<T: Copy>(structure: *const u8, field: KernelField) -> T {
    // SAFETY: as the caller promises. Volatile, so that each read is an instruction of its own with
    // the mark in it.
    unsafe { structure.add(field.mark as usize).cast::<T>().read_volatile() }
}
