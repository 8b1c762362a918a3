//! A barrier for the kernel's verifier, which follows every path through a program.

/// Reads back the value just written. The verifier does not know the content of memory, so it
/// merges all paths that led here.
#[inline(always)]
pub(crate) fn verifier_barrier<V: Copy>(written: &V) -> V {
    // SAFETY: a reference is valid to read. The compiler knows nothing of what it reads.
    unsafe { core::ptr::read_volatile(written) }
}
