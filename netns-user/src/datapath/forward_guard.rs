//! The guard of the router's forwarding: packets from the lab leave by its uplinks or return into
//! the lab.
//!
//! The programs at the cables refuse packets that the routing table leads elsewhere, and tell their
//! sender. Still, the kernel may route a packet differently: because of a mark that a firewall sets
//! afterwards, a route that has just changed, or a foreign port of the bridge. So a netfilter
//! program, which knows both links, decides last about forwarded packets. It is attached before
//! addresses and routes exist, needs no hook on links that are added later, and adds no visible
//! rule of iptables or nftables. While its link is pinned, the router's namespace stays alive.

use std::{
    io,
    os::fd::{AsFd as _, BorrowedFd, OwnedFd},
};

use aya_obj::generated::{bpf_attach_type, bpf_prog_type};
use netns_common::abi::{DropReason, LinkRole, maps};

use super::{
    Datapath,
    error::DatapathError,
    kernel_types::KernelTypes,
    pins::pin_error,
    probe::{self, Instruction, NetfilterHook, instruction},
};

/// The name of its link's pin.
pub(super) const LINK: &str = "forward_guard";

/// Its priority among the netfilter hooks of forwarding: early. Priorities are unique, and each lab
/// on the machine needs one.
const FIRST_PRIORITY: i32 = -1000;
const PRIORITIES: i32 = 512;

impl Datapath {
    /// Attaches the guard, unless it is attached or the kernel has no netfilter links. Must run
    /// inside the router's namespace.
    pub(super) fn make_forward_guard(&self) -> Result<(), DatapathError> {
        let path = self.pins.link(LINK, 0);
        if path.exists() {
            return Ok(());
        }
        let Some(program) = self.forward_guard_program()? else { return Ok(()) };
        let link = attach(&program).map_err(error)?;
        probe::pin(&link, &path)
            .map_err(|cause| pin_error("pin the netfilter link at", &path, cause))
    }

    /// Whether forwarded packets are guarded, or the kernel cannot guard them.
    pub(super) fn has_forward_guard(&self) -> bool {
        self.pins.link(LINK, 0).exists() || probe::defragmentation().is_err()
    }

    /// The program, loaded; `None` on a kernel without netfilter programs or types.
    fn forward_guard_program(&self) -> Result<Option<OwnedFd>, DatapathError> {
        let Ok(types) = KernelTypes::read() else { return Ok(None) };
        let Some(offsets) = Offsets::of(&types) else { return Ok(None) };
        let (links, counters) =
            (self.open_map(maps::LINK_ROLES)?, self.open_map(maps::DROP_COUNTERS)?);
        let is_own = self.settings()?.own_namespace != 0;
        let code = code(&offsets, links.fd().as_fd(), counters.fd().as_fd(), is_own);
        match probe::load_netfilter(&code) {
            Ok(program) => Ok(Some(program)),
            Err(error) if error.raw_os_error() == Some(libc::EINVAL) && !has_netfilter() => {
                Ok(None)
            }
            Err(cause) => Err(error(cause)),
        }
    }
}

fn error(cause: io::Error) -> DatapathError {
    DatapathError::System { what: "attach the guard of forwarded packets", cause }
}

/// Whether the kernel has netfilter programs (6.4).
fn has_netfilter() -> bool {
    probe::trivial(bpf_prog_type::BPF_PROG_TYPE_NETFILTER, Some(bpf_attach_type::BPF_NETFILTER))
        .is_ok()
}

/// Attaches the program at a free priority.
fn attach(program: &OwnedFd) -> io::Result<OwnedFd> {
    let mut last = io::ErrorKind::AddrInUse.into();
    for priority in FIRST_PRIORITY..FIRST_PRIORITY + PRIORITIES {
        let hook =
            NetfilterHook { hook: libc::NF_INET_FORWARD.cast_unsigned(), priority, flags: 0 };
        match probe::attach_netfilter(program, &hook) {
            Err(error) if error.raw_os_error() == Some(libc::EBUSY) => last = error,
            attached => return attached,
        }
    }
    Err(last)
}

