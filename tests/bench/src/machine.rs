//! The machine, kernel settings and tool versions that the figures were measured with.

use std::{collections::BTreeMap, fs, process::Command};

use serde::Serialize;

use crate::cpu;

#[derive(Debug, Default, Serialize)]
pub(crate) struct Machine {
    pub(crate) cpu: String,
    pub(crate) cpus: usize,
    /// The CPUs of the client and of the server, and all CPUs on the core of the client's CPU.
    pub(crate) client_cpu: usize,
    pub(crate) server_cpu: usize,
    pub(crate) client_core: String,
    pub(crate) memory_kib: u64,
    pub(crate) kernel: String,
    /// Kernel settings that the figures depend on, by their path in /proc/sys. A setting that this
    /// kernel does not have is left out.
    pub(crate) settings: BTreeMap<&'static str, String>,
    /// The first line of each tool's version. For a missing tool, its package.
    pub(crate) versions: BTreeMap<&'static str, String>,
}

impl Machine {
    pub(crate) fn now() -> Self {
        let cpuinfo = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
        let meminfo = fs::read_to_string("/proc/meminfo").unwrap_or_default();
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let memory = field(&meminfo, "MemTotal").and_then(|v| v.split(' ').next()?.parse().ok());
        let client_cpu = cpu::number(cpu::CLIENT);
        let core = format!("/sys/devices/system/cpu/cpu{client_cpu}/topology/thread_siblings_list");
        let core = fs::read_to_string(core).unwrap_or_default();
        let tools = [
            ("ip", "-V"),
            ("iptables-nft", "--version"),
            ("iptables-legacy", "--version"),
            ("nft", "--version"),
            ("ethtool", "--version"),
            ("iperf3", "--version"),
        ];
        Self {
            cpu: field(&cpuinfo, "model name").unwrap_or("unknown").to_owned(),
            cpus: cpu::count().unwrap_or(1),
            client_cpu,
            server_cpu: cpu::number(cpu::SERVER),
            client_core: core.trim().to_owned(),
            memory_kib: memory.unwrap_or(0),
            kernel: kernel.trim().to_owned(),
            settings: SETTINGS.iter().filter_map(|name| Some((*name, setting(name)?))).collect(),
            versions: tools.map(|(tool, argument)| (tool, version(tool, argument))).into(),
        }
    }
}

const SETTINGS: &[&str] = &[
    "net/core/bpf_jit_enable",
    "net/core/bpf_jit_harden",
    "net/core/netdev_budget",
    "net/core/netdev_max_backlog",
    "net/netfilter/nf_conntrack_buckets",
    "net/netfilter/nf_conntrack_max",
    "net/ipv4/tcp_congestion_control",
];

fn setting(name: &str) -> Option<String> {
    Some(fs::read_to_string(format!("/proc/sys/{name}")).ok()?.trim().to_owned())
}

fn version(tool: &str, argument: &str) -> String {
    let Ok(output) = Command::new(tool).arg(argument).output() else {
        return format!("not there: install {}", crate::tools::package(tool));
    };
    String::from_utf8_lossy(&output.stdout).lines().next().unwrap_or("unknown").to_owned()
}

/// The value of the first line `NAME : VALUE`.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then(|| value.trim())
    })
}
