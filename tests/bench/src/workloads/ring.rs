//! A packet socket that sends from a ring of frames in memory shared with the kernel
//! (`PACKET_TX_RING`): one system call sends all frames that are ready.

use std::{
    num::NonZeroUsize,
    os::fd::AsRawFd as _,
    ptr::{self, NonNull},
    sync::atomic::{AtomicU32, Ordering},
    thread,
    time::Instant,
};

use anyhow::{Context as _, Result, ensure};
use nix::{
    errno::Errno,
    libc, setsockopt_impl, sockopt_impl,
    sys::{
        mman::{MapFlags, ProtFlags, mmap, munmap},
        socket::{MsgFlags, send, setsockopt},
    },
};
use socket2::Socket;

use super::ends::PATIENCE;

sockopt_impl!(
    /// Bypasses the queueing discipline; a veth link has none anyway.
    QdiscBypass,
    SetOnly,
    libc::SOL_PACKET,
    libc::PACKET_QDISC_BYPASS,
    bool
);
sockopt_impl!(
    /// A header before each frame that describes the checksum which the link completes.
    VnetHeader,
    SetOnly,
    libc::SOL_PACKET,
    libc::PACKET_VNET_HDR,
    bool
);
sockopt_impl!(
    /// The topology of the shared memory.
    Version,
    SetOnly,
    libc::SOL_PACKET,
    libc::PACKET_VERSION,
    i32
);
sockopt_impl!(
    /// The shared memory.
    TxRing,
    SetOnly,
    libc::SOL_PACKET,
    libc::PACKET_TX_RING,
    libc::tpacket_req
);

/// The number of frames in the ring, and the bytes of a slot: its header and a small frame.
pub(super) const SLOTS: usize = 256;
const SLOT: usize = 256;
const BYTES: NonZeroUsize = NonZeroUsize::new(SLOTS * SLOT).expect("some bytes");
/// The offset of the frame in a slot (linux/if_packet.h, `TPACKET2_HDRLEN` without the address).
const FRAME: usize = 32;
/// The longest frame, including the `struct virtio_net_hdr`.
const MOST: usize = SLOT - FRAME;

const _: () = assert!(size_of::<libc::tpacket2_hdr>() == FRAME);

/// The ring of a packet socket that sends.
pub(super) struct Ring {
    socket: Socket,
    memory: NonNull<libc::c_void>,
    /// The next slot to fill.
    next: usize,
}

// SAFETY: only this structure accesses the mapping in this process.
unsafe impl Send for Ring {}

impl Ring {
    /// The ring of a bound packet socket. Frames begin with a `struct virtio_net_hdr`.
    pub(super) fn new(socket: Socket) -> Result<Self> {
        setsockopt(&socket, QdiscBypass, &true)?;
        setsockopt(&socket, VnetHeader, &true)?;
        setsockopt(&socket, Version, &(libc::tpacket_versions::TPACKET_V2 as i32))?;
        let whole = u32::try_from(BYTES.get())?;
        let request = libc::tpacket_req {
            tp_block_size: whole,
            tp_block_nr: 1,
            tp_frame_size: u32::try_from(SLOT)?,
            tp_frame_nr: u32::try_from(SLOTS)?,
        };
        setsockopt(&socket, TxRing, &request).context("cannot create the ring for sending")?;
        let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
        // SAFETY: this creates a new mapping of the whole ring.
        let memory = unsafe { mmap(None, BYTES, access, MapFlags::MAP_SHARED, &socket, 0) }
            .context("cannot map the ring")?;
        Ok(Self { socket, memory, next: 0 })
    }

    /// Puts at most [`SLOTS`] frames into the ring and sends them. A frame that finds no room at a
    /// link is lost, as in any network.
    pub(super) fn send<const N: usize>(&mut self, frames: &[[u8; N]]) -> Result<()> {
        const { assert!(N <= MOST, "a frame fits into its slot") };
        let length = u32::try_from(N)?;
        for frame in frames {
            let slot = self.slot(self.next);
            self.wait_for(slot)?;
            // SAFETY: the slot lies in the mapping, its status says that the kernel does not use
            // it, and the frame fits.
            unsafe {
                (*slot).tp_len = length;
                ptr::copy_nonoverlapping(frame.as_ptr(), slot.cast::<u8>().add(FRAME), N);
            }
            status(slot).store(libc::TP_STATUS_SEND_REQUEST, Ordering::Release);
            self.next = (self.next + 1) % SLOTS;
        }
        self.hand_over()
    }

    /// Waits until the kernel has released a slot.
    fn wait_for(&self, slot: *mut libc::tpacket2_hdr) -> Result<()> {
        if self.is_free(slot) {
            return Ok(());
        }
        let begin = Instant::now();
        while !self.is_free(slot) {
            self.hand_over()?;
            thread::yield_now();
            ensure!(begin.elapsed() < PATIENCE, "the kernel keeps the frames that were sent");
        }
        Ok(())
    }

    fn is_free(&self, slot: *mut libc::tpacket2_hdr) -> bool {
        status(slot).load(Ordering::Acquire) == libc::TP_STATUS_AVAILABLE
    }

    fn hand_over(&self) -> Result<()> {
        loop {
            match send(self.socket.as_raw_fd(), &[], MsgFlags::MSG_DONTWAIT) {
                Ok(_) => return Ok(()),
                // A frame found no room, or a signal arrived: send the rest.
                Err(Errno::ENOBUFS | Errno::EINTR) => {}
                Err(Errno::EAGAIN) => return Ok(()),
                Err(error) => return Err(error).context("cannot send"),
            }
        }
    }

    fn slot(&self, index: usize) -> *mut libc::tpacket2_hdr {
        // SAFETY: the pointer stays in the mapping and is aligned like a slot.
        unsafe { self.memory.as_ptr().byte_add(index % SLOTS * SLOT).cast() }
    }
}

impl Drop for Ring {
    fn drop(&mut self) {
        // SAFETY: this structure owns the mapping, and no pointer into it is left.
        let unmapped = unsafe { munmap(self.memory, BYTES.get()) };
        debug_assert!(unmapped.is_ok(), "{unmapped:?}");
    }
}

/// The status word of a slot: whether the kernel or this process owns it. The kernel writes it too.
fn status<'a>(slot: *mut libc::tpacket2_hdr) -> &'a AtomicU32 {
    // SAFETY: the word lies in the mapping, is aligned, and is accessed only through this atomic.
    unsafe { AtomicU32::from_ptr(&raw mut (*slot).tp_status) }
}
