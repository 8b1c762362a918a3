//! A packet socket at the end of a cable: whole packets in and out, without a stack that answers.

use std::{
    fs,
    io::{self, Read as _},
    mem::MaybeUninit,
    os::fd::AsRawFd as _,
    time::Instant,
};

use netns_common::{abi::Mac, model::checksum};
use netns_user::net::Netlink;
use nix::{
    libc,
    net::if_::if_nametoindex,
    sys::socket::{setsockopt, sockopt::RcvBufForce},
};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use crate::{DEADLINE, Inside, SILENCE};

const ETHERNET: usize = 14;
const IPV4: [u8; 2] = [0x08, 0x00];
const IGMP: u8 = 2;

/// The receive buffer in bytes.
const RECEIVE_BUFFER: usize = 8 << 20;

/// The payload of the echoes of [`Wire::settle`].
const MARK: &[u8; 8] = b"settled?";

/// A packet socket on an interface.
#[derive(Debug)]
pub struct Wire {
    socket: Socket,
    /// The MAC addresses of the interface and of the neighbour that frames are sent to.
    own: Mac,
    neighbour: Mac,
    marks: u16,
}

impl Wire {
    /// Opens an interface of a namespace; frames go to `neighbour`.
    ///
    /// # Panics
    /// When the interface is missing.
    #[must_use]
    #[track_caller]
    pub fn open(place: &Inside, interface: &str, neighbour: Mac) -> Self {
        let socket = place
            .run(|| bound(interface))
            .unwrap_or_else(|error| panic!("packet socket on {interface}: {error}"));
        Self { socket, own: mac_of(place, interface), neighbour, marks: 0 }
    }

    /// Sends a packet; the bytes begin with its IPv4 header.
    ///
    /// # Panics
    /// When the kernel refuses it.
    #[track_caller]
    pub fn send(&self, packet: &[u8]) {
        let frame = self.frame(packet);
        self.socket.send(&frame).unwrap_or_else(|error| panic!("{} bytes: {error}", frame.len()));
    }

    /// Sends a frame; the bytes begin after its MAC addresses.
    ///
    /// # Panics
    /// When the kernel refuses it.
    #[track_caller]
    pub fn send_frame(&self, after_addresses: &[u8]) {
        let frame = [&self.neighbour[..], &self.own, after_addresses].concat();
        self.socket.send(&frame).unwrap_or_else(|error| panic!("{} bytes: {error}", frame.len()));
    }

    /// Sends a packet; returns false if the queue is full.
    pub fn try_send(&self, packet: &[u8]) -> bool {
        self.socket.send(&self.frame(packet)).is_ok()
    }

    fn frame(&self, packet: &[u8]) -> Vec<u8> {
        [&self.neighbour[..], &self.own, &IPV4, packet].concat()
    }

    /// Waits until all packets that were sent before have had their effect, and returns the IPv4
    /// packets that have arrived since the last call. For this it pings the router: `from` is the
    /// address of this end and `router` that of the router.
    ///
    /// # Panics
    /// When the router does not answer.
    #[track_caller]
    pub fn settle(&mut self, from: [u8; 4], router: [u8; 4]) -> Vec<Vec<u8>> {
        self.marks += 1;
        self.send(&echo_request(from, router, self.marks));
        let deadline = Instant::now() + DEADLINE;
        let mut arrived = Vec::new();
        loop {
            assert!(Instant::now() < deadline, "the router does not answer {from:?}");
            let Some(packet) = self.next() else { continue };
            if !packet.ends_with(MARK) {
                arrived.push(packet);
            } else if packet[20..22] == [0, 0] && packet[26..28] == self.marks.to_be_bytes() {
                return arrived;
            }
        }
    }

    /// The next IPv4 packet without padding; `None` for other frames and after a timeout. IGMP
    /// reports, which the kernel sends by itself, do not count.
    pub fn next(&self) -> Option<Vec<u8>> {
        let mut frame = vec![0; 1 << 16];
        // A timeout, or no frame yet.
        let length = (&self.socket).read(&mut frame).ok()?;
        frame.truncate(length);
        if frame.len() < ETHERNET + 20 || frame[12..14] != IPV4 || frame[23] == IGMP {
            return None;
        }
        let total = usize::from(u16::from_be_bytes([frame[16], frame[17]]));
        Some(frame[ETHERNET..frame.len().min(ETHERNET + total)].to_vec())
    }
}

