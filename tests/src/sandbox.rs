//! A machine of its own for one test.

use std::{
    ffi::CString,
    fs::{self, File},
    marker::PhantomData,
    os::fd::OwnedFd,
    path::Path,
};

use nix::{
    errno::Errno,
    mount::{MntFlags, MsFlags, mount, umount2},
    sched::{CloneFlags, setns, unshare},
    unistd::geteuid,
};

use crate::{own, wait::DEADLINE};

/// Whether the kernel's grace periods hurry.
pub const HURRY: &str = "/sys/kernel/rcu_expedited";

/// The calling thread in a mount and a network namespace of its own, with an empty /run/netns,
/// an empty bpffs and nothing but a loopback interface. What the test calls 'the machine' is
/// this; the real one is never touched. Names cannot clash between tests that run in parallel,
/// and when the last process and thread in here end, the kernel clears everything away: also
/// after a panic.
#[derive(Debug)]
pub struct Sandbox {
    mounts: OwnedFd,
    network: OwnedFd,
    /// Namespaces belong to the thread that entered them.
    not_send: PhantomData<*const ()>,
}

impl Sandbox {
    /// # Panics
    /// Without root: a test that cannot run has not passed.
    #[must_use]
    pub fn new() -> Self {
        assert!(
            geteuid().is_root(),
            "this test makes namespaces and needs root: use `cargo xtask test`, which runs it so"
        );
        let home = |kind: &str| {
            let path = format!("/proc/thread-self/ns/{kind}");
            File::open(&path).unwrap_or_else(|error| panic!("{path}: {error}")).into()
        };
        let sandbox = Self { mounts: home("mnt"), network: home("net"), not_send: PhantomData };
        unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET).expect("unshare");
        mount_on("none", "/", None, MsFlags::MS_REC | MsFlags::MS_PRIVATE, "");
        without_mounts_below_run();
        mount_on("tmpfs", "/run", Some("tmpfs"), MsFlags::empty(), "mode=755");
        // A mount point of its own, as `ip netns` would make it: so that the first namespace
        // leaves no more mounts behind than the second.
        fs::create_dir("/run/netns").expect("/run/netns");
        mount_on("tmpfs", "/run/netns", Some("tmpfs"), MsFlags::empty(), "mode=755");
        mount_on("bpf", "/sys/fs/bpf", Some("bpf"), MsFlags::empty(), "mode=700");
        without_name_servers();
        without_hurry();
        own().command("ip", &["link", "set", "lo", "up"]).success();
        sandbox
    }

    /// Makes /etc writable without writing to the machine's.
    pub fn private_etc(&self) {
        for folder in ["/run/etc-upper", "/run/etc-work"] {
            fs::create_dir(folder).expect("a folder in a new tmpfs");
        }
        let options = "lowerdir=/etc,upperdir=/run/etc-upper,workdir=/run/etc-work";
        mount_on("overlay", "/etc", Some("overlay"), MsFlags::empty(), options);
    }

    /// Gives the machine's own setting of the kernel's grace periods back, for one who measures
    /// how fast it is and is alone.
    pub fn with_hurry(&self) {
        umount2(HURRY, MntFlags::MNT_DETACH).expect("the file that stands for the setting");
    }

    /// Takes /sys/fs/bpf away, such that nobody can put it back; cgroups stay.
    pub fn without_bpffs(&self) {
        fs::create_dir("/run/sys-fs").expect("/run/sys-fs");
        mount_on("tmpfs", "/run/sys-fs", Some("tmpfs"), MsFlags::empty(), "mode=755");
        fs::create_dir("/run/sys-fs/cgroup").expect("/run/sys-fs/cgroup");
        let recursive = MsFlags::MS_BIND | MsFlags::MS_REC;
        mount_on("/sys/fs/cgroup", "/run/sys-fs/cgroup", None, recursive, "");
        mount_on("/run/sys-fs", "/sys/fs", None, recursive, "");
        let read_only = MsFlags::MS_BIND | MsFlags::MS_REMOUNT | MsFlags::MS_RDONLY;
        mount_on("none", "/sys/fs", None, read_only, "");
    }

    /// Gives the machine an uplink to a network that consists of one host, the namespace
    /// `outside` at 192.168.1.1: as on a real machine, where the lab did not make the uplink.
    pub fn with_uplink(&self, uplink: &str) {
        let ip = |line: &str| {
            own().command("ip", &line.split(' ').collect::<Vec<_>>()).success();
        };
        // An IPv6 address settles by itself, some time after its link is up, and would be a
        // difference between before and after.
        fs::write("/proc/sys/net/ipv6/conf/default/disable_ipv6", "1").expect("a setting");
        ip("netns add outside");
        ip(&format!("link add {uplink} type veth peer name eth0 netns outside"));
        ip(&format!("addr add 192.168.1.10/24 dev {uplink}"));
        ip("-n outside addr add 192.168.1.1/24 dev eth0");
        ip("-n outside link set lo up");
        ip("-n outside link set eth0 up");
        ip(&format!("link set {uplink} up"));
        ip("route add default via 192.168.1.1");
        crate::eventually("the uplink has a carrier", DEADLINE, || {
            own().command("ip", &["link", "show", uplink]).success().stdout.contains("LOWER_UP")
        });
    }
}