/// The offsets in the running kernel that the program reads.
struct Offsets {
    /// In `struct nf_hook_state`.
    input: i16,
    output: i16,
    /// In `struct net_device`.
    index: i16,
    /// In `struct sk_buff`.
    length: i16,
}

impl Offsets {
    fn of(types: &KernelTypes) -> Option<Self> {
        Some(Self {
            input: types.offset("nf_hook_state", "in")?,
            output: types.offset("nf_hook_state", "out")?,
            index: types.offset("net_device", "ifindex")?,
            length: types.offset("sk_buff", "len")?,
        })
    }
}

/// Verdicts of netfilter (linux/netfilter.h).
const DROP: i32 = 0;
const ACCEPT: i32 = 1;

/// Members of `struct bpf_nf_ctx` (linux/bpf.h).
const STATE: i16 = 0;
const BUFFER: i16 = 8;

/// Members of [`Counter`](netns_common::abi::Counter).
const PACKETS: i16 = 8;
const BYTES: i16 = 16;

/// The program. `is_own`: the router is a namespace of its own, so a packet that does not come by
/// an uplink comes from the lab.
///
/// ```text
/// fn guard(ctx):
///     if role(ctx.state.in) is Uplink, or on the machine none: return ACCEPT
///     if role(ctx.state.out) is one: return ACCEPT
///     count the packet as dropped: NoUplink
///     return DROP
/// ```
fn code(
    offsets: &Offsets,
    links: BorrowedFd<'_>,
    counters: BorrowedFd<'_>,
    is_own: bool,
) -> Vec<Instruction> {
    const CTX: u8 = 6;
    const HOOK: u8 = 7;
    let mut code = Assembler::default();
    code.add([op::mov(CTX, 1), op::load64(HOOK, CTX, STATE)]);
    code.look_up_link(offsets.input, offsets.index, links);
    // On the machine, an unknown link belongs to others.
    code.jump_if(0, Is::Equal(0), if is_own { Label::FromLab } else { Label::Accept });
    code.add([op::load32(0, 0, 0)]);
    code.jump_if(0, Is::Equal(LinkRole::Uplink as i32), Label::Accept);
    code.bind(Label::FromLab);
    code.look_up_link(offsets.output, offsets.index, links);
    code.jump_if(0, Is::NotEqual(0), Label::Accept);
    code.add([op::store32_immediate(FRAME, KEY, DropReason::NoUplink as i32)]);
    code.look_up(counters);
    code.jump_if(0, Is::Equal(0), Label::Drop);
    code.add([op::load64(1, 0, PACKETS), op::add_immediate(1, 1), op::store64(0, PACKETS, 1)]);
    code.add([op::load64(2, CTX, BUFFER), op::load32(2, 2, offsets.length)]);
    code.add([op::load64(1, 0, BYTES), op::add(1, 2), op::store64(0, BYTES, 1)]);
    code.bind(Label::Drop);
    code.add([op::mov_immediate(0, DROP), op::EXIT]);
    code.bind(Label::Accept);
    code.add([op::mov_immediate(0, ACCEPT), op::EXIT]);
    code.finish()
}

/// The frame register, and the stack slot with the key of a look-up.
const FRAME: u8 = 10;
const KEY: i16 = -4;

/// The targets of jumps.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Label {
    FromLab,
    Drop,
    Accept,
}

/// A condition of a jump.
#[derive(Clone, Copy, Debug)]
enum Is {
    Equal(i32),
    NotEqual(i32),
}

/// Instructions, with forward jumps.
#[derive(Debug, Default)]
struct Assembler {
    code: Vec<Instruction>,
    jumps: Vec<(usize, u8, Is, Label)>,
    labels: Vec<(Label, usize)>,
}

