//! Tries what the datapath needs of the kernel, without a lab. Nothing stays behind.

use std::{
    ffi::CString,
    fs::File,
    io, mem,
    os::{
        fd::{AsRawFd as _, FromRawFd as _, OwnedFd},
        unix::ffi::OsStrExt as _,
    },
    path::Path,
    time::{Duration, Instant},
};

use aya::{EbpfLoader, programs::Program};
use aya_obj::generated::{
    bpf_attach_type, bpf_attr, bpf_attr__bindgen_ty_14__bindgen_ty_3__bindgen_ty_5, bpf_cmd,
    bpf_prog_type,
};
use nix::{
    errno::Errno,
    mount::{MsFlags, mount},
    sched::{CloneFlags, unshare},
};

use super::{
    attach,
    error::DatapathError,
    marks, object,
    pins::{BPFFS, bpffs_is_mounted},
};

/// The capacity of the flow table in a trial.
const FLOW_CAPACITY: u32 = 64;

/// An eBPF instruction: operation, registers, offset and immediate (linux/bpf.h).
pub(super) type Instruction = u64;

const EXIT: Instruction = instruction(0x95, 0, 0, 0);
const FRAME: u8 = 10;

/// `BPF_FIB_LOOKUP_SRC`, `sizeof(struct bpf_fib_lookup)` and the number of the helper.
const FIB_LOOKUP_SOURCE: i32 = 1 << 4;
const FIB_LOOKUP_SIZE: i32 = 64;
const FIB_LOOKUP: i32 = 69;

/// `BPF_F_NETFILTER_IP_DEFRAG`, and a priority after the defragmentation's.
const IP_DEFRAG: u32 = 1;
const AFTER_DEFRAGMENTATION: i32 = -300;

/// The result of loading all programs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Programs {
    /// The number of programs that the verifier accepted.
    pub count: usize,
    /// Whether all were compiled to machine code.
    pub compiled: bool,
}

/// The state of the BPF file system.
#[derive(Clone, Copy, Debug)]
pub enum Bpffs {
    Mounted,
    /// It can be mounted.
    Absent,
    /// It cannot be mounted, for this reason.
    Impossible(Errno),
}

/// The result of loading one program.
#[derive(Clone, Debug)]
pub struct Verified {
    pub name: String,
    /// Instructions that the verifier processed (kernel 5.16).
    pub instructions: Option<u32>,
    /// Length of the machine code, in bytes; 0 when the program is interpreted.
    pub compiled: u32,
    /// How long verifying and compiling took.
    pub time: Duration,
}

/// Loads each program of the datapath by itself, in the order of their names.
///
/// # Errors
/// When the kernel refuses the whole object. If it refuses a single program, that program's result
/// is the error.
pub fn each_program() -> Result<Vec<Result<Verified, DatapathError>>, DatapathError> {
    let mut loader = EbpfLoader::new();
    object::size(&mut loader, FLOW_CAPACITY);
    let mut object = loader.load(marks::object()?).map_err(DatapathError::Load)?;
    let mut programs: Vec<_> = object.programs_mut().collect();
    programs.sort_by(|a, b| a.0.cmp(b.0));
    Ok(programs.into_iter().filter_map(|(name, program)| verify(name, program)).collect())
}

/// Loads one program; `None` for a kind that the datapath does not have.
fn verify(name: &str, program: &mut Program) -> Option<Result<Verified, DatapathError>> {
    let begin = Instant::now();
    let loaded = match program {
        Program::SchedClassifier(program) => program.load(),
        Program::CgroupSockAddr(program) => program.load(),
        _ => return None,
    };
    let time = begin.elapsed();
    let info = loaded.and_then(|()| program.info());
    Some(
        info.map(|info| Verified {
            name: name.to_owned(),
            instructions: info.verified_instruction_count(),
            compiled: info.size_jitted(),
            time,
        })
        .map_err(|cause| DatapathError::Trial { program: name.to_owned(), cause }),
    )
}

/// Loads all programs of the datapath, which lets the verifier look at each.
///
/// # Errors
/// When the kernel refuses the object or one of its programs.
pub fn programs() -> Result<Programs, DatapathError> {
    let mut loaded = Programs { count: 0, compiled: true };
    for program in each_program()? {
        loaded.compiled &= program?.compiled > 0;
        loaded.count += 1;
    }
    Ok(loaded)
}

/// Tries bpf(2) with the smallest program.
///
/// # Errors
/// When the kernel refuses.
pub fn bpf() -> io::Result<()> {
    trivial(bpf_prog_type::BPF_PROG_TYPE_SCHED_CLS, None).map(drop)
}

/// Attaches a program to tcx ingress of the calling thread's loopback interface, and detaches it
/// (kernel 6.6). To be called in a namespace of its own.
///
/// # Errors
/// When the kernel refuses.
pub fn tcx() -> io::Result<()> {
    attach_tcx(LOOPBACK)
}

