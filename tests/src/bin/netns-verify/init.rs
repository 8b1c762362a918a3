//! What the first process of a machine has to do.

use std::{convert::Infallible, fs, path::Path};

use nix::{
    mount::{MsFlags, mount},
    sys::reboot::{RebootMode, reboot},
};

/// Kinds of file systems that the programs and the library look into, and their places.
const MOUNTS: [(&str, &str); 6] = [
    ("proc", "/proc"),
    ("sysfs", "/sys"),
    ("devtmpfs", "/dev"),
    ("tmpfs", "/run"),
    ("bpf", "/sys/fs/bpf"),
    ("cgroup2", "/sys/fs/cgroup"),
];

/// Mounts what a system mounts when it starts. What cannot be mounted is told of; whether it is
/// missed shows.
pub(crate) fn mount_all() {
    for (kind, place) in MOUNTS {
        let place = Path::new(place);
        // In /sys the kernel makes them.
        let _ = fs::create_dir(place);
        if let Err(error) = mount(Some(kind), place, Some(kind), MsFlags::empty(), None::<&str>) {
            println!("{}: {error}", place.display());
        }
    }
}

/// Ends the machine.
pub(crate) fn power_off() -> Infallible {
    match reboot(RebootMode::RB_POWER_OFF) {
        Ok(never) => never,
        // The kernel panics when its first process ends, and with panic=-1 that ends it too.
        Err(error) => panic!("cannot power off: {error}"),
    }
}
