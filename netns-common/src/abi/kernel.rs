//! Members of the kernel's own structures that programs read: where each lies differs from kernel
//! to kernel, so the programs are compiled with marks that the loader replaces.

/// In the place of the number of a helper: `bpf_cast_to_kern_ctx` (kernel 6.2), which makes of a
/// program's context the kernel's `struct sk_buff`.
pub const CAST_TO_KERNEL: u32 = 0x6e65_7401;

/// A member of a structure, in the place of its offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KernelField {
    /// The offset that programs are compiled with.
    pub mark: u16,
    pub structure: &'static str,
    pub member: &'static str,
}

macro_rules! fields {
    ($($name:ident = $mark:literal, $structure:literal, $member:literal;)+) => {
        $(
            pub const $name: KernelField =
                KernelField { mark: $mark, structure: $structure, member: $member };
        )+

        /// All of them.
        pub const ALL: [KernelField; [$($mark),+].len()] = [$($name),+];
    };
}

/// The members, by where they are.
pub mod field {
    use super::KernelField;

    fields! {
        IP_SUMMED = 0x7e01, "sk_buff", "ip_summed";
        CHECKSUM_START = 0x7e12, "sk_buff", "csum_start";
        CHECKSUM_OFFSET = 0x7e24, "sk_buff", "csum_offset";
        NETWORK_HEADER = 0x7e36, "sk_buff", "network_header";
    }
}