/// Whether the kernel has tcx. Nothing is attached, because that takes 10 ms: the request names an
/// interface that does not exist.
///
/// # Errors
/// When the kernel refuses the request itself.
pub fn has_tcx() -> io::Result<bool> {
    match attach_tcx(NO_INTERFACE) {
        Err(error) if error.raw_os_error() == Some(libc::ENODEV) => Ok(true),
        // The attach type is unknown, or CONFIG_NET_XGRESS is off.
        Err(error) if error.raw_os_error() == Some(libc::EINVAL) => Ok(false),
        result => result.map(|()| true),
    }
}

fn attach_tcx(interface: u32) -> io::Result<()> {
    let program = trivial(bpf_prog_type::BPF_PROG_TYPE_SCHED_CLS, None)?;
    let mut request = request();
    request.link_create.__bindgen_anon_1.prog_fd = number(&program);
    request.link_create.__bindgen_anon_2.target_ifindex = interface;
    request.link_create.attach_type = bpf_attach_type::BPF_TCX_INGRESS as u32;
    call(bpf_cmd::BPF_LINK_CREATE, &mut request).map(drop)
}

/// Attaches a netfilter program with defragmentation, and detaches it (kernel 6.6). To be called in
/// a namespace of its own.
///
/// # Errors
/// When the kernel refuses.
pub fn defragmentation() -> io::Result<()> {
    netfilter_link().map(drop)
}

/// Attaches a netfilter program to the calling thread's namespace, so that incoming fragments are
/// reassembled first. The link keeps the namespace alive.
pub(super) fn netfilter_link() -> io::Result<OwnedFd> {
    let program =
        trivial(bpf_prog_type::BPF_PROG_TYPE_NETFILTER, Some(bpf_attach_type::BPF_NETFILTER))?;
    let hook = libc::NF_INET_PRE_ROUTING.cast_unsigned();
    attach_netfilter(
        &program,
        &NetfilterHook { hook, priority: AFTER_DEFRAGMENTATION, flags: IP_DEFRAG },
    )
}

/// Loads a netfilter program (kernel 6.4).
pub(super) fn load_netfilter(code: &[Instruction]) -> io::Result<OwnedFd> {
    let attach_type = bpf_attach_type::BPF_NETFILTER;
    load(bpf_prog_type::BPF_PROG_TYPE_NETFILTER, Some(attach_type), code)
}

/// A netfilter hook for IPv4.
#[derive(Clone, Copy, Debug)]
pub(super) struct NetfilterHook {
    /// One of `NF_INET_*` (linux/netfilter.h).
    pub(super) hook: u32,
    /// Lower priorities come first.
    pub(super) priority: i32,
    pub(super) flags: u32,
}

/// Attaches a netfilter program to the calling thread's namespace. The link keeps the namespace
/// alive.
pub(super) fn attach_netfilter(program: &OwnedFd, hook: &NetfilterHook) -> io::Result<OwnedFd> {
    let mut request = request();
    request.link_create.__bindgen_anon_1.prog_fd = number(program);
    request.link_create.attach_type = bpf_attach_type::BPF_NETFILTER as u32;
    request.link_create.__bindgen_anon_3.netfilter =
        bpf_attr__bindgen_ty_14__bindgen_ty_3__bindgen_ty_5 {
            pf: libc::NFPROTO_IPV4.cast_unsigned(),
            hooknum: hook.hook,
            priority: hook.priority,
            flags: hook.flags,
        };
    let link = call(bpf_cmd::BPF_LINK_CREATE, &mut request)?;
    link.ok_or_else(|| io::ErrorKind::InvalidData.into())
}

/// Pins a link in the BPF file system.
pub(super) fn pin(link: &OwnedFd, path: &Path) -> io::Result<()> {
    let path = CString::new(path.as_os_str().as_bytes())?;
    let mut request = request();
    // SAFETY: all bytes of the union are zero, which each of its members allows.
    let pin = unsafe { &mut request.__bindgen_anon_4 };
    pin.pathname = address(path.as_ptr());
    pin.bpf_fd = number(link);
    call(bpf_cmd::BPF_OBJ_PIN, &mut request).map(drop)
}

/// Whether `bpf_fib_lookup` selects source addresses: runs a program that calls it. This came with
/// Linux 6.7, and stable releases of 6.6 and older kernels have it too.
///
/// # Errors
/// When the kernel refuses the program.
pub fn fib_source() -> io::Result<bool> {
    let below = |bytes: i16| bytes - 64;
    let mut program: Vec<Instruction> =
        (0..8).map(|word| instruction(0x7a, FRAME, below(8 * word), 0)).collect();
    program.extend([
        // The family and the interface of `struct bpf_fib_lookup`.
        instruction(0x72, FRAME, below(0), libc::AF_INET),
        instruction(0x62, FRAME, below(8), LOOPBACK.cast_signed()),
        // r2 = r10 - 64; r3 = size; r4 = flags
        instruction(0xbf, 2 | FRAME << 4, 0, 0),
        instruction(0x07, 2, 0, -64),
        instruction(0xb7, 3, 0, FIB_LOOKUP_SIZE),
        instruction(0xb7, 4, 0, FIB_LOOKUP_SOURCE),
        instruction(0x85, 0, 0, FIB_LOOKUP),
        EXIT,
    ]);
    let program = load(bpf_prog_type::BPF_PROG_TYPE_SCHED_CLS, None, &program)?;
    let frame = [0_u8; 64];
    let mut request = request();
    request.test.prog_fd = number(&program);
    request.test.data_in = address(frame.as_ptr());
    request.test.data_size_in = 64;
    call(bpf_cmd::BPF_PROG_TEST_RUN, &mut request)?;
    // SAFETY: the kernel has filled in the union as what it was asked.
    let answer = unsafe { request.test.retval };
    Ok(answer.cast_signed() != -libc::EINVAL)
}

