//! A small web server in a namespace, as the target of the lab's port forward.

use std::{
    convert::Infallible,
    io,
    net::{Ipv4Addr, SocketAddr, SocketAddrV4},
    sync::{Arc, mpsc},
    thread::{self, JoinHandle},
    time::Duration,
};

use http_body_util::Full;
use hyper::{Response, body::Bytes, header, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, sync::oneshot};

use crate::net::{NetError, netns};

/// The pause after a failed accept(2), which happens when the process has no free file descriptors.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// A web server on its own thread in a namespace. It ends when it is dropped.
#[derive(Debug)]
pub struct WebServer {
    stop: Option<oneshot::Sender<()>>,
    thread: Option<JoinHandle<()>>,
}

/// An error while starting a web server.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    #[error("cannot start a web server in {namespace}: {source}")]
    Namespace { namespace: String, source: NetError },
    /// Usually the port is in use.
    #[error("cannot start a web server in {namespace}: cannot listen on {address}: {source}")]
    Listen { namespace: String, address: SocketAddrV4, source: io::Error },
    #[error("cannot start a web server in {namespace}: its thread ended unexpectedly")]
    Gone { namespace: String },
}

/// The content of a page of this web server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Greeting {
    /// The namespace of the server.
    pub namespace: String,
    /// The client as the server sees it.
    pub client: Ipv4Addr,
}

impl Greeting {
    /// The page. `client` is the far end of the connection.
    fn page(namespace: &str, client: SocketAddr) -> String {
        format!("Hello from a network namespace.\nnamespace {namespace}\nclient {client}\n")
    }

    /// Reads a page; `None` if another web server sent it.
    pub fn read(page: &str) -> Option<Self> {
        let field = |name: &str| page.lines().find_map(|line| line.strip_prefix(name));
        let client: SocketAddrV4 = field("client ")?.parse().ok()?;
        Some(Self { namespace: field("namespace ")?.to_owned(), client: *client.ip() })
    }
}

impl WebServer {
    /// Listens on `address` in `namespace`. Connections are accepted from the moment this returns.
    pub fn start(namespace: &str, address: SocketAddrV4) -> Result<Self, ServerError> {
        let (stop, stopped) = oneshot::channel();
        let (ready, readiness) = mpsc::channel();
        let name: Arc<str> = namespace.into();
        let thread = thread::spawn(move || {
            let listening = ready.clone();
            let inside = Arc::clone(&name);
            let entered = netns::run_in(&name, move || {
                if let Err(source) = serve(&inside, address, &listening, stopped) {
                    let namespace = inside.to_string();
                    // Fails only if the starting thread has ended.
                    let _ = listening.send(Err(ServerError::Listen { namespace, address, source }));
                }
            });
            if let Err(source) = entered {
                let namespace = name.to_string();
                let _ = ready.send(Err(ServerError::Namespace { namespace, source }));
            }
        });
        let server = Self { stop: Some(stop), thread: Some(thread) };
        match readiness.recv() {
            Ok(outcome) => outcome.map(|()| server),
            Err(mpsc::RecvError) => Err(ServerError::Gone { namespace: namespace.to_owned() }),
        }
    }
}

impl Drop for WebServer {
    fn drop(&mut self) {
        // Both fail only if the thread has already ended, which is no error.
        let _ = self.stop.take().map(|stop| stop.send(()));
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

type Ready = mpsc::Sender<Result<(), ServerError>>;

fn serve(
    namespace: &Arc<str>,
    address: SocketAddrV4,
    ready: &Ready,
    mut stopped: oneshot::Receiver<()>,
) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(async {
        let listener = TcpListener::bind(address).await?;
        let _ = ready.send(Ok(()));
        loop {
            tokio::select! {
                _ = &mut stopped => return Ok(()),
                accepted = listener.accept() => match accepted {
                    Ok((stream, client)) => answer(Arc::clone(namespace), stream, client),
                    Err(_) => tokio::time::sleep(ACCEPT_PAUSE).await,
                },
            }
        }
    })
}

/// Serves one connection in parallel with the others. If it breaks, the others continue.
fn answer(namespace: Arc<str>, stream: tokio::net::TcpStream, client: SocketAddr) {
    tokio::spawn(async move {
        let service = service_fn(|_request| {
            let page = Greeting::page(&namespace, client);
            let mut response = Response::new(Full::new(Bytes::from(page)));
            response
                .headers_mut()
                .insert(header::CONTENT_TYPE, header::HeaderValue::from_static("text/plain"));
            async { Ok::<_, Infallible>(response) }
        });
        let _ = http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_can_be_read_back() {
        let page = Greeting::page("blue", "192.168.1.1:40000".parse().unwrap());
        let expected = Greeting { namespace: "blue".into(), client: Ipv4Addr::new(192, 168, 1, 1) };
        assert_eq!(Greeting::read(&page), Some(expected));
    }

    #[test]
    fn another_servers_page_is_not_ours() {
        assert_eq!(Greeting::read("<html>It works!</html>"), None);
    }
}
