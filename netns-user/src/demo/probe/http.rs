//! Gets one page over HTTP.

use std::{
    io,
    net::SocketAddrV4,
    time::{Duration, Instant},
};

use http_body_util::{BodyExt, Empty, Limited};
use hyper::{Request, body::Bytes, client::conn::http1, header};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

/// Larger than any page of our web server. Another server must not fill the memory.
const LONGEST_PAGE: usize = 64 * 1024;

/// A response, of any status.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Page {
    pub status: u16,
    pub body: String,
    /// From the start of the connection until the page was complete.
    pub elapsed: Duration,
}

/// An error of a request.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    #[error("cannot start an HTTP client: {0}")]
    Runtime(#[source] io::Error),
    /// For example, the port is closed or there is no route.
    #[error("cannot connect to {address}: {source}")]
    Connect { address: SocketAddrV4, source: io::Error },
    #[error("no page from {address} within {} ms", deadline.as_millis())]
    Deadline { address: SocketAddrV4, deadline: Duration },
    #[error("{address} does not answer with HTTP: {source}")]
    Protocol { address: SocketAddrV4, source: hyper::Error },
    #[error("the page from {address} is incomplete: {source}")]
    Body { address: SocketAddrV4, source: Box<dyn std::error::Error + Send + Sync> },
}

/// Gets `/` from `address` on a new connection, within `deadline`.
///
/// Blocks on its own runtime: this thread must make the sockets, since they get its namespace.
pub fn get(address: SocketAddrV4, deadline: Duration) -> Result<Page, HttpError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(HttpError::Runtime)?;
    runtime.block_on(async {
        tokio::time::timeout(deadline, fetch(address))
            .await
            .unwrap_or(Err(HttpError::Deadline { address, deadline }))
    })
}

async fn fetch(address: SocketAddrV4) -> Result<Page, HttpError> {
    let protocol = |source| HttpError::Protocol { address, source };
    let start = Instant::now();
    let stream = TcpStream::connect(address)
        .await
        .map_err(|source| HttpError::Connect { address, source })?;
    let (mut sender, connection) =
        http1::handshake(TokioIo::new(stream)).await.map_err(protocol)?;
    // Its errors also reach the request below.
    tokio::spawn(connection);
    let request = Request::get("/")
        .header(header::HOST, address.to_string())
        .header(header::CONNECTION, "close")
        .body(Empty::<Bytes>::new())
        .expect("a constant request with an address is well-formed");
    let response = sender.send_request(request).await.map_err(protocol)?;
    let status = response.status().as_u16();
    let body = Limited::new(response.into_body(), LONGEST_PAGE)
        .collect()
        .await
        .map_err(|source| HttpError::Body { address, source })?
        .to_bytes();
    Ok(Page { status, body: String::from_utf8_lossy(&body).into_owned(), elapsed: start.elapsed() })
}

#[cfg(test)]
mod tests {
    use std::{
        io::{Read as _, Write as _},
        net::{Ipv4Addr, SocketAddr, TcpListener},
        thread,
    };

    use super::*;

    fn listen() -> (TcpListener, SocketAddrV4) {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let SocketAddr::V4(address) = listener.local_addr().unwrap() else {
            panic!("not an IPv4 address")
        };
        (listener, address)
    }

    /// Gets a page from a server that answers with these bytes.
    fn answered(answer: &[u8]) -> Result<Page, HttpError> {
        let (listener, address) = listen();
        thread::scope(|scope| {
            scope.spawn(move || {
                let (mut client, _) = listener.accept().unwrap();
                let mut request = [0; 1024];
                assert!(client.read(&mut request).unwrap() > 0);
                client.write_all(answer).unwrap();
            });
            get(address, Duration::from_secs(10))
        })
    }

    #[test]
    fn a_page_is_read_to_its_end() {
        let page = answered(b"HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\nhello").unwrap();
        assert_eq!((page.status, page.body.as_str()), (404, "hello"));
    }

    #[test]
    fn an_incomplete_page_is_an_error() {
        let error = answered(b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello").unwrap_err();
        assert!(matches!(error, HttpError::Body { .. }), "{error}");
    }

    #[test]
    fn a_server_that_does_not_answer_with_http_is_an_error() {
        let error = answered(b"SSH-2.0-OpenSSH_9.9\r\n").unwrap_err();
        assert!(matches!(error, HttpError::Protocol { .. }), "{error}");
    }

    #[test]
    fn a_request_to_a_silent_server_ends_at_the_deadline() {
        let (_listener, address) = listen();
        let error = get(address, Duration::from_millis(50)).unwrap_err();
        assert!(matches!(error, HttpError::Deadline { .. }), "{error}");
    }

    #[test]
    fn a_closed_port_refuses_the_connection() {
        let (listener, address) = listen();
        drop(listener);
        let error = get(address, Duration::from_secs(10)).unwrap_err();
        assert!(matches!(error, HttpError::Connect { .. }), "{error}");
    }
}
