//! A seccomp filter that makes bpf(2), or one of its commands, fail.

use std::{io, os::unix::process::CommandExt as _, process::Command};

use nix::libc;

/// `BPF_LINK_CREATE` of linux/bpf.h.
pub const BPF_LINK_CREATE: u32 = 28;

/// Offsets in `struct seccomp_data`: the number of the system call, and the lower half of its first
/// argument.
const NUMBER: u32 = 0;
const FIRST_ARGUMENT: u32 = if cfg!(target_endian = "little") { 16 } else { 20 };

/// Makes bpf(2), or one of its commands, fail with this error in a program.
pub fn refuse_bpf(program: &mut Command, command: Option<u32>, error: i32) -> &mut Command {
    let number = u32::try_from(libc::SYS_bpf).expect("the number of a system call");
    let mut code = vec![load(NUMBER), skip_unless(number, if command.is_some() { 3 } else { 1 })];
    if let Some(command) = command {
        code.extend([load(FIRST_ARGUMENT), skip_unless(command, 1)]);
    }
    code.push(answer(libc::SECCOMP_RET_ERRNO | error.cast_unsigned()));
    code.push(answer(libc::SECCOMP_RET_ALLOW));
    let filter = move || {
        let program = libc::sock_fprog {
            len: u16::try_from(code.len()).map_err(io::Error::other)?,
            filter: code.as_ptr().cast_mut(),
        };
        // SAFETY: prctl(2) reads the filter, which lives until after the call, and writes nothing.
        let refused = unsafe {
            libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0
                || libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program)
                    != 0
        };
        if refused { Err(io::Error::last_os_error()) } else { Ok(()) }
    };
    // SAFETY: between fork and exec it makes system calls and allocates nothing.
    unsafe { program.pre_exec(filter) }
}

/// Reads a word of the data.
fn load(offset: u32) -> libc::sock_filter {
    instruction(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, offset)
}

/// Continues if the word is `value`, else skips `count` instructions.
fn skip_unless(value: u32, count: u8) -> libc::sock_filter {
    instruction(libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K, count, value)
}

fn answer(value: u32) -> libc::sock_filter {
    instruction(libc::BPF_RET | libc::BPF_K, 0, value)
}

fn instruction(code: u32, skipped: u8, value: u32) -> libc::sock_filter {
    let code = u16::try_from(code).expect("a code has 16 bits");
    libc::sock_filter { code, jt: 0, jf: skipped, k: value }
}