impl Assembler {
    fn add<const N: usize>(&mut self, instructions: [Instruction; N]) {
        self.code.extend(instructions);
    }

    fn jump_if(&mut self, register: u8, is: Is, to: Label) {
        self.jumps.push((self.code.len(), register, is, to));
        self.code.push(0);
    }

    fn bind(&mut self, label: Label) {
        self.labels.push((label, self.code.len()));
    }

    /// Loads the map's value for the key on the stack into register 0; 0 if there is none.
    fn look_up(&mut self, map: BorrowedFd<'_>) {
        self.add(op::map(1, map));
        self.add([op::mov(2, FRAME), op::add_immediate(2, KEY.into()), op::CALL_LOOK_UP]);
    }

    /// Loads the map's value for a link of the hook's state, to which register 7 points, into
    /// register 0. A packet without that link is accepted.
    fn look_up_link(&mut self, device: i16, index: i16, links: BorrowedFd<'_>) {
        self.add([op::load64(8, 7, device)]);
        self.jump_if(8, Is::Equal(0), Label::Accept);
        self.add([op::load32(8, 8, index), op::store32(FRAME, KEY, 8)]);
        self.look_up(links);
    }

    fn finish(mut self) -> Vec<Instruction> {
        for (at, register, is, to) in self.jumps {
            let target = self.labels.iter().find(|(label, _)| *label == to);
            let over = target.map_or(0, |(_, target)| target - at - 1);
            let over = i16::try_from(over).unwrap_or(i16::MAX);
            self.code[at] = match is {
                Is::Equal(value) => instruction(0x15, register, over, value),
                Is::NotEqual(value) => instruction(0x55, register, over, value),
            };
        }
        self.code
    }
}

/// Instructions of eBPF (Documentation/bpf/standardization/instruction-set.rst).
mod op {
    use std::os::fd::{AsRawFd as _, BorrowedFd};

    use super::{Instruction, instruction};

    pub(super) const EXIT: Instruction = instruction(0x95, 0, 0, 0);
    /// `bpf_map_lookup_elem`.
    pub(super) const CALL_LOOK_UP: Instruction = instruction(0x85, 0, 0, 1);
    /// Marks a 64-bit load of a map's descriptor.
    const MAP: u8 = 1;

    pub(super) const fn mov(to: u8, from: u8) -> Instruction {
        instruction(0xbf, to | from << 4, 0, 0)
    }

    pub(super) const fn mov_immediate(to: u8, value: i32) -> Instruction {
        instruction(0xb7, to, 0, value)
    }

    pub(super) const fn add(to: u8, from: u8) -> Instruction {
        instruction(0x0f, to | from << 4, 0, 0)
    }

    pub(super) const fn add_immediate(to: u8, value: i32) -> Instruction {
        instruction(0x07, to, 0, value)
    }

    pub(super) const fn load32(to: u8, from: u8, offset: i16) -> Instruction {
        instruction(0x61, to | from << 4, offset, 0)
    }

    pub(super) const fn load64(to: u8, from: u8, offset: i16) -> Instruction {
        instruction(0x79, to | from << 4, offset, 0)
    }

    pub(super) const fn store32(to: u8, offset: i16, from: u8) -> Instruction {
        instruction(0x63, to | from << 4, offset, 0)
    }

    pub(super) const fn store64(to: u8, offset: i16, from: u8) -> Instruction {
        instruction(0x7b, to | from << 4, offset, 0)
    }

    pub(super) const fn store32_immediate(to: u8, offset: i16, value: i32) -> Instruction {
        instruction(0x62, to, offset, value)
    }

    /// Loads a map as an argument: a double instruction.
    pub(super) fn map(to: u8, map: BorrowedFd<'_>) -> [Instruction; 2] {
        [instruction(0x18, to | MAP << 4, 0, map.as_raw_fd()), 0]
    }
}
