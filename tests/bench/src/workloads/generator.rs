//! Sends whole frames from a packet socket, so that the cost is that of the network path and not
//! that of a UDP socket.

use std::{
    net::Ipv4Addr,
    ops::Range,
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use netns_common::model::checksum;
use netns_tests::{bind_to_interface, enter, inside, mac_of};
use socket2::{Domain, Socket, Type};

use super::ring::{self, Ring};
use crate::network::{Network, SINK_MAC};

/// Frames per system call.
const BATCH: usize = 64;

const _: () = assert!(BATCH <= ring::SLOTS);

const VNET: usize = 10;
const ETHERNET: usize = 14;
const IPV4: usize = 20;
const UDP: usize = 8;
const PAYLOAD: usize = 18;
const LENGTH: usize = VNET + ETHERNET + IPV4 + UDP + PAYLOAD;

/// Offsets of the IPv4 and UDP headers; a `struct virtio_net_hdr` comes first.
const AT_IPV4: usize = VNET + ETHERNET;
const AT_UDP: usize = AT_IPV4 + IPV4;

/// The first address of [`crate::network::SINK`] that flows go to, and how many there are.
const FIRST: u32 = u32::from_be_bytes([10, 128, 0, 1]);
pub(super) const ADDRESSES: u32 = (1 << 23) - 2;

/// A sender of UDP packets of 18 bytes to the sink: a flow is a destination.
pub(super) struct Generator {
    ring: Ring,
    frames: [[u8; LENGTH]; BATCH],
    /// Checksums of the words that are the same in all frames: of the IPv4 header and of the
    /// pseudo-header.
    ipv4: u32,
    pseudo: u32,
}

impl Generator {
    /// A generator at the client's interface.
    pub(super) fn new(network: &Network) -> Result<Self> {
        let own = mac_of(&inside(&network.client), "eth0");
        let next = match network.router_namespace() {
            Some(router) => mac_of(&inside(router), "v-net-0"),
            None => SINK_MAC,
        };
        let socket = enter(Some(&network.client), || {
            // Protocol 0: the socket receives nothing.
            let socket = Socket::new(Domain::PACKET, Type::RAW, None)?;
            bind_to_interface(&socket, "eth0", 0)?;
            std::io::Result::Ok(socket)
        })
        .context("cannot open a packet socket")?;
        let frame = frame(next, own, network.client_address)?;
        let mut pseudo = frame[AT_IPV4 + 12..AT_IPV4 + 20].to_vec();
        pseudo.extend([0, 17]);
        pseudo.extend(&frame[AT_UDP + 4..AT_UDP + 6]);
        Ok(Self {
            ring: Ring::new(socket)?,
            // The checksum is the complement of the sum.
            ipv4: u32::from(!checksum(&frame[AT_IPV4..AT_UDP])),
            pseudo: u32::from(!checksum(&pseudo)),
            frames: [frame; BATCH],
        })
    }

    /// Sends a packet of each of the next flows with one system call and returns how many it sent:
    /// [`BATCH`], or fewer at the end of the flows.
    pub(super) fn send(&mut self, flows: &mut impl Iterator<Item = u32>) -> Result<u64> {
        let mut count = 0;
        for (frame, flow) in self.frames.iter_mut().zip(flows) {
            let address = (FIRST + flow % ADDRESSES).to_be_bytes();
            // When all addresses are used, further flows have another port.
            let port = (9 + flow / ADDRESSES) & 0xffff;
            let words = u32::from(u16::from_be_bytes([address[0], address[1]]))
                + u32::from(u16::from_be_bytes([address[2], address[3]]));
            frame[AT_IPV4 + 16..AT_UDP].copy_from_slice(&address);
            frame[AT_UDP + 2..AT_UDP + 4].copy_from_slice(&port.to_be_bytes()[2..]);
            let ipv4 = !folded(self.ipv4 + words);
            frame[AT_IPV4 + 10..AT_IPV4 + 12].copy_from_slice(&ipv4.to_be_bytes());
            let pseudo = folded(self.pseudo + words);
            frame[AT_UDP + 6..AT_UDP + 8].copy_from_slice(&pseudo.to_be_bytes());
            count += 1;
        }
        self.ring.send(&self.frames[..count])?;
        Ok(count as u64)
    }
}

impl std::fmt::Debug for Generator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Generator").finish_non_exhaustive()
    }
}

