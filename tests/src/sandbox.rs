//! The sandbox: a machine of its own for each test.

use std::{
    ffi::CString,
    fs::{self, File},
    io,
    marker::PhantomData,
    os::fd::OwnedFd,
    path::Path,
};

use netns_user::net::Netlink;
use nix::{
    errno::Errno,
    mount::{MntFlags, MsFlags, mount, umount2},
    sched::{CloneFlags, setns, unshare},
    unistd::geteuid,
};

use crate::{own, wait::DEADLINE};

/// The kernel setting that makes RCU grace periods short.
pub const RCU_EXPEDITED: &str = "/sys/kernel/rcu_expedited";

/// Puts the calling thread into new mount and network namespaces with an empty /run/netns, an empty
/// bpffs, only a loopback interface, and a copy of /etc without name servers. This is the machine
/// that a test talks about; the real one is never touched. Names cannot clash between tests that
/// run in parallel. When the last process and thread in the sandbox end, the kernel removes
/// everything, also after a panic.
#[derive(Debug)]
pub struct Sandbox {
    mounts: OwnedFd,
    network: OwnedFd,
    /// Namespaces belong to the thread that has entered them.
    not_send: PhantomData<*const ()>,
}

impl Sandbox {
    /// Makes a sandbox.
    ///
    /// # Panics
    /// Without root: a test that cannot run must not pass.
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
        // A mount point of its own, as `ip netns` makes it with the first namespace. Otherwise the
        // first namespace would leave more mounts behind than the second.
        fs::create_dir("/run/netns").expect("/run/netns");
        mount_on("tmpfs", "/run/netns", Some("tmpfs"), MsFlags::empty(), "mode=755");
        mount_on("bpf", "/sys/fs/bpf", Some("bpf"), MsFlags::empty(), "mode=700");
        private_etc();
        without_name_servers();
        replace_rcu_expedited();
        Netlink::open()
            .and_then(|netlink| netlink.set_up(&netlink.link("lo")?))
            .expect("the loopback can be switched on");
        sandbox
    }

    /// Makes the real [`RCU_EXPEDITED`] visible again, for the benchmark: it measures times and
    /// runs alone.
    pub fn with_rcu_expedited(&self) {
        umount2(RCU_EXPEDITED, MntFlags::MNT_DETACH).expect("the file that stands for the setting");
    }

    /// Removes /sys/fs/bpf so that no one can mount it again; cgroups stay.
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

    /// Gives the machine an uplink to the namespace `outside`, which has 192.168.1.1: as on a real
    /// machine, where the lab does not make the uplink.
    pub fn with_uplink(&self, uplink: &str) {
        let ip = |line: &str| {
            own().command("ip", &line.split(' ').collect::<Vec<_>>()).success();
        };
        // An IPv6 address becomes valid some time after its link is up, and would be a difference
        // between two snapshots.
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
            // A thread that shares its working folder with others cannot enter a mount namespace.
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

/// Unmounts everything below the real machine's /run: its named namespaces, its containers. The new
/// /run hides these mounts, but the list of mounts still shows them, and it changes whenever the
/// machine deletes such a namespace.
fn without_mounts_below_run() {
    let table = fs::read_to_string("/proc/thread-self/mountinfo").expect("the mounts");
    let points = table.lines().filter_map(|line| line.split(' ').nth(4));
    let below: Vec<&str> = points.filter(|point| point.starts_with("/run/")).collect();
    // The last mounts lie on top of the others.
    for point in below.into_iter().rev() {
        match umount2(point, MntFlags::MNT_DETACH) {
            // It disappeared with another mount, or the machine has just removed it.
            Ok(()) | Err(Errno::EINVAL | Errno::ENOENT) => {}
            Err(error) => panic!("detach {point}: {error}"),
        }
    }
}

/// Makes /etc writable without changing the real machine's: a lab makes files in /etc/netns.
fn private_etc() {
    for folder in ["/run/etc-upper", "/run/etc-work"] {
        fs::create_dir(folder).expect("a folder in a new tmpfs");
    }
    let options = "lowerdir=/etc,upperdir=/run/etc-upper,workdir=/run/etc-work";
    mount_on("overlay", "/etc", Some("overlay"), MsFlags::empty(), options);
    // A lab of the real machine is none of the test's.
    match fs::remove_dir_all("/etc/netns") {
        Err(error) if error.kind() != io::ErrorKind::NotFound => panic!("/etc/netns: {error}"),
        _ => {}
    }
}

/// Empties the list of name servers. None of them is reachable from the sandbox, and some tools
/// would query them and wait.
fn without_name_servers() {
    let list = Path::new("/etc/resolv.conf");
    // With systemd-resolved it is a link into the old /run, which is hidden now.
    if list.exists() {
        fs::write(list, "").expect("a file in a private /etc");
    }
}

/// Puts a plain file in the place of [`RCU_EXPEDITED`], since the kernel has only one such setting
/// for all tests and the real machine.
fn replace_rcu_expedited() {
    fs::write("/run/rcu_expedited", "0\n").expect("a file in a new tmpfs");
    mount_on("/run/rcu_expedited", RCU_EXPEDITED, None, MsFlags::MS_BIND, "");
}

fn mount_on(source: &str, target: &str, kind: Option<&str>, flags: MsFlags, options: &str) {
    let options = CString::new(options).expect("mount options are plain text");
    mount(Some(source), Path::new(target), kind, flags, Some(options.as_c_str()))
        .unwrap_or_else(|error| panic!("mount on {target}: {error}"));
}
