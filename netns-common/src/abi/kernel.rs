//! The members of kernel structures that programs read. Their offsets differ between kernels, so
//! the programs are compiled with placeholders, and the loader replaces these.

/// A placeholder for the number of the kernel function `bpf_cast_to_kern_ctx` (kernel 6.2), which
/// converts a program's context to the kernel's `struct sk_buff`.
pub const CAST_TO_KERNEL: u32 = 0x6e65_7401;

/// A placeholder for the number of the kernel function `bpf_rdonly_cast` (kernel 6.2), which casts
/// any address to a readable structure. A load that would fault reads 0.
pub const CAST_TO_TYPE: u32 = 0x6e65_7402;

/// A member of a kernel structure, and the placeholder for its offset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KernelField {
    /// The placeholder that programs are compiled with.
    pub mark: u16,
    pub structure: &'static str,
    /// The name of the member; empty: the first word of the structure.
    pub member: &'static str,
    /// Offset within the member, in bytes.
    pub behind: i16,
    /// The number of the type that the verifier is given for the structure.
    pub read_as: KernelNumber,
}

/// A number that depends on the running kernel, and the placeholder for it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KernelNumber {
    /// The immediate value that programs are compiled with.
    pub mark: u32,
    pub is: KernelNumberOf,
}

/// The meaning of a [`KernelNumber`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KernelNumberOf {
    /// The BTF id of a structure.
    Type(&'static str),
    /// The offset of the private part of a `struct net_device`, in bytes.
    DevicePrivate,
}

macro_rules! fields {
    ($all:ident: $($name:ident = $mark:literal, $structure:literal $read_as:ident,
        $member:literal + $behind:literal;)+) => {
        $(
            pub const $name: KernelField = KernelField {
                mark: $mark,
                structure: $structure,
                member: $member,
                behind: $behind,
                read_as: number::$read_as,
            };
        )+

        /// All fields of this group. The programs read all of them, or none.
        pub const $all: [KernelField; [$($mark),+].len()] = [$($name),+];
    };
}

/// The fields, in two groups.
pub mod field {
    use super::{KernelField, number};

    fields! {
        CHECKSUM:
        IP_SUMMED = 0x7e01, "sk_buff" PACKET, "ip_summed" + 0;
        CHECKSUM_START = 0x7e12, "sk_buff" PACKET, "csum_start" + 0;
        CHECKSUM_OFFSET = 0x7e24, "sk_buff" PACKET, "csum_offset" + 0;
        NETWORK_HEADER = 0x7e36, "sk_buff" PACKET, "network_header" + 0;
    }

    // `xdp_state` has an entry for each mode, with a pointer to a program and one to a link. The
    // second entry is for native programs (`XDP_MODE_DRV`).
    fields! {
        PORT:
        PACKET_DEVICE = 0x7e48, "sk_buff" PACKET, "dev" + 0;
        DEVICE_INDEX = 0x7e54, "net_device" DEVICE, "ifindex" + 0;
        DEVICE_FLAGS = 0x7e64, "net_device" DEVICE, "flags" + 0;
        DEVICE_PORT = 0x7e78, "net_device" DEVICE, "rx_handler_data" + 0;
        DEVICE_XDP_PROGRAM = 0x7e88, "net_device" DEVICE, "xdp_state" + 16;
        DEVICE_XDP_LINK = 0x7e98, "net_device" DEVICE, "xdp_state" + 24;
        PORT_DEVICE = 0x7ea8, "net_bridge_port" WORDS, "dev" + 0;
        PORT_BRIDGE = 0x7eb8, "net_bridge_port" WORDS, "br" + 0;
        PORT_STATE = 0x7ec1, "net_bridge_port" WORDS, "state" + 0;
        PORT_FLAGS = 0x7ed8, "net_bridge_port" WORDS, "flags" + 0;
        BRIDGE_DEVICE = 0x7ee8, "net_bridge" WORDS, "dev" + 0;
        BRIDGE_OPTIONS = 0x7ef8, "net_bridge" WORDS, "options" + 0;
        PRIVATE_PEER = 0x7f08, "veth_priv" WORDS, "" + 0;
    }
}

/// The numbers.
pub mod number {
    use super::{KernelNumber, KernelNumberOf};

    /// A packet, from [`CAST_TO_KERNEL`](super::CAST_TO_KERNEL): no program needs the number.
    pub const PACKET: KernelNumber =
        KernelNumber { mark: 0x6e65_7410, is: KernelNumberOf::Type("sk_buff") };

    pub const DEVICE: KernelNumber =
        KernelNumber { mark: 0x6e65_7411, is: KernelNumberOf::Type("net_device") };

    /// A structure of words. The verifier does not know the types of modules, so programs read
    /// structures that may belong to a module as words of this one.
    pub const WORDS: KernelNumber =
        KernelNumber { mark: 0x6e65_7412, is: KernelNumberOf::Type("pt_regs") };

    pub const DEVICE_PRIVATE: KernelNumber =
        KernelNumber { mark: 0x6e65_7413, is: KernelNumberOf::DevicePrivate };

    /// The numbers that go with [`field::PORT`](super::field::PORT).
    pub const PORT: [KernelNumber; 3] = [DEVICE, WORDS, DEVICE_PRIVATE];
}