/// A socket that sends whole frames and receives incoming frames only.
fn bound(interface: &str) -> io::Result<Socket> {
    let all = u16::try_from(libc::ETH_P_ALL).map_err(io::Error::other)?.to_be();
    let socket = Socket::new(Domain::PACKET, Type::RAW, Some(Protocol::from(i32::from(all))))?;
    ignore_outgoing(&socket)?;
    setsockopt(&socket, RcvBufForce, &RECEIVE_BUFFER)?;
    socket.set_read_timeout(Some(2 * SILENCE))?;
    bind_to_interface(&socket, interface, all)?;
    Ok(socket)
}

/// Makes a packet socket ignore frames that its own namespace sends.
///
/// # Errors
/// When the kernel refuses it.
pub fn ignore_outgoing(socket: &Socket) -> io::Result<()> {
    let on: libc::c_int = 1;
    // SAFETY: the option takes an int, and the value outlives the call.
    let set = unsafe {
        libc::setsockopt(
            socket.as_raw_fd(),
            libc::SOL_PACKET,
            libc::PACKET_IGNORE_OUTGOING,
            (&raw const on).cast(),
            size_of::<libc::c_int>() as libc::socklen_t,
        )
    };
    if set == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Binds a packet socket to an interface of the thread's namespace, for a protocol in network byte
/// order; with 0 it receives nothing.
///
/// # Errors
/// When the interface is missing.
pub fn bind_to_interface(socket: &Socket, interface: &str, protocol: u16) -> io::Result<()> {
    let index = i32::try_from(if_nametoindex(interface)?).map_err(io::Error::other)?;
    bind_to_index(socket, index, protocol)
}

/// Binds a packet socket to the interface with this index; 0 is every interface, including later
/// ones.
///
/// # Errors
/// When the interface is missing.
pub fn bind_to_index(socket: &Socket, index: i32, protocol: u16) -> io::Result<()> {
    // SAFETY: a sockaddr_ll consists of integers, so all zeroes are a valid value.
    let mut link: libc::sockaddr_ll = unsafe { MaybeUninit::zeroed().assume_init() };
    link.sll_family = libc::AF_PACKET as u16;
    link.sll_protocol = protocol;
    link.sll_ifindex = index;
    // SAFETY: `storage` has room for every kind of address, and the length is that of the written
    // address.
    let ((), address) = unsafe {
        SockAddr::try_init(|storage, length| {
            storage.cast::<libc::sockaddr_ll>().write(link);
            *length = size_of::<libc::sockaddr_ll>() as libc::socklen_t;
            Ok(())
        })?
    };
    socket.bind(&address)
}

/// The MAC address of an interface.
///
/// # Panics
/// When the interface is missing.
#[must_use]
#[track_caller]
pub fn mac_of(place: &Inside, interface: &str) -> Mac {
    let link = place.run(|| Netlink::open()?.link(interface));
    let link = link.unwrap_or_else(|error| panic!("{interface}: {error}"));
    link.mac.unwrap_or_else(|| panic!("{interface} has no Ethernet address")).0
}

/// Sets a kernel setting in the thread's namespace.
///
/// # Panics
/// When there is no such setting.
#[track_caller]
pub fn set(setting: &str, value: &str) {
    let path = format!("/proc/sys/net/{setting}");
    fs::write(&path, value).unwrap_or_else(|error| panic!("{path} = {value}: {error}"));
}

fn echo_request(from: [u8; 4], to: [u8; 4], number: u16) -> Vec<u8> {
    let mut icmp = vec![8, 0, 0, 0, 0xfe, 0xed];
    icmp.extend(number.to_be_bytes());
    icmp.extend(MARK);
    let sum = checksum(&icmp).to_be_bytes();
    icmp[2..4].copy_from_slice(&sum);
    let mut ip = vec![0x45, 0, 0, 36, 0, 0, 0, 0, 64, 1, 0, 0];
    ip.extend(from);
    ip.extend(to);
    let sum = checksum(&ip).to_be_bytes();
    ip[10..12].copy_from_slice(&sum);
    ip.extend(icmp);
    ip
}