/// A frame without destination address and checksums.
fn frame(next: [u8; 6], own: [u8; 6], source: Ipv4Addr) -> Result<[u8; LENGTH]> {
    // struct virtio_net_hdr, as packets of a socket have it: VIRTIO_NET_HDR_F_NEEDS_CSUM, the
    // checksum starts behind the IPv4 header and lies at byte 6 from there. No segmentation.
    let mut bytes = vec![1, 0];
    for number in [LENGTH - VNET, 0, ETHERNET + IPV4, 6] {
        bytes.extend(u16::try_from(number)?.to_ne_bytes());
    }
    bytes.extend(next);
    bytes.extend(own);
    bytes.extend([0x08, 0x00, 0x45, 0]);
    bytes.extend(u16::try_from(IPV4 + UDP + PAYLOAD)?.to_be_bytes());
    bytes.extend([0, 0, 0x40, 0, 64, 17, 0, 0]);
    bytes.extend(source.octets());
    bytes.extend([0; 4]);
    bytes.extend(9000_u16.to_be_bytes());
    bytes.extend([0, 0]);
    bytes.extend(u16::try_from(UDP + PAYLOAD)?.to_be_bytes());
    bytes.resize(LENGTH, 0);
    let length = bytes.len();
    bytes.try_into().map_err(|_| anyhow::anyhow!("a frame of {length} bytes"))
}

/// A sum of 16-bit words as one word.
fn folded(sum: u32) -> u16 {
    let sum = (sum & 0xffff) + (sum >> 16);
    u16::try_from((sum & 0xffff) + (sum >> 16)).unwrap_or(u16::MAX)
}

/// How many packets were sent and have arrived, and in how many seconds.
#[derive(Clone, Copy, Debug)]
pub(super) struct Counted {
    pub(super) sent: u64,
    pub(super) arrived: u64,
    pub(super) seconds: f64,
}

impl Counted {
    /// Checks that nearly all packets have arrived.
    ///
    /// # Errors
    /// When more than a hundredth is lost: a lost packet is cheap and would improve the figure.
    pub(super) fn ensure_complete(self) -> Result<Self> {
        let Self { sent, arrived, .. } = self;
        ensure!(arrived > 0, "none of {sent} packets arrived");
        ensure!(arrived * 100 >= sent * 99, "{arrived} of {sent} packets arrived");
        Ok(self)
    }
}

/// Counts at the server's interface the packets that `action` sends. The sender's CPU does the
/// whole path of a packet: the kernel handles it before the sender continues.
pub(super) fn count_arrivals(
    network: &Network,
    action: impl FnOnce() -> Result<u64>,
) -> Result<Counted> {
    let before = arrived(network)?;
    let begin = Instant::now();
    let sent = action()?;
    let seconds = begin.elapsed().as_secs_f64();
    let arrived = arrived_at_rest(network)? - before;
    ensure!(arrived <= sent + FEW, "{arrived} packets arrived of {sent} that were sent");
    Ok(Counted { sent, arrived: arrived.min(sent), seconds })
}

/// ARP packets and the like that may arrive in addition.
const FEW: u64 = 20;

/// Sends a packet of each flow.
pub(super) fn send_all(
    network: &Network,
    generator: &mut Generator,
    flows: Range<u32>,
) -> Result<Counted> {
    let mut flows = flows;
    count_arrivals(network, || {
        let mut sent = 0;
        while !flows.is_empty() {
            sent += generator.send(&mut flows)?;
        }
        Ok(sent)
    })
}

/// Waits until no more packets arrive at the server's interface, and returns its count.
pub(super) fn arrived_at_rest(network: &Network) -> Result<u64> {
    let mut last = arrived(network)?;
    loop {
        thread::sleep(Duration::from_millis(2));
        let now = arrived(network)?;
        if now == last {
            return Ok(now);
        }
        last = now;
    }
}

/// The number of packets that the server's interface has received.
pub(super) fn arrived(network: &Network) -> Result<u64> {
    // /proc/net shows the namespace of the process's main thread, which may be another one.
    let text =
        enter(Some(&network.server), || std::fs::read_to_string("/proc/thread-self/net/dev"))?;
    let line = text.lines().find_map(|line| line.trim_start().strip_prefix("eth0:"));
    let packets = line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok());
    packets.context("the server has no eth0")
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use netns_common::model::checksum;

    use super::{AT_IPV4, AT_UDP, LENGTH, folded, frame};

    #[test]
    fn a_sum_is_folded_until_nothing_carries() {
        assert_eq!(folded(0x0001_0000), 1);
        assert_eq!(folded(0xffff_ffff), 0xffff);
        assert_eq!(folded(0x0001_ffff), 1);
    }

    #[test]
    fn a_frame_holds_a_complete_datagram() {
        let frame = frame([1; 6], [2; 6], Ipv4Addr::LOCALHOST).unwrap();
        assert_eq!(frame[AT_IPV4 + 3], 46);
        assert_eq!(usize::from(frame[AT_UDP + 5]), LENGTH - AT_UDP);
        assert_ne!(checksum(&frame[AT_IPV4..AT_UDP]), 0, "the checksum is still to be made");
    }
}
