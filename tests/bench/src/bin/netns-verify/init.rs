//! The duties of the first process of a machine: mount file systems, power off.

use std::{convert::Infallible, fs, path::Path};

use nix::{
    mount::{MsFlags, mount},
    sys::reboot::{RebootMode, reboot},
};

/// File systems that the programs and the library read, and their mount points.
const MOUNTS: [(&str, &str); 6] = [
    ("proc", "/proc"),
    ("sysfs", "/sys"),
    ("devtmpfs", "/dev"),
    ("tmpfs", "/run"),
    ("bpf", "/sys/fs/bpf"),
    ("cgroup2", "/sys/fs/cgroup"),
];

/// Mounts the file systems that an init system mounts. A failure is only printed: not every kernel
/// has them all, and a missing one that matters shows later.
pub(crate) fn mount_all() {
    for (kind, place) in MOUNTS {
        let place = Path::new(place);
        // Below /sys the kernel makes the mount points itself.
        let _ = fs::create_dir(place);
        if let Err(error) = mount(Some(kind), place, Some(kind), MsFlags::empty(), None::<&str>) {
            println!("{}: {error}", place.display());
        }
    }
}

/// Powers the machine off.
pub(crate) fn power_off() -> Infallible {
    match reboot(RebootMode::RB_POWER_OFF) {
        Ok(never) => never,
        // The kernel panics when its first process ends, and with panic=-1 it then reboots.
        Err(error) => panic!("cannot power off: {error}"),
    }
}
