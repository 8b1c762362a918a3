//! Checks whether network managers would change the interfaces of a lab.

mod configuration;
mod links;
mod networkd;
mod networkmanager;

use std::{fs, path::Path};

use super::{
    finding::Finding,
    forwarding::OWN_ROUTER,
    subject::{Router, Subject},
};
use crate::topology::Topology;
use links::links_of;

pub(super) fn check(subject: &Subject) -> [Finding; 2] {
    let router = subject.router();
    // Without a file, the names of the lecture's lab stand for all.
    let lecture = Topology::lecture();
    let lab = match router {
        Router::Machine(lab) => lab,
        Router::Any | Router::Own => &lecture,
    };
    let links = links_of(lab);
    let name = subject.name();
    let networkd = || networkd::judge(&networkd::read(), &links, router.severity(), name);
    let manager = || networkmanager::judge(&networkmanager::read(), &links, name);
    [
        // The kernel cuts the names of processes after 15 characters.
        of(router, networkd::CHECK, "systemd-network", networkd),
        of(router, networkmanager::CHECK, "NetworkManager", manager),
    ]
}

fn of(
    router: Router<'_>,
    check: &'static str,
    process: &str,
    judge: impl FnOnce() -> Finding,
) -> Finding {
    if !is_running(process) {
        return Finding::sound(check, "not running");
    }
    match router {
        Router::Own => Finding::sound(check, "running").meaning(OWN_ROUTER),
        Router::Any | Router::Machine(_) => judge(),
    }
}

/// Whether a process of that name is in this thread's network namespace. A process whose namespace
/// cannot be read counts.
fn is_running(name: &str) -> bool {
    let namespace = |process: &Path| fs::read_link(process.join("ns/net")).ok();
    let own = namespace(Path::new("/proc/thread-self"));
    let processes = fs::read_dir("/proc").into_iter().flatten().flatten();
    processes.map(|entry| entry.path()).any(|process| {
        fs::read_to_string(process.join("comm")).is_ok_and(|comm| comm.trim_end() == name)
            && namespace(&process).is_none_or(|its| Some(its) == own)
    })
}
