//! TCP: streams, transactions over one connection, and a connection for each transaction.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use netns_tests::enter;
use socket2::SockRef;

use super::ends::{Done, PATIENCE, join};
use crate::{
    cpu::{CLIENT, SERVER, pin},
    network::Network,
    statistics::as_f64,
};

/// The most connections in a sample. The client has more local ports than that; a used port stays
/// in TIME_WAIT for a while.
const CONNECTIONS: u64 = 20_000;
/// Bytes per system call.
const BUFFER: usize = 128 << 10;
/// A request that tells the server to end.
const END: u8 = 0;
const REQUEST: u8 = 1;

/// The bits that arrive in one or several streams.
pub(super) fn stream(network: &Network, parallel: usize, window: Duration) -> Result<Done> {
    let listener = listen(network)?;
    let mut pairs = Vec::new();
    for _ in 0..parallel {
        let client = connect(network)?;
        pairs.push((client, accept(&listener)?));
    }
    let begin = Instant::now();
    let bytes = thread::scope(|scope| {
        let mut threads = Vec::new();
        for (index, (client, server)) in pairs.into_iter().enumerate() {
            // Every second stream swaps the CPUs, so that each CPU has a sender and a receiver.
            let turned = index % 2 == 1;
            let (at_client, at_server) = if turned { (SERVER, CLIENT) } else { (CLIENT, SERVER) };
            let receiver = scope.spawn(move || {
                pin(at_server)?;
                receive(server)
            });
            let sender = scope.spawn(move || {
                pin(at_client)?;
                send(client, begin, window)
            });
            threads.push((sender, receiver));
        }
        let mut bytes = 0;
        for (sender, receiver) in threads {
            join(sender)?;
            bytes += join(receiver)?;
        }
        anyhow::Ok(bytes)
    })?;
    Ok(Done { units: as_f64(bytes) * 8.0, seconds: begin.elapsed().as_secs_f64() })
}

fn send(mut client: TcpStream, begin: Instant, window: Duration) -> Result<()> {
    let buffer = vec![0; BUFFER];
    // At least once, even if the thread began late.
    loop {
        client.write_all(&buffer).context("cannot send")?;
        if begin.elapsed() >= window {
            return Ok(());
        }
    }
}

/// The bytes that arrive until the other end closes.
fn receive(mut connection: TcpStream) -> Result<u64> {
    let mut buffer = vec![0; BUFFER];
    let mut bytes = 0;
    loop {
        match connection.read(&mut buffer).context("nothing more arrives")? {
            0 => return Ok(bytes),
            read => bytes += read as u64,
        }
    }
}

/// Transactions over one connection.
pub(super) fn request_response(network: &Network, window: Duration) -> Result<Done> {
    let listener = listen(network)?;
    let mut client = connect(network)?;
    thread::scope(|scope| {
        let server = scope.spawn(|| {
            pin(SERVER)?;
            let mut connection = accept(&listener)?;
            let mut request = [0];
            while connection.read(&mut request)? > 0 {
                connection.write_all(&request)?;
            }
            Ok(())
        });
        let done = join(scope.spawn(move || {
            pin(CLIENT)?;
            let begin = Instant::now();
            let mut count: u64 = 0;
            while begin.elapsed() < window {
                transact(&mut client)?;
                count += 1;
            }
            Ok(Done { units: as_f64(count), seconds: begin.elapsed().as_secs_f64() })
        }));
        join(server)?;
        done
    })
}

/// Connections in a row, each with one transaction.
pub(super) fn connect_request_response(network: &Network, window: Duration) -> Result<Done> {
    let listener = listen(network)?;
    thread::scope(|scope| {
        let server = scope.spawn(|| {
            pin(SERVER)?;
            loop {
                let mut connection = accept(&listener)?;
                let mut request = [0];
                connection.read_exact(&mut request)?;
                connection.write_all(&request)?;
                if request == [END] {
                    return Ok(());
                }
            }
        });
        let done = join(scope.spawn(|| {
            pin(CLIENT)?;
            enter(Some(&network.client), || {
                let begin = Instant::now();
                let mut count: u64 = 0;
                while begin.elapsed() < window && count < CONNECTIONS {
                    transact(&mut connect_here(network)?)?;
                    count += 1;
                }
                let seconds = begin.elapsed().as_secs_f64();
                connect_here(network)?.write_all(&[END])?;
                Ok(Done { units: as_f64(count), seconds })
            })
        }));
        // If the client fails, the server fails too; the client's error is the cause.
        let ended = join(server);
        let done = done?;
        ended?;
        Ok(done)
    })
}

fn transact(client: &mut TcpStream) -> Result<()> {
    client.write_all(&[REQUEST])?;
    client.read_exact(&mut [0])?;
    Ok(())
}

fn listen(network: &Network) -> Result<TcpListener> {
    let listener = enter(Some(&network.server), || TcpListener::bind(("0.0.0.0", network.port)))?;
    SockRef::from(&listener).set_read_timeout(Some(PATIENCE))?;
    Ok(listener)
}

fn accept(listener: &TcpListener) -> Result<TcpStream> {
    let (connection, _) = listener.accept().context("nobody connects")?;
    connection.set_nodelay(true)?;
    connection.set_read_timeout(Some(PATIENCE))?;
    Ok(connection)
}

fn connect(network: &Network) -> Result<TcpStream> {
    enter(Some(&network.client), || connect_here(network))
}

fn connect_here(network: &Network) -> Result<TcpStream> {
    let server = SocketAddr::from((network.server_address, network.port));
    let client = TcpStream::connect_timeout(&server, PATIENCE).context("cannot connect")?;
    client.set_nodelay(true)?;
    client.set_read_timeout(Some(PATIENCE))?;
    client.set_write_timeout(Some(PATIENCE))?;
    Ok(client)
}