/// Looks for the BPF file system; if it is missing, tries to mount it where nobody sees it.
#[must_use]
pub fn bpffs() -> Bpffs {
    if bpffs_is_mounted() {
        return Bpffs::Mounted;
    }
    let tried = std::thread::scope(|scope| {
        scope
            .spawn(|| -> Result<(), Errno> {
                unshare(CloneFlags::CLONE_NEWNS)?;
                let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
                mount(None::<&str>, "/", None::<&str>, private, None::<&str>)?;
                mount(Some("bpf"), BPFFS, Some("bpf"), MsFlags::empty(), None::<&str>)
            })
            .join()
    });
    match tried {
        Ok(Ok(())) => Bpffs::Absent,
        Ok(Err(error)) => Bpffs::Impossible(error),
        Err(cause) => std::panic::resume_unwind(cause),
    }
}

/// The path of the version 2 control groups, if they can be opened.
///
/// # Errors
/// When they are not mounted, or cannot be opened.
pub fn cgroup2() -> Result<std::path::PathBuf, DatapathError> {
    let path = attach::cgroup2()?;
    match File::open(&path) {
        Ok(_) => Ok(path),
        Err(cause) => Err(DatapathError::Cgroup { path, cause }),
    }
}

/// Index of the loopback interface, the same in each namespace.
const LOOPBACK: u32 = 1;

/// The largest index. The kernel counts indexes up from 1, so no interface has it.
const NO_INTERFACE: u32 = i32::MAX.cast_unsigned();

pub(super) const fn instruction(
    code: u8,
    registers: u8,
    offset: i16,
    immediate: i32,
) -> Instruction {
    let [a, b] = offset.to_ne_bytes();
    let [c, d, e, f] = immediate.to_ne_bytes();
    u64::from_ne_bytes([code, registers, a, b, c, d, e, f])
}

/// Loads a program that returns 1, which accepts a packet at every hook.
pub(super) fn trivial(
    kind: bpf_prog_type,
    attach_type: Option<bpf_attach_type>,
) -> io::Result<OwnedFd> {
    load(kind, attach_type, &[instruction(0xb7, 0, 0, 1), EXIT])
}

fn load(
    kind: bpf_prog_type,
    attach_type: Option<bpf_attach_type>,
    program: &[Instruction],
) -> io::Result<OwnedFd> {
    let mut request = request();
    // SAFETY: all bytes of the union are zero, which each of its members allows.
    let load = unsafe { &mut request.__bindgen_anon_3 };
    load.prog_type = kind as u32;
    load.insn_cnt = u32::try_from(program.len()).unwrap_or(u32::MAX);
    load.insns = address(program.as_ptr());
    load.license = address(c"Dual MIT/GPL".as_ptr());
    load.expected_attach_type = attach_type.map_or(0, |kind| kind as u32);
    let descriptor = call(bpf_cmd::BPF_PROG_LOAD, &mut request)?;
    descriptor.ok_or_else(|| io::ErrorKind::InvalidData.into())
}

pub(super) fn request() -> bpf_attr {
    // SAFETY: the structures of bpf(2) consist of numbers, for which zero means "not asked for".
    unsafe { mem::zeroed() }
}

pub(super) fn address<T>(of: *const T) -> u64 {
    of.expose_provenance() as u64
}

fn number(descriptor: &OwnedFd) -> u32 {
    descriptor.as_raw_fd().cast_unsigned()
}

/// Calls bpf(2). The result is a file for commands that create one.
pub(super) fn call(command: bpf_cmd, request: &mut bpf_attr) -> io::Result<Option<OwnedFd>> {
    // SAFETY: `request` is of the size that is told, and what it points to outlives the call.
    let answer = unsafe {
        libc::syscall(libc::SYS_bpf, command as u32, &raw mut *request, size_of::<bpf_attr>())
    };
    if answer < 0 {
        return Err(io::Error::last_os_error());
    }
    let makes_file = matches!(command, bpf_cmd::BPF_PROG_LOAD | bpf_cmd::BPF_LINK_CREATE);
    let descriptor = i32::try_from(answer).ok().filter(|_| makes_file);
    // SAFETY: the kernel has just made this file for us, and nobody else knows its number.
    Ok(descriptor.map(|descriptor| unsafe { OwnedFd::from_raw_fd(descriptor) }))
}
