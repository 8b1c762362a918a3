//! The duties of the first process of a machine: mount file systems, load modules, power off.

use std::{
    convert::Infallible,
    fs::{self, File},
    io,
    path::{Path, PathBuf},
};

use nix::{
    kmod::{ModuleInitFlags, finit_module},
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

/// The kernel's modules, in the order of their names.
const MODULES: &str = "/modules";

/// Set bits say that the kernel has died in an oops (7) or has warned of a fault of its own (9)
/// (Documentation/admin-guide/tainted-kernels.rst).
const TAINTED: &str = "/proc/sys/kernel/tainted";
const OOPS_OR_WARNING: u64 = 1 << 7 | 1 << 9;

/// Mounts the file systems that an init system mounts, and loads the modules. A failure is only
/// printed: not every kernel has them all, and a missing one that matters shows later.
pub(crate) fn prepare() {
    for (kind, place) in MOUNTS {
        let place = Path::new(place);
        // Below /sys the kernel makes the mount points itself.
        let _ = fs::create_dir(place);
        if let Err(error) = mount(Some(kind), place, Some(kind), MsFlags::empty(), None::<&str>) {
            println!("{}: {error}", place.display());
        }
    }
    match modules() {
        Ok(modules) => modules.iter().for_each(|module| load(module)),
        Err(error) => println!("{MODULES}: {error}"),
    }
}

fn modules() -> io::Result<Vec<PathBuf>> {
    let entries = fs::read_dir(MODULES)?;
    let mut paths = entries.map(|entry| Ok(entry?.path())).collect::<io::Result<Vec<_>>>()?;
    paths.sort();
    Ok(paths)
}

fn load(module: &Path) {
    let loaded =
        File::open(module).and_then(|file| Ok(finit_module(&file, c"", ModuleInitFlags::empty())?));
    if let Err(error) = loaded {
        println!("{}: {error}", module.display());
    }
}

/// Whether the kernel has met no fault of its own. Otherwise prints its log.
pub(crate) fn kernel_is_content() -> bool {
    let state = fs::read_to_string(TAINTED).ok().and_then(|state| state.trim().parse().ok());
    let is_content = state.is_some_and(|state: u64| state & OOPS_OR_WARNING == 0);
    if !is_content {
        println!("the kernel reports a fault of its own ({TAINTED}: {state:?}). Its log:");
        print_kernel_log();
    }
    is_content
}

fn print_kernel_log() {
    use nix::{fcntl, sys::stat};
    let flags = fcntl::OFlag::O_RDONLY | fcntl::OFlag::O_NONBLOCK;
    let Ok(log) = fcntl::open("/dev/kmsg", flags, stat::Mode::empty()) else { return };
    let mut record = vec![0; 1 << 13];
    // A record each time; without a further one, an error.
    while let Ok(length) = nix::unistd::read(&log, &mut record) {
        print!("{}", String::from_utf8_lossy(&record[..length]));
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
