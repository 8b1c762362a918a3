//! Kills the program at a chosen system call that changes something (ptrace(2)).

use std::{
    collections::HashMap,
    os::unix::process::CommandExt as _,
    process::{Command, Stdio},
};

use nix::{
    errno::Errno,
    libc,
    sys::{
        ptrace::{self, Options},
        signal::{Signal, kill},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::Pid,
};

use crate::netns_path;

/// Commands of bpf(2) that only read.
const LOOKS: [u64; 11] = [1, 4, 7, 11, 12, 13, 14, 15, 16, 19, 24];

/// System calls with an effect outside the process. Opening a file may create it.
const CHANGES: [i64; 14] = [
    libc::SYS_bpf,
    libc::SYS_openat,
    libc::SYS_write,
    libc::SYS_sendto,
    libc::SYS_sendmsg,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_unlinkat,
    libc::SYS_mkdirat,
    libc::SYS_fchmod,
    libc::SYS_mount,
    libc::SYS_umount2,
    libc::SYS_unshare,
    libc::SYS_setsockopt,
];

/// Those that only older architectures have.
#[cfg(target_arch = "x86_64")]
const OLDER_CHANGES: [i64; 4] =
    [libc::SYS_rename, libc::SYS_unlink, libc::SYS_rmdir, libc::SYS_mkdir];
#[cfg(not(target_arch = "x86_64"))]
const OLDER_CHANGES: [i64; 0] = [];

/// How the command ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Killed {
    /// It was killed at this moment: before or after a system call.
    At(u32),
    /// It ended by itself after this many moments.
    Never(u32),
}

/// Runs `netns ARGUMENTS` and kills it at its `at`th moment. Each system call that changes
/// something has two moments: before it and after it. With `None` the command runs to its end.
///
/// # Panics
/// When the command cannot be started or traced, or fails by itself.
#[track_caller]
#[must_use]
#[expect(clippy::zombie_processes, reason = "it is waited for as ptrace(2) wants it")]
pub fn kill_at(arguments: &[&str], at: Option<u32>) -> Killed {
    let mut command = Command::new(netns_path());
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    // SAFETY: between fork and exec it makes one system call and allocates nothing.
    unsafe { command.pre_exec(|| Ok(ptrace::traceme()?)) };
    let child = command.spawn().expect("the program");
    let child = Pid::from_raw(child.id().try_into().expect("a process id fits"));
    let first = waitpid(child, None).expect("the traced program");
    assert_eq!(first, WaitStatus::Stopped(child, Signal::SIGTRAP), "{arguments:?}");
    let options =
        Options::PTRACE_O_EXITKILL | Options::PTRACE_O_TRACESYSGOOD | Options::PTRACE_O_TRACECLONE;
    ptrace::setoptions(child, options).expect("the options of ptrace");
    go_on(child, None);
    let mut moments = Moments::default();
    loop {
        // Children of other threads belong to other tests.
        let flags = WaitPidFlag::__WALL | WaitPidFlag::__WNOTHREAD;
        match waitpid(None, Some(flags)).expect("the traced program") {
            WaitStatus::Exited(pid, code) if pid == child => {
                assert_eq!(code, 0, "{arguments:?} failed by itself");
                return Killed::Never(moments.count);
            }
            WaitStatus::Signaled(pid, signal, _) if pid == child => {
                assert_eq!(signal, Signal::SIGKILL, "{arguments:?}");
                return Killed::At(moments.count);
            }
            WaitStatus::PtraceSyscall(pid) => {
                if moments.is_one(pid) && at == Some(moments.count) {
                    kill(child, Signal::SIGKILL).expect("the traced program");
                } else {
                    go_on(pid, None);
                }
            }
            WaitStatus::PtraceEvent(pid, ..) => go_on(pid, None),
            // Each new thread stops once at its start.
            WaitStatus::Stopped(pid, Signal::SIGSTOP) => go_on(pid, None),
            WaitStatus::Stopped(pid, signal) => go_on(pid, Some(signal)),
            _ => {}
        }
    }
}

/// Continues a thread. One that has died meanwhile is no error.
fn go_on(pid: Pid, signal: Option<Signal>) {
    match ptrace::syscall(pid, signal) {
        Ok(()) | Err(Errno::ESRCH) => {}
        Err(error) => panic!("cannot continue the traced program: {error}"),
    }
}

/// Counts the moments so far.
#[derive(Debug, Default)]
struct Moments {
    count: u32,
    /// Whether the system call that a thread is in changes something.
    changing: HashMap<Pid, bool>,
}

impl Moments {
    /// Whether this stop of a thread is a moment.
    fn is_one(&mut self, pid: Pid) -> bool {
        let Ok(stop) = ptrace::syscall_info(pid) else { return false };
        if stop.op == libc::PTRACE_SYSCALL_INFO_ENTRY {
            // SAFETY: at an entry the kernel fills this member of the union.
            let entry = unsafe { stop.u.entry };
            let number = i64::try_from(entry.nr).unwrap_or(-1);
            let changes = match number {
                libc::SYS_bpf => !LOOKS.contains(&entry.args[0]),
                libc::SYS_openat => entry.args[2] & libc::O_CREAT as u64 != 0,
                number => CHANGES.contains(&number) || OLDER_CHANGES.contains(&number),
            };
            self.changing.insert(pid, changes);
        }
        let is_one = self.changing.get(&pid).copied().unwrap_or(false);
        self.count += u32::from(is_one);
        is_one
    }
}
