//! TCP: a stream, transactions over one connection, and a connection for each.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result};
use netns_tests::enter;
use socket2::SockRef;

use super::{CLIENT, Done, PATIENCE, SERVER, joined};
use crate::{cpu::pin, places::Place, statistics::as_f64};

/// Below the local ports that a client has, which rest for a while after use.
const CONNECTIONS: u64 = 20_000;
/// Bytes a system call.
const BUFFER: usize = 128 << 10;
/// Asks the server of connections to end.
const END: u8 = 0;
const REQUEST: u8 = 1;

/// Bits that arrive.
pub(super) fn stream(place: &Place, parallel: usize, window: Duration) -> Result<Done> {
    let listener = listen(place)?;
    let mut pairs = Vec::new();
    for _ in 0..parallel {
        let client = connect(place)?;
        pairs.push((client, accept(&listener)?));
    }
    let begin = Instant::now();
    let bytes = thread::scope(|scope| {
        let mut threads = Vec::new();
        for (index, (client, server)) in pairs.into_iter().enumerate() {
            // Two streams share both CPUs, as two of its own would a machine's.
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
            joined(sender)?;
            bytes += joined(receiver)?;
        }
        anyhow::Ok(bytes)
    })?;
    Ok(Done { units: as_f64(bytes) * 8.0, seconds: begin.elapsed().as_secs_f64() })
}

fn send(mut client: TcpStream, begin: Instant, window: Duration) -> Result<()> {
    let buffer = vec![0; BUFFER];
    // Once at least, also when the thread was late to begin.
    loop {
        client.write_all(&buffer).context("cannot send")?;
        if begin.elapsed() >= window {
            return Ok(());
        }
    }
}

/// Bytes until the other end closes.
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
pub(super) fn request_response(place: &Place, window: Duration) -> Result<Done> {
    let listener = listen(place)?;
    let mut client = connect(place)?;
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
        let done = joined(scope.spawn(move || {
            pin(CLIENT)?;
            let begin = Instant::now();
            let mut count: u64 = 0;
            while begin.elapsed() < window {
                transact(&mut client)?;
                count += 1;
            }
            Ok(Done { units: as_f64(count), seconds: begin.elapsed().as_secs_f64() })
        }));
        joined(server)?;
        done
    })
}

/// Connections one after another, each with one transaction.
pub(super) fn connect_request_response(place: &Place, window: Duration) -> Result<Done> {
    let listener = listen(place)?;
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
        let done = joined(scope.spawn(|| {
            pin(CLIENT)?;
            enter(Some(&place.client), || {
                let begin = Instant::now();
                let mut count: u64 = 0;
                while begin.elapsed() < window && count < CONNECTIONS {
                    transact(&mut connect_here(place)?)?;
                    count += 1;
                }
                let seconds = begin.elapsed().as_secs_f64();
                connect_here(place)?.write_all(&[END])?;
                Ok(Done { units: as_f64(count), seconds })
            })
        }));
        // The server hears nothing more when the client has failed, whose error says why.
        let ended = joined(server);
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

fn listen(place: &Place) -> Result<TcpListener> {
    let listener = enter(Some(&place.server), || TcpListener::bind(("0.0.0.0", place.port)))?;
    SockRef::from(&listener).set_read_timeout(Some(PATIENCE))?;
    Ok(listener)
}

fn accept(listener: &TcpListener) -> Result<TcpStream> {
    let (connection, _) = listener.accept().context("nobody connects")?;
    connection.set_nodelay(true)?;
    connection.set_read_timeout(Some(PATIENCE))?;
    Ok(connection)
}

fn connect(place: &Place) -> Result<TcpStream> {
    enter(Some(&place.client), || connect_here(place))
}

fn connect_here(place: &Place) -> Result<TcpStream> {
    let server = SocketAddr::from((place.address, place.port));
    let client = TcpStream::connect_timeout(&server, PATIENCE).context("cannot connect")?;
    client.set_nodelay(true)?;
    client.set_read_timeout(Some(PATIENCE))?;
    client.set_write_timeout(Some(PATIENCE))?;
    Ok(client)
}
