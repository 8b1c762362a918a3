//! A packet capture that counts incoming packets by their IPv4 source address.

use std::{
    collections::BTreeMap,
    io::{self, PipeWriter},
    net::Ipv4Addr,
    os::fd::{AsFd, AsRawFd, OwnedFd},
    sync::mpsc,
    thread::{self, JoinHandle},
};

use nix::{
    errno::Errno,
    net::if_::if_nametoindex,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    sys::socket::{
        AddressFamily, LinkAddr, SockFlag, SockProtocol, SockType, recvfrom, setsockopt, socket,
        sockopt::RcvBuf,
    },
};

use crate::net::{NetError, netns};

/// Large enough for bursts, so that no packet is missed. The kernel limits it.
const RECEIVE_BUFFER: usize = 4 << 20;
const IP_HEADER: usize = 20;

/// The number of packets from each source address.
pub type Sources = BTreeMap<Ipv4Addr, u64>;

/// A capture on one interface of a namespace.
#[derive(Debug)]
pub struct Sniffer {
    namespace: String,
    stop: PipeWriter,
    thread: JoinHandle<Result<Sources, SnifferError>>,
}

/// An error of a packet capture.
#[derive(Debug, thiserror::Error)]
pub enum SnifferError {
    #[error("cannot capture packets in {namespace}: {source}")]
    Namespace { namespace: String, source: NetError },
    #[error("cannot capture packets at {interface} in {namespace}: {errno}")]
    Interface { namespace: String, interface: String, errno: Errno },
    #[error("cannot capture packets in {namespace}: {source}")]
    Pipe { namespace: String, source: io::Error },
    #[error("the packet capture in {namespace} ended unexpectedly")]
    Gone { namespace: String },
}

impl Sniffer {
    /// Starts the capture. It counts every packet that arrives after this has returned.
    pub fn start(namespace: &str, interface: &str) -> Result<Self, SnifferError> {
        let (stopped, stop) = io::pipe()
            .map_err(|source| SnifferError::Pipe { namespace: namespace.to_owned(), source })?;
        let (ready, readiness) = mpsc::channel();
        let (name, interface) = (namespace.to_owned(), interface.to_owned());
        let thread = thread::spawn(move || {
            let listen = || -> nix::Result<Sources> {
                let (wire, index) = open(&interface)?;
                // Fails only if the starting thread has ended, which also closes the pipe.
                let _ = ready.send(());
                record(&wire, index, &stopped)
            };
            netns::run_in(&name, listen)
                .map_err(|source| SnifferError::Namespace { namespace: name.clone(), source })?
                .map_err(|errno| SnifferError::Interface { namespace: name, interface, errno })
        });
        let sniffer = Self { namespace: namespace.to_owned(), stop, thread };
        match readiness.recv() {
            Ok(()) => Ok(sniffer),
            Err(mpsc::RecvError) => Err(match sniffer.finish() {
                Err(error) => error,
                Ok(_) => SnifferError::Gone { namespace: namespace.to_owned() },
            }),
        }
    }

    /// Stops the capture and returns the counts.
    pub fn finish(self) -> Result<Sources, SnifferError> {
        drop(self.stop);
        let namespace = self.namespace;
        self.thread.join().unwrap_or(Err(SnifferError::Gone { namespace }))
    }
}

/// A socket that receives packets without their Ethernet headers, and the index of the interface.
fn open(interface: &str) -> nix::Result<(OwnedFd, usize)> {
    let index = if_nametoindex(interface)?;
    let wire = socket(
        AddressFamily::Packet,
        SockType::Datagram,
        SockFlag::SOCK_CLOEXEC | SockFlag::SOCK_NONBLOCK,
        SockProtocol::EthAll,
    )?;
    setsockopt(&wire, RcvBuf, &RECEIVE_BUFFER)?;
    Ok((wire, usize::try_from(index).map_err(|_| Errno::EOVERFLOW)?))
}

/// Counts packets until `stopped` is closed, and then those that are still queued.
fn record(wire: &OwnedFd, index: usize, stopped: &impl AsFd) -> nix::Result<Sources> {
    let mut sources = Sources::new();
    loop {
        let mut events = [
            PollFd::new(wire.as_fd(), PollFlags::POLLIN),
            PollFd::new(stopped.as_fd(), PollFlags::empty()),
        ];
        match poll(&mut events, PollTimeout::NONE) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno),
        }
        let ending = events[1].any() == Some(true);
        drain(wire, index, &mut sources)?;
        if ending {
            return Ok(sources);
        }
    }
}

fn drain(wire: &OwnedFd, index: usize, sources: &mut Sources) -> nix::Result<()> {
    let mut header = [0; IP_HEADER];
    loop {
        match recvfrom::<LinkAddr>(wire.as_raw_fd(), &mut header) {
            Ok((length, Some(link))) if link.ifindex() == index && is_incoming(&link) => {
                if let Some(source) = source_of(&header[..length.min(IP_HEADER)], link.protocol()) {
                    *sources.entry(source).or_default() += 1;
                }
            }
            Ok(_) | Err(Errno::EINTR) => {}
            Err(Errno::EAGAIN) => return Ok(()),
            Err(errno) => return Err(errno),
        }
    }
}

/// A packet socket for every protocol also receives outgoing packets.
fn is_incoming(link: &LinkAddr) -> bool {
    link.pkttype() != libc::PACKET_OUTGOING
}

/// The source address of an IPv4 packet. `ethertype` is in network byte order.
fn source_of(packet: &[u8], ethertype: u16) -> Option<Ipv4Addr> {
    if i32::from(u16::from_be(ethertype)) != libc::ETH_P_IP {
        return None;
    }
    let octets: [u8; 4] = packet.get(12..16)?.try_into().ok()?;
    Some(octets.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_ipv4_packet_has_a_source_address() {
        let mut packet = [0; IP_HEADER];
        packet[12..16].copy_from_slice(&[192, 168, 1, 10]);
        let ipv4 = 0x0800_u16.to_be();
        assert_eq!(source_of(&packet, ipv4), Some(Ipv4Addr::new(192, 168, 1, 10)));
        assert_eq!(source_of(&packet, 0x0806_u16.to_be()), None);
        assert_eq!(source_of(&packet[..12], ipv4), None);
    }
}
