//! What programs read of the kernel's own structures. Where a member lies differs from kernel to
//! kernel, so the programs are compiled with marks, which the loader replaces.

/// In the place of the number of a helper: `bpf_cast_to_kern_ctx` (kernel 6.2), which makes of a
/// program's context the kernel's `struct sk_buff`.
pub const CAST_TO_KERNEL: u32 = 0x6e65_7401;

/// The same: `bpf_rdonly_cast` (kernel 6.2), which makes of an address a structure of the kernel that
/// can be read. What is not there, or is gone, reads as something; it is never a fault.
pub const CAST_TO_TYPE: u32 = 0x6e65_7402;

/// A member of a structure, in the place of its offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KernelField {
    /// The offset that programs are compiled with.
    pub mark: u16,
    /// Empty: whatever is there begins with it.
    pub structure: &'static str,
    pub member: &'static str,
    /// Bytes from the member's begin.
    pub behind: i16,
}

/// A number that only the running kernel has, in the place of an immediate value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KernelNumber {
    /// The value that programs are compiled with.
    pub mark: u32,
    pub is: KernelNumberOf,
}

/// What a [`KernelNumber`] is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KernelNumberOf {
    /// The BTF id of a structure.
    Type(&'static str),
    /// Where the private part of a `struct net_device` begins, in bytes.
    DevicePrivate,
}

macro_rules! fields {
    ($all:ident: $($name:ident = $mark:literal, $structure:literal, $member:literal + $behind:literal;)+) => {
        $(
            pub const $name: KernelField = KernelField {
                mark: $mark,
                structure: $structure,
                member: $member,
                behind: $behind,
            };
        )+

        /// These.
        pub const $all: [KernelField; [$($mark),+].len()] = [$($name),+];
    };
}

/// The members, by where they are.
pub mod field {
    use super::KernelField;

    fields! {
        CHECKSUM:
        IP_SUMMED = 0x7e01, "sk_buff", "ip_summed" + 0;
        CHECKSUM_START = 0x7e12, "sk_buff", "csum_start" + 0;
        CHECKSUM_OFFSET = 0x7e24, "sk_buff", "csum_offset" + 0;
        NETWORK_HEADER = 0x7e36, "sk_buff", "network_header" + 0;
    }

    // The native one of the attached XDP programs is the second (`XDP_MODE_DRV`); each is a pointer to
    // a program and one to a link.
    fields! {
        PORT:
        PACKET_DEVICE = 0x7e48, "sk_buff", "dev" + 0;
        DEVICE_INDEX = 0x7e54, "net_device", "ifindex" + 0;
        DEVICE_FLAGS = 0x7e64, "net_device", "flags" + 0;
        DEVICE_PORT = 0x7e78, "net_device", "rx_handler_data" + 0;
        DEVICE_XDP_PROGRAM = 0x7e88, "net_device", "xdp_state" + 16;
        DEVICE_XDP_LINK = 0x7e98, "net_device", "xdp_state" + 24;
        PORT_DEVICE = 0x7ea8, "net_bridge_port", "dev" + 0;
        PORT_BRIDGE = 0x7eb8, "net_bridge_port", "br" + 0;
        PORT_STATE = 0x7ec1, "net_bridge_port", "state" + 0;
        PORT_FLAGS = 0x7ed8, "net_bridge_port", "flags" + 0;
        BRIDGE_DEVICE = 0x7ee8, "net_bridge", "dev" + 0;
        BRIDGE_OPTIONS = 0x7ef8, "net_bridge", "options" + 0;
        FIRST_WORD = 0x7f08, "", "" + 0;
    }
}

/// The numbers, by what they are for.
pub mod number {
    use super::{KernelNumber, KernelNumberOf};

    pub const DEVICE: KernelNumber =
        KernelNumber { mark: 0x6e65_7411, is: KernelNumberOf::Type("net_device") };

    /// A structure of many words: a bridge that is a module has its types in no list that the
    /// verifier knows, so its members are read as words of this one.
    pub const WORDS: KernelNumber =
        KernelNumber { mark: 0x6e65_7412, is: KernelNumberOf::Type("pt_regs") };

    pub const DEVICE_PRIVATE: KernelNumber =
        KernelNumber { mark: 0x6e65_7413, is: KernelNumberOf::DevicePrivate };

    /// These.
    pub const PORT: [KernelNumber; 3] = [DEVICE, WORDS, DEVICE_PRIVATE];
}
