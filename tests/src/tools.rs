//! Foreign tools in namespaces.

use std::{fs, process::Command};

use tempfile::TempDir;

use crate::{
    enter,
    program::{Output, run},
    running::Running,
    wait::DEADLINE,
};

/// The loopback, and the tunnel interfaces that the kernel adds to every namespace while their
/// modules are loaded.
const IN_EVERY_NAMESPACE: [&str; 10] = [
    "lo", "tunl0", "gre0", "gretap0", "erspan0", "ip_vti0", "sit0", "ip6tnl0", "ip6gre0",
    "ip6_vti0",
];

/// A namespace in which code and tools run.
#[derive(Clone, Debug)]
pub struct Inside {
    name: Option<String>,
}

impl Inside {
    pub(crate) fn new(name: Option<&str>) -> Self {
        Self { name: name.map(str::to_owned) }
    }

    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }

    /// Runs `work` on this thread in the namespace.
    pub fn run<T>(&self, work: impl FnOnce() -> T) -> T {
        enter(self.name(), work)
    }

    /// Runs a program to its end.
    #[track_caller]
    #[must_use]
    pub fn command(&self, program: &str, arguments: &[&str]) -> Output {
        run(self.name(), Command::new(program).args(arguments))
    }

    /// Starts a program in the background.
    #[track_caller]
    #[must_use]
    pub fn start(&self, program: &str, arguments: &[&str]) -> Running {
        Running::start(self.name(), Command::new(program).args(arguments))
    }

    /// Sends one ping and waits for its answer.
    #[track_caller]
    #[must_use]
    pub fn ping(&self, address: &str) -> Output {
        let limit = DEADLINE.as_secs().to_string();
        self.command("ping", &["-n", "-c", "1", "-W", &limit, address])
    }

    /// Whether one ping is answered within a second, for polling.
    #[track_caller]
    #[must_use]
    pub fn is_answered(&self, address: &str) -> bool {
        self.command("ping", &["-n", "-c", "1", "-W", "1", address]).status.success()
    }

    /// Sends pings that must not be answered. An ICMP error from a router on the way is no answer.
    ///
    /// # Panics
    /// When a ping is answered, or was never sent: with an invalid address or without a route the
    /// check would prove nothing.
    #[track_caller]
    pub fn cannot_ping(&self, address: &str) {
        let output = self.command("ping", &["-n", "-c", "2", "-i", "0.2", "-W", "1", address]);
        let is_silent = output.code() == 1 && output.stdout.contains(" 0 received");
        assert!(is_silent, "{output}\nexpected no answer");
    }

    /// Pings with a packet of this many bytes and the DF flag.
    ///
    /// # Panics
    /// When the headers alone are longer.
    #[track_caller]
    #[must_use]
    pub fn ping_whole(&self, to: &str, bytes: u32) -> Output {
        // The IPv4 header has 20 bytes, the ICMP header 8.
        let size = bytes.checked_sub(28).expect("room for the headers").to_string();
        let limit = DEADLINE.as_secs().to_string();
        self.command("ping", &["-n", "-c1", "-W", &limit, "-Mdo", "-s", &size, to])
    }

    /// The addresses of the routers on the path and of its end.
    ///
    /// # Panics
    /// When `traceroute` fails.
    #[track_caller]
    #[must_use]
    pub fn hops(&self, to: &str) -> Vec<String> {
        let output = self.command("traceroute", &["-n", "-q1", "-w3", "-m6", to]).success();
        let hop = |line: &str| line.split_whitespace().nth(1).map(str::to_owned);
        output.stdout.lines().skip(1).filter_map(hop).collect()
    }

    /// Gets a page.
    #[track_caller]
    #[must_use]
    pub fn curl(&self, url: &str) -> Output {
        let arguments = ["--silent", "--show-error", "--fail", "--noproxy", "*"];
        let limit = DEADLINE.as_secs().to_string();
        let arguments = [&arguments[..], &["--max-time", &limit, url]].concat();
        self.command("curl", &arguments)
    }

    /// The sorted names of the interfaces, without those that every namespace has.
    #[track_caller]
    #[must_use]
    pub fn interfaces(&self) -> Vec<String> {
        let links = self.command("ip", &["-json", "link", "show"]).json();
        let links = links.as_array().expect("a list").iter();
        let mut names: Vec<_> =
            links.filter_map(|link| link["ifname"].as_str()).map(str::to_owned).collect();
        names.retain(|name| !IN_EVERY_NAMESPACE.contains(&name.as_str()));
        names.sort();
        names
    }

    /// Checks that the namespace has no rules of iptables or nftables.
    ///
    /// # Panics
    /// When it has some.
    #[track_caller]
    pub fn has_no_netfilter_rules(&self) {
        for tool in [&["iptables-save"][..], &["nft", "list", "ruleset"]] {
            let output = self.command(tool[0], &tool[1..]).success();
            assert!(output.stdout.trim().is_empty(), "{output}\nexpected no rule");
        }
    }

    /// Starts a web server with the page `text`. It listens when this returns.
    #[track_caller]
    #[must_use]
    pub fn web_server(&self, address: &str, port: u16, text: &str) -> WebServer {
        let folder = TempDir::new().expect("a folder for the page");
        fs::write(folder.path().join("index.html"), text).expect("the page");
        let port = port.to_string();
        let path = folder.path().to_str().expect("a plain path");
        let server = ["-u", "-m", "http.server", &port, "--bind", address, "--directory", path];
        let mut server = self.start("python3", &server);
        server.wait_for("Serving HTTP");
        WebServer { server, _folder: folder }
    }
}

/// A web server in Python.
#[derive(Debug)]
pub struct WebServer {
    server: Running,
    _folder: TempDir,
}

impl WebServer {
    /// Waits for the next request and returns the client's address as the server saw it.
    #[track_caller]
    pub fn next_client(&mut self) -> String {
        let line = self.server.wait_for("\"GET ");
        line.split(' ').next().unwrap_or_default().to_owned()
    }
}
