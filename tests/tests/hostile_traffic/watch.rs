//! Watchers: each receives the frames that must not arrive in its namespace. A filter in the kernel
//! picks them out, so that a watcher keeps up with the senders.

use std::{
    fs,
    io::{self, Read as _},
    mem::MaybeUninit,
    os::{fd::AsRawFd as _, unix::fs::MetadataExt as _},
    sync::atomic::Ordering,
    time::Duration,
};

use netns_tests::{bind_to_index, ignore_outgoing, try_enter};
use nix::{
    libc,
    sys::socket::{setsockopt, sockopt::RcvBufForce},
};
use socket2::{Domain, SockFilter, Socket, Type};

use crate::{Run, frames::MARK};

/// A watcher that gets no frame for so long looks whether its namespace was replaced.
const PATIENCE: Duration = Duration::from_millis(10);

/// How long it waits where there is no namespace yet.
const PAUSE: Duration = Duration::from_millis(1);

/// A watcher that gets frames looks after so many.
const READS: usize = 64;

/// Room for frames that are not read yet, in bytes.
const RECEIVE_BUFFER: usize = 4 << 20;

/// One translated datagram in so many is counted; a power of two.
pub(crate) const SAMPLE: u32 = 64;

/// The frames that a watcher gets.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Watched {
    /// All of IPv6, IPv4 and ARP requests with a sender in 10.0.0.0/8, and a sample of UDP.
    /// ARP answers are left out: Linux answers for each of its addresses on every interface.
    Outside,
    /// IPv4 and IPv6 with the [`MARK`].
    Inside,
}

/// Operations of a classic BPF program (linux/filter.h). The `INDEXED` ones add the register X to
/// their offset.
const LOAD_X: u16 = 0x01;
const LOAD_WORD: u16 = 0x20;
const LOAD_HALF_INDEXED: u16 = 0x48;
const LOAD_BYTE_INDEXED: u16 = 0x50;
const ADD: u16 = 0x04;
const A_TO_X: u16 = 0x07;
const X_TO_A: u16 = 0x87;
const IS_EQUAL: u16 = 0x15;
const HAS_BITS: u16 = 0x45;
const RETURN: u16 = 0x06;

const fn operation(code: u16, value: u32) -> SockFilter {
    SockFilter::new(code, 0, 0, value)
}

/// Skips `equal` operations if the loaded value is this one, and `other` operations if not.
const fn if_equal(value: u32, equal: u8, other: u8) -> SockFilter {
    SockFilter::new(IS_EQUAL, equal, other, value)
}

/// Sets X to the length of the VLAN tags, of which there are at most three.
fn skip_tags() -> Vec<SockFilter> {
    let skip = || {
        [
            operation(LOAD_HALF_INDEXED, 12),
            if_equal(0x8100, 1, 0),
            if_equal(0x88a8, 0, 3),
            operation(X_TO_A, 0),
            operation(ADD, 4),
            operation(A_TO_X, 0),
        ]
    };
    let mut program = vec![operation(LOAD_X, 0)];
    (0..3).for_each(|_| program.extend(skip()));
    program
}

impl Watched {
    fn filter(self) -> Vec<SockFilter> {
        let random = (libc::SKF_AD_OFF + libc::SKF_AD_RANDOM).cast_unsigned();
        let mut program = skip_tags();
        program.push(operation(LOAD_HALF_INDEXED, 12));
        match self {
            Self::Outside => program.extend([
                if_equal(0x86dd, 12, 0),
                // ARP: a request, and the first byte of the sender's address.
                if_equal(0x0806, 0, 4),
                operation(LOAD_BYTE_INDEXED, 21),
                if_equal(1, 0, 10),
                operation(LOAD_BYTE_INDEXED, 28),
                if_equal(10, 7, 8),
                // IPv4: the first byte of the source, then the protocol.
                if_equal(0x0800, 0, 7),
                operation(LOAD_BYTE_INDEXED, 26),
                if_equal(10, 4, 0),
                operation(LOAD_BYTE_INDEXED, 23),
                if_equal(17, 0, 3),
                operation(LOAD_WORD, random),
                SockFilter::new(HAS_BITS, 1, 0, SAMPLE - 1),
            ]),
            Self::Inside => program.extend([
                if_equal(0x86dd, 1, 0),
                if_equal(0x0800, 0, 3),
                operation(LOAD_BYTE_INDEXED, 15),
                if_equal(u32::from(MARK), 0, 1),
            ]),
        }
        program.extend([operation(RETURN, u32::MAX), operation(RETURN, 0)]);
        program
    }