impl Default for Sandbox {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Sandbox {
    fn drop(&mut self) {
        // The test runner may use this thread for the next test.
        let folder = std::env::current_dir();
        let home = setns(&self.network, CloneFlags::CLONE_NEWNET)
            // Threads that this one has started may still share its working folder, and such a
            // thread cannot change its mounts.
            .and_then(|()| unshare(CloneFlags::CLONE_FS))
            .and_then(|()| setns(&self.mounts, CloneFlags::CLONE_NEWNS))
            .map_err(std::io::Error::from)
            .and_then(|()| std::env::set_current_dir(folder?));
        if let Err(error) = home {
            eprintln!("cannot leave the sandbox: {error}");
            std::process::abort();
        }
    }
}

/// Detaches the machine's mounts below /run: its named namespaces, its containers. Behind the new
/// /run nobody would see them, but the list of mounts has them, and the kernel takes one out of it
/// whenever the machine deletes that namespace.
fn without_mounts_below_run() {
    let table = fs::read_to_string("/proc/thread-self/mountinfo").expect("the mounts");
    let points = table.lines().filter_map(|line| line.split(' ').nth(4));
    let below: Vec<&str> = points.filter(|point| point.starts_with("/run/")).collect();
    // The last ones lie on top of the others.
    for point in below.into_iter().rev() {
        match umount2(point, MntFlags::MNT_DETACH) {
            // It went with another one, or the machine has taken it away at this moment.
            Ok(()) | Err(Errno::EINVAL | Errno::ENOENT) => {}
            Err(error) => panic!("detach {point}: {error}"),
        }
    }
}

/// Nobody in here can reach the machine's name servers, and some tools ask them first and wait:
/// an empty list is answered at once.
fn without_name_servers() {
    let list = Path::new("/etc/resolv.conf");
    // With systemd-resolved it is a link into the old /run, and leads nowhere by now.
    if list.exists() {
        fs::write("/run/resolv.conf", "").expect("a file in a new tmpfs");
        mount_on("/run/resolv.conf", "/etc/resolv.conf", None, MsFlags::MS_BIND, "");
    }
}

/// The kernel has one such setting for all tests, and for the real machine: a file stands for it.
fn without_hurry() {
    fs::write("/run/rcu_expedited", "0\n").expect("a file in a new tmpfs");
    mount_on("/run/rcu_expedited", HURRY, None, MsFlags::MS_BIND, "");
}

fn mount_on(source: &str, target: &str, kind: Option<&str>, flags: MsFlags, options: &str) {
    let options = CString::new(options).expect("mount options are plain text");
    mount(Some(source), Path::new(target), kind, flags, Some(options.as_c_str()))
        .unwrap_or_else(|error| panic!("mount on {target}: {error}"));
}
