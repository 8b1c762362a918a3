//! A barrier for the kernel's verifier, which follows every path through a program.

/// What was just written, as it stands in memory: to the verifier its content is unknown, and all
/// ways that led to it are one from here on.
#[inline(always)]
pub(crate) fn verifier_barrier<V: Copy>(written: &V) -> V {
    // SAFETY: a reference is valid to read. The compiler knows nothing of what it reads.
    unsafe { core::ptr::read_volatile(written) }
}
