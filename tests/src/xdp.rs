//! Attaches an XDP program in a namespace.

use std::{
    ffi::{c_long, c_uint},
    fs::File,
    io,
    os::fd::{AsRawFd as _, FromRawFd as _},
};

use nix::{libc, net::if_::if_nametoindex};

/// Commands and constants of linux/bpf.h and linux/if_link.h.
const BPF_PROG_LOAD: c_long = 5;
const BPF_LINK_CREATE: c_long = 28;
const BPF_PROG_TYPE_XDP: u32 = 6;
const BPF_XDP: u32 = 37;
const XDP_FLAGS_DRV_MODE: u32 = 1 << 2;

/// The action of the XDP program for every packet (`enum xdp_action` of linux/bpf.h).
#[derive(Clone, Copy, Debug)]
pub enum XdpAction {
    Drop = 1,
    Pass = 2,
}

/// A native XDP program on an interface. Dropping this detaches it.
#[derive(Debug)]
pub struct Xdp {
    _link: File,
}

impl Xdp {
    /// Attaches a program to an interface of the thread's namespace.
    ///
    /// # Panics
    /// When the kernel refuses it.
    #[must_use]
    #[track_caller]
    pub fn attach(interface: &str, action: XdpAction) -> Self {
        let license = c"GPL";
        // `return action;`
        let program = [0xb7 | (action as u64) << 32, 0x95];
        let mut load = Request::default();
        load.word(0, BPF_PROG_TYPE_XDP);
        load.word(4, u32::try_from(program.len()).expect("a short program"));
        load.long(8, program.as_ptr() as u64);
        load.long(16, license.as_ptr() as u64);
        let program = load.call(BPF_PROG_LOAD).expect("an XDP program");
        let mut link = Request::default();
        link.word(0, program.as_raw_fd().cast_unsigned());
        link.word(4, if_nametoindex(interface).expect("an interface"));
        link.word(8, BPF_XDP);
        link.word(12, XDP_FLAGS_DRV_MODE);
        Self { _link: link.call(BPF_LINK_CREATE).expect("an XDP program that is attached") }
    }
}

/// The first bytes of `union bpf_attr`.
#[derive(Default)]
struct Request([u8; 32]);

impl Request {
    fn word(&mut self, at: usize, value: u32) {
        self.0[at..at + 4].copy_from_slice(&value.to_ne_bytes());
    }

    fn long(&mut self, at: usize, value: u64) {
        self.0[at..at + 8].copy_from_slice(&value.to_ne_bytes());
    }

    fn call(&self, command: c_long) -> io::Result<File> {
        let size = c_uint::try_from(self.0.len()).expect("a short request");
        // SAFETY: the kernel reads `size` bytes, and everything they point at outlives the call.
        let answer = unsafe { libc::syscall(libc::SYS_bpf, command, self.0.as_ptr(), size) };
        match i32::try_from(answer) {
            // SAFETY: the kernel has just opened this descriptor, and no one else owns it.
            Ok(descriptor) if descriptor >= 0 => Ok(unsafe { File::from_raw_fd(descriptor) }),
            _ => Err(io::Error::last_os_error()),
        }
    }
}