    /// The fault of a frame that passed the filter. `None`: it belongs to the sample.
    fn fault(self, frame: &[u8]) -> Option<&'static str> {
        if matches!(self, Self::Inside) {
            return Some("came in from outside");
        }
        let is_tag = |at: &usize| matches!(frame.get(*at..*at + 2), Some([0x81, 0] | [0x88, 0xa8]));
        let at = (12..).step_by(4).find(|at| !is_tag(at)).unwrap_or(12);
        match frame.get(at..at + 2) {
            Some([0x08, 0x00]) if frame.get(at + 14) == Some(&10) => {
                Some("IPv4 with an inside source")
            }
            Some([0x08, 0x00]) => None,
            Some([0x08, 0x06]) => Some("ARP with an inside sender"),
            _ => Some("IPv6"),
        }
    }
}

/// Watches a namespace, and each new one of that name, until the run ends the watching and every
/// frame is read. A deleted namespace is watched until there is a new one: frames may still arrive.
pub(crate) fn watch(namespace: &str, watched: Watched, run: &Run) {
    let filter = watched.filter();
    let mut current: Option<(u64, Socket)> = None;
    loop {
        // Loaded before the last frames are read.
        let is_over = !run.watching.load(Ordering::Relaxed);
        let newest = fs::metadata(format!("/run/netns/{namespace}")).map(|file| file.ino()).ok();
        if let Some((number, socket)) = &current {
            let take = |frame: &[u8]| run.judge(namespace, watched.fault(frame), frame);
            let is_replaced = newest.is_some_and(|newest| newest != *number);
            if read(socket, take) && (is_over || is_replaced) {
                assert_eq!(lost(socket), 0, "frames in {namespace} that nobody read");
                current = None;
            }
        }
        if current.is_some() {
            continue;
        } else if is_over {
            return;
        }
        current = newest.zip(open(namespace, &filter).ok());
        match current {
            Some(_) => _ = run.ready.fetch_add(1, Ordering::Relaxed),
            None => std::thread::park_timeout(PAUSE),
        }
    }
}

/// Reads frames. True if no more are there.
fn read(mut socket: &Socket, mut take: impl FnMut(&[u8])) -> bool {
    let mut frame = [0; 2048];
    for _ in 0..READS {
        match socket.read(&mut frame) {
            Ok(length) => take(&frame[..length]),
            Err(_) => return true,
        }
    }
    false
}

fn open(namespace: &str, filter: &[SockFilter]) -> io::Result<Socket> {
    try_enter(namespace, || {
        // Without a protocol it receives nothing until it has its filter and is bound.
        let socket = Socket::new(Domain::PACKET, Type::RAW, None)?;
        ignore_outgoing(&socket)?;
        socket.attach_filter(filter)?;
        setsockopt(&socket, RcvBufForce, &RECEIVE_BUFFER)?;
        socket.set_read_timeout(Some(PATIENCE))?;
        bind_to_index(&socket, 0, (libc::ETH_P_ALL as u16).to_be())?;
        Ok(socket)
    })?
}

/// The number of frames that passed the filter and were lost for want of room.
fn lost(socket: &Socket) -> u32 {
    let mut counts = MaybeUninit::<libc::tpacket_stats>::zeroed();
    let mut length = size_of::<libc::tpacket_stats>() as libc::socklen_t;
    // SAFETY: the kernel writes at most `length` bytes, for which there is room.
    let result = unsafe {
        let (level, name) = (libc::SOL_PACKET, libc::PACKET_STATISTICS);
        let counts = counts.as_mut_ptr().cast();
        libc::getsockopt(socket.as_raw_fd(), level, name, counts, &raw mut length)
    };
    assert_eq!(result, 0, "{}", io::Error::last_os_error());
    // SAFETY: it consists of integers, all of which were 0 before.
    unsafe { counts.assume_init() }.tp_drops
}
