//! A snapshot of the machine, for comparison with a later one.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

use crate::{RCU_EXPEDITED, own};

/// Folders that may remain empty.
const MAY_STAY: [&str; 2] = ["/sys/fs/bpf/netns", "/run/netns-labs"];

/// Values that the kernel itself changes while it works.
const RESTLESS: [&str; 3] = ["nf_conntrack_count", "stat_refresh", "tcp_fastopen_key"];

/// Everything that a lab could leave behind on the test's machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Machine {
    pub namespaces: BTreeSet<PathBuf>,
    pub links: Vec<String>,
    pub addresses: Vec<String>,
    pub routes: Vec<String>,
    pub rules: Vec<String>,
    pub pins: BTreeSet<PathBuf>,
    pub records: BTreeSet<PathBuf>,
    pub files: BTreeSet<PathBuf>,
    pub mounts: BTreeSet<String>,
    pub sysctls: BTreeSet<String>,
    pub rcu_expedited: String,
    pub processes: BTreeSet<String>,
}

impl Machine {
    /// # Panics
    /// When something cannot be read.
    #[must_use]
    #[track_caller]
    pub fn now() -> Self {
        Self {
            namespaces: files_below("/run/netns"),
            links: own().interfaces(),
            addresses: lines_of_ip(&["-oneline", "address", "show"]),
            routes: lines_of_ip(&["route", "show", "table", "all"]),
            rules: lines_of_ip(&["rule", "show"]),
            pins: files_below("/sys/fs/bpf"),
            records: files_below("/run/netns-labs"),
            files: files_below("/etc/netns"),
            mounts: mounts(),
            sysctls: sysctls(),
            rcu_expedited: fs::read_to_string(RCU_EXPEDITED).expect("the setting"),
            processes: processes(),
        }
    }

    /// # Panics
    /// When `later` differs; names what does.
    #[track_caller]
    pub fn is_unchanged(&self) {
        let now = Self::now();
        let pairs = [
            ("namespaces", format!("{:#?}", self.namespaces), format!("{:#?}", now.namespaces)),
            ("links", format!("{:#?}", self.links), format!("{:#?}", now.links)),
            ("addresses", format!("{:#?}", self.addresses), format!("{:#?}", now.addresses)),
            ("routes", format!("{:#?}", self.routes), format!("{:#?}", now.routes)),
            ("rules", format!("{:#?}", self.rules), format!("{:#?}", now.rules)),
            ("pins", format!("{:#?}", self.pins), format!("{:#?}", now.pins)),
            ("records", format!("{:#?}", self.records), format!("{:#?}", now.records)),
            ("files", format!("{:#?}", self.files), format!("{:#?}", now.files)),
            ("mounts", format!("{:#?}", self.mounts), format!("{:#?}", now.mounts)),
            ("processes", format!("{:#?}", self.processes), format!("{:#?}", now.processes)),
        ];
        for (what, before, after) in pairs {
            assert_eq!(before, after, "{what} before and after");
        }
        assert_eq!(
            self.rcu_expedited.trim_end(),
            now.rcu_expedited.trim_end(),
            "{RCU_EXPEDITED} before and after"
        );
        let changed: Vec<_> = self.sysctls.symmetric_difference(&now.sysctls).collect();
        assert!(changed.is_empty(), "sysctls before and after: {changed:#?}");
    }
}

fn lines_of_ip(arguments: &[&str]) -> Vec<String> {
    let output = own().command("ip", arguments).success();
    // Lifetimes count down, and the order of addresses does not matter.
    let mut lines: Vec<_> = output
        .stdout
        .lines()
        .map(|line| line.split(" valid_lft").next().unwrap_or(line).trim_end().to_owned())
        .collect();
    lines.sort();
    lines
}

fn files_below(folder: &str) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    collect(Path::new(folder), &mut found);
    found.retain(|path| !MAY_STAY.iter().any(|folder| path == Path::new(folder)));
    found
}

fn collect(folder: &Path, found: &mut BTreeSet<PathBuf>) {
    // A missing folder has no files.
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            collect(&path, found);
        }
        found.insert(path);
    }
}

/// Mount points with the file system that is mounted there.
fn mounts() -> BTreeSet<String> {
    let table = fs::read_to_string("/proc/thread-self/mountinfo").expect("the mounts");
    let mount = |line: &str| {
        let (place, kind) = line.split_once(" - ")?;
        let point = place.split(' ').nth(4)?;
        Some(format!("{point} {}", kind.split(' ').next()?))
    };
    table.lines().filter_map(mount).collect()
}

/// The settings of the network, in the namespace of this thread.
fn sysctls() -> BTreeSet<String> {
    let value = |path: PathBuf| {
        let name = path.to_string_lossy().into_owned();
        if RESTLESS.iter().any(|part| name.contains(part)) {
            return None;
        }
        // Some settings are write-only.
        let value = fs::read_to_string(&path).ok()?;
        Some(format!("{name} = {}", value.trim_end()))
    };
    files_below("/proc/sys/net")
        .into_iter()
        .filter(|path| path.is_file())
        .filter_map(value)
        .collect()
}

/// Other processes in this thread's mount namespace.
fn processes() -> BTreeSet<String> {
    let own = fs::read_link("/proc/thread-self/ns/mnt").expect("this thread's mount namespace");
    let is_here = |folder: &Path| fs::read_link(folder.join("ns/mnt")).is_ok_and(|ns| ns == own);
    let folders = fs::read_dir("/proc").expect("/proc").flatten().map(|entry| entry.path());
    folders
        .filter(|folder| is_here(folder))
        .map(|folder| {
            let name = fs::read_to_string(folder.join("comm")).unwrap_or_default();
            format!("{} {}", folder.display(), name.trim_end())
        })
        .collect()
}
