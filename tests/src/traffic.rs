//! Traffic that is checked to the last bit, made by threads inside the namespaces.

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

/// How often a waiting echo server looks whether it should end.
const GLANCE: Duration = Duration::from_millis(50);

/// A stream of bytes that both ends know: blocks cut out of one noise, each elsewhere, so that
/// no two neighbours are equal and lost, doubled, moved or changed bytes show.
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
        // Marsaglia's xorshift; a fixed seed, since a failure must come back.
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
        // A prime step walks through all places before it comes back to the first.
        let start = number.wrapping_mul(4_099) % BLOCK;
        &self.noise[start..start + BLOCK]
    }
}

/// Sends blocks while `more` of the number sent so far holds, then closes its direction.
/// Returns the bytes sent.
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

/// Receives until the other end closes, and compares every byte. Returns the bytes received.
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

/// Sends so many blocks of 1 MiB by one connection, from a place to an address that is called, where
/// in another place somebody listens; all of it arrives bit for bit. Returns the caller as he is
/// seen there.
///
/// # Panics
/// When nobody answers, or anything else arrives.
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

/// Connects from a given port; the socket gives up at the deadline.
///
/// # Errors
/// When nobody answers.
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

/// Accepts one connection, waiting no longer than the deadline.
///
/// # Errors
/// When nobody comes.
pub fn accept(listener: &TcpListener) -> io::Result<(TcpStream, SocketAddr)> {
    let socket = Socket::from(listener.try_clone()?);
    // On Linux this is the limit of accept too.
    socket.set_read_timeout(Some(DEADLINE))?;
    let (stream, peer) = listener.accept()?;
    stream.set_read_timeout(Some(DEADLINE))?;
    stream.set_write_timeout(Some(DEADLINE))?;
    Ok((stream, peer))
}

/// Sends a word to the server's end of a connection, and the same one back.
///
/// # Panics
/// When one of them is closed, or gets anything else.
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

/// A UDP server in a namespace that sends everything back, until it is dropped.
#[derive(Debug)]
pub struct UdpEcho {
    peers: Receiver<SocketAddr>,
    ended: Arc<AtomicBool>,
    server: Option<JoinHandle<()>>,
}

impl UdpEcho {
    /// Listens when this returns.
    ///
    /// # Panics
    /// When the address is taken.
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
                // Without a datagram there is nothing to do but look up.
                let Ok((length, peer)) = socket.recv_from(&mut datagram) else { continue };
                let answered = socket.send_to(&datagram[..length], peer);
                if answered.is_err() || sender.send(peer).is_err() {
                    return;
                }
            }
        });
        Self { peers, ended, server: Some(server) }
    }

    /// Waits for a datagram and returns whom it came from.
    ///
    /// # Panics
    /// When none comes.
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
            // A panic of the server has been printed by itself.
            let _ = server.join();
        }
    }
}
