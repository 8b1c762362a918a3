//! Streams and datagrams between namespaces, compared byte by byte.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream, UdpSocket},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
        mpsc::{Receiver, channel},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use socket2::{Domain, Socket, Type};

use crate::{Inside, enter, wait::DEADLINE};

/// One block of a stream.
const BLOCK: usize = 1 << 20;

/// How often a waiting echo server checks whether it must end.
const GLANCE: Duration = Duration::from_millis(50);

/// A stream of bytes that both ends can compute. Its blocks are taken from different places of one
/// random sequence, so that lost, repeated, moved and changed bytes are detected.
#[derive(Debug)]
pub struct Stream {
    noise: Vec<u8>,
}

impl Default for Stream {
    fn default() -> Self {
        Self::new()
    }
}

impl Stream {
    #[must_use]
    pub fn new() -> Self {
        // Marsaglia's xorshift with a fixed seed, so that failures are reproducible.
        let mut state = 0x9e37_79b9_7f4a_7c15_u64;
        let mut noise = Vec::with_capacity(2 * BLOCK);
        while noise.len() < 2 * BLOCK {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            noise.extend_from_slice(&state.to_le_bytes());
        }
        Self { noise }
    }

    fn block(&self, number: usize) -> &[u8] {
        // A step that is prime visits all offsets before it returns to the first.
        let start = number.wrapping_mul(4_099) % BLOCK;
        &self.noise[start..start + BLOCK]
    }
}

/// Sends blocks while `more(blocks sent)` is true, then closes its direction. Returns the number of
/// bytes sent.
///
/// # Errors
/// When the connection breaks.
pub fn send_stream(
    stream: &mut TcpStream,
    content: &Stream,
    mut more: impl FnMut(usize) -> bool,
) -> io::Result<u64> {
    let mut blocks = 0;
    while more(blocks) {
        stream.write_all(content.block(blocks))?;
        blocks += 1;
    }
    stream.shutdown(std::net::Shutdown::Write)?;
    Ok(length(blocks))
}

/// Receives until the other end closes, and compares every byte. Returns the number of bytes
/// received.
///
/// # Errors
/// When the connection breaks.
///
/// # Panics
/// At the first block that differs.
pub fn receive_stream(stream: &mut TcpStream, content: &Stream) -> io::Result<u64> {
    let mut received = vec![0; BLOCK];
    let mut blocks = 0;
    loop {
        let filled = fill(stream, &mut received)?;
        assert!(
            received[..filled] == content.block(blocks)[..filled],
            "block {blocks} of {BLOCK} bytes differs from what was sent"
        );
        if filled < BLOCK {
            return Ok(length(blocks) + filled as u64);
        }
        blocks += 1;
    }
}

/// Reads until the buffer is full or the stream ends.
fn fill(stream: &mut TcpStream, buffer: &mut [u8]) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buffer.len() {
        match stream.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

fn length(blocks: usize) -> u64 {
    (blocks * BLOCK) as u64
}

/// Sends `blocks` blocks of 1 MiB over one connection from a namespace to an address, which leads
/// to a listener in another namespace. Returns the client's address as the listener sees it.
///
/// # Panics
/// When the connection fails, or a byte differs.
#[track_caller]
pub fn stream_whole(
    (from, called): (&Inside, &str),
    (to, listens): (&Inside, &str),
    blocks: usize,
) -> SocketAddr {
    let listener = to.run(|| TcpListener::bind(listens)).expect("a listener");
    let content = Stream::new();
    let (sent, received, caller) = thread::scope(|scope| {
        let receiver = scope.spawn(|| {
            let (mut stream, caller) = accept(&listener).expect("a connection");
            (receive_stream(&mut stream, &content).expect("a stream"), caller)
        });
        let mut stream = from.run(|| connect_from(0, called)).expect("a connection");
        let sent = send_stream(&mut stream, &content, |sent| sent < blocks).expect("a stream");
        let (received, caller) = receiver.join().expect("equal bytes");
        (sent, received, caller)
    });
    assert_eq!((sent, received), (length(blocks), length(blocks)));
    caller
}

/// Connects from a given port; operations of the socket time out at the deadline.
///
/// # Errors
/// When the connection fails.
pub fn connect_from(port: u16, to: &str) -> io::Result<TcpStream> {
    let to: SocketAddr = to.parse().map_err(io::Error::other)?;
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
    socket.set_reuse_address(true)?;
    socket.bind(&SocketAddr::from(([0, 0, 0, 0], port)).into())?;
    socket.connect_timeout(&to.into(), DEADLINE)?;
    let stream = TcpStream::from(socket);
    stream.set_read_timeout(Some(DEADLINE))?;
    stream.set_write_timeout(Some(DEADLINE))?;
    Ok(stream)
}

/// Accepts one connection, waiting until the deadline at most.
///
/// # Errors
/// When no client connects.
pub fn accept(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
    let socket = Socket::from(listener.try_clone()?);
    // On Linux the read timeout also applies to accept.
    socket.set_read_timeout(Some(DEADLINE))?;
    let (stream, peer) = listener.accept()?;
    stream.set_read_timeout(Some(DEADLINE))?;
    stream.set_write_timeout(Some(DEADLINE))?;
    Ok((stream, peer))
}

/// Sends a word to the server's end of a connection and back.
///
/// # Panics
/// When an end is closed, or receives something else.
#[track_caller]
pub fn exchange(client: &mut TcpStream, server: &mut TcpStream, word: &[u8]) {
    let goes = |from: &mut TcpStream, to: &mut TcpStream| {
        let mut received = vec![0; word.len()];
        from.write_all(word).expect("an open connection");
        to.read_exact(&mut received).expect("the word");
        assert_eq!(received, word);
    };
    goes(client, server);
    goes(server, client);
}

/// A UDP echo server in a namespace; it runs until it is dropped.
#[derive(Debug)]
pub struct UdpEcho {
    peers: Receiver<SocketAddr>,
    ended: Arc<AtomicBool>,
    server: Option<JoinHandle<()>>,
}

impl UdpEcho {
    /// Starts the server. It listens when this returns.
    ///
    /// # Panics
    /// When the address is in use.
    #[must_use]
    #[track_caller]
    pub fn start(namespace: &str, address: &str) -> Self {
        let socket = enter(Some(namespace), || UdpSocket::bind(address))
            .unwrap_or_else(|error| panic!("[{namespace}] udp {address}: {error}"));
        socket.set_read_timeout(Some(GLANCE)).expect("a timeout");
        let ended = Arc::new(AtomicBool::new(false));
        let (sender, peers) = channel();
        let is_over = Arc::clone(&ended);
        let server = std::thread::spawn(move || {
            let mut datagram = [0; 2048];
            while !is_over.load(Ordering::Relaxed) {
                // After a timeout, check again whether to end.
                let Ok((length, peer)) = socket.recv_from(&mut datagram) else { continue };
                let answered = socket.send_to(&datagram[..length], peer);
                if answered.is_err() || sender.send(peer).is_err() {
                    return;
                }
            }
        });
        Self { peers, ended, server: Some(server) }
    }

    /// Waits for a datagram and returns its source.
    ///
    /// # Panics
    /// When none arrives.
    #[track_caller]
    #[must_use]
    pub fn next_peer(&self) -> SocketAddr {
        self.peers.recv_timeout(DEADLINE).expect("a datagram")
    }
}

impl Drop for UdpEcho {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        if let Some(server) = self.server.take() {
            // A panic of the thread has already printed its message.
            let _ = server.join();
        }
    }
}
