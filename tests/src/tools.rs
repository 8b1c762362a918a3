//! Foreign tools, each in a namespace.

use std::{fs, process::Command};

use tempfile::TempDir;

use crate::{
    enter,
    program::{Output, run},
    running::Running,
    wait::DEADLINE,
};

/// The loopback, and what the kernel adds while the module of such tunnels is loaded.
const IN_EVERY_NAMESPACE: [&str; 10] = [
    "lo", "tunl0", "gre0", "gretap0", "erspan0", "ip_vti0", "sit0", "ip6tnl0", "ip6gre0",
    "ip6_vti0",
];

/// Work in one namespace.
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

    /// Does `work` on this thread while it is in the namespace.
    pub fn run<T>(&self, work: impl FnOnce() -> T) -> T {
        enter(self.name(), work)
    }

    /// Runs a program to its end.
    #[track_caller]
    #[must_use]
    pub fn command(&self, program: &str, arguments: &[&str]) -> Output {
        run(self.name(), Command::new(program).args(arguments))
    }

    /// Starts a program that the test ends.
    #[track_caller]
    #[must_use]
    pub fn start(&self, program: &str, arguments: &[&str]) -> Running {
        Running::start(self.name(), Command::new(program).args(arguments))
    }

    /// One ping, which ends with its answer.
    #[track_caller]
    #[must_use]
    pub fn ping(&self, address: &str) -> Output {
        let limit = DEADLINE.as_secs().to_string();
        self.command("ping", &["-n", "-c", "1", "-W", &limit, address])
    }

    /// Whether one ping is answered within a second, for who asks again and again.
    #[track_caller]
    #[must_use]
    pub fn is_answered(&self, address: &str) -> bool {
        self.command("ping", &["-n", "-c", "1", "-W", "1", address]).status.success()
    }

    /// Pings that nobody must answer; that somebody on the way refuses them is no answer.
    ///
    /// # Panics
    /// When somebody does, and when nobody was asked: an address that is none, or no route to it, would
    /// let pass any test of what does not get through.
    #[track_caller]
    pub fn cannot_ping(&self, address: &str) {
        let output = self.command("ping", &["-n", "-c", "2", "-i", "0.2", "-W", "1", address]);
        let is_silent = output.code() == 1 && output.stdout.contains(" 0 received");
        assert!(is_silent, "{output}\nexpected no answer");
    }

    /// Pings with this many bytes in its packet, which nobody may cut into fragments.
    ///
    /// # Panics
    /// When there are fewer bytes than the headers have.
    #[track_caller]
    #[must_use]
    pub fn ping_whole(&self, to: &str, bytes: u32) -> Output {
        // 20 bytes are the IPv4 header, 8 that of ICMP.
        let size = bytes.checked_sub(28).expect("room for the headers").to_string();
        let limit = DEADLINE.as_secs().to_string();
        self.command("ping", &["-n", "-c1", "-W", &limit, "-Mdo", "-s", &size, to])
    }

    /// The addresses of the routers on the way, and the end of it.
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

    /// The names of the interfaces, sorted, without those that every namespace has.
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

    /// Fails unless netfilter has no rule here, neither iptables' nor nftables'.
    ///
    /// # Panics
    /// When there is one.
    #[track_caller]
    pub fn has_no_netfilter_rules(&self) {
        for tool in [&["iptables-save"][..], &["nft", "list", "ruleset"]] {
            let output = self.command(tool[0], &tool[1..]).success();
            assert!(output.stdout.trim().is_empty(), "{output}\nexpected no rule");
        }
    }

    /// Starts a web server whose only page is `text`; it listens when this returns.
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

/// A web server of Python's.
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
