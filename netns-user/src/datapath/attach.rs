//! Attaches programs to links and to the root control group, and replaces them in place.

use std::{
    fs,
    fs::File,
    path::{Path, PathBuf},
};

use aya::{
    Ebpf,
    programs::{
        CgroupAttachMode, CgroupSockAddr, LinkOrder, ProgramError, SchedClassifier, TcAttachType,
        links::{FdLink, PinnedLink},
        tc::{SchedClassifierLink, TcAttachOptions},
    },
};
use netns_common::abi::programs;
use nix::sys::statfs::{CGROUP2_SUPER_MAGIC, statfs};

use super::{
    error::{DatapathError, program_error},
    load_retry::load_retry,
    object::{classifier, missing, note_port},
    pins::Pins,
};

/// A hook where a classifier runs.
#[derive(Clone, Copy, Debug)]
pub(super) struct Hook {
    pub(super) program: &'static str,
    pub(super) direction: TcAttachType,
}

/// The hook on the host side of a cable.
pub(super) const CABLE: Hook =
    Hook { program: programs::FROM_NAMESPACE, direction: TcAttachType::Ingress };

/// The hooks on an uplink. The guard is attached first, so that no packet leaves while the others
/// are being attached.
pub(super) const UPLINK: [Hook; 2] = [
    Hook { program: programs::TO_UPLINK, direction: TcAttachType::Egress },
    Hook { program: programs::FROM_UPLINK, direction: TcAttachType::Ingress },
];

/// Attaches a classifier to an interface and pins the link.
pub(super) fn attach(
    object: &mut Ebpf,
    pins: &Pins,
    hook: Hook,
    interface: &str,
    index: u32,
) -> Result<(), DatapathError> {
    let program = classifier(object, hook.program)?;
    let error = program_error(hook.program);
    // The name is resolved in this thread's namespace; the pin is named by the index.
    let order = TcAttachOptions::TcxOrder(LinkOrder::default());
    let id = program.attach_with_options(interface, hook.direction, order).map_err(error)?;
    let link = program.take_link(id).map_err(error)?;
    pin_classifier(link, hook.program, &pins.link(hook.program, index))?;
    if hook.program == CABLE.program { note_port(object, index) } else { Ok(()) }
}

fn pin_classifier(
    link: SchedClassifierLink,
    program: &'static str,
    path: &Path,
) -> Result<(), DatapathError> {
    let link: FdLink = link.try_into().map_err(|error| link_error(program, path, error))?;
    link.pin(path).map_err(|error| link_error(program, path, error))?;
    Ok(())
}

fn link_error(program: &'static str, path: &Path, error: impl std::fmt::Display) -> DatapathError {
    DatapathError::Link { program, path: path.to_owned(), message: error.to_string() }
}

/// Replaces the program behind each pinned classifier link. No packet goes unfiltered: the
/// kernel swaps the program of a link atomically.
pub(super) fn replace_classifiers(
    object: &mut Ebpf,
    pins: &Pins,
    variant: Variant,
) -> Result<(), DatapathError> {
    for (name, logged) in programs::LOGGED {
        let program = classifier(
            object,
            match variant {
                Variant::Silent => name,
                Variant::Logged => logged,
            },
        )?;
        for path in pinned_links(pins, name)? {
            replace(program, name, &path)?;
        }
    }
    Ok(())
}

/// Replaces the program on the link to the reassembler.
pub(super) fn replace_reassembler(object: &mut Ebpf, pins: &Pins) -> Result<(), DatapathError> {
    let name = programs::FROM_REASSEMBLER;
    let program = classifier(object, name)?;
    pinned_links(pins, name)?.iter().try_for_each(|path| replace(program, name, path))
}

/// The two variants of each classifier.
#[derive(Clone, Copy, Debug)]
pub(super) enum Variant {
    Silent,
    /// Writes a line for each packet.
    Logged,
}

fn replace(
    program: &mut SchedClassifier,
    name: &'static str,
    path: &Path,
) -> Result<(), DatapathError> {
    let error = program_error(name);
    let pinned = PinnedLink::from_pin(path).map_err(|error| link_error(name, path, error))?;
    let link = SchedClassifierLink::try_from(FdLink::from(pinned))
        .map_err(|error| link_error(name, path, error))?;
    match program.attach_to_link(link) {
        // The pin holds the link; this handle is not needed.
        Ok(id) => program.take_link(id).map(drop).map_err(error),
        // Its interface was deleted: the pin outlived the link.
        Err(ProgramError::SyscallError(failed))
            if failed.io_error.raw_os_error() == Some(libc::ENOLINK) =>
        {
            fs::remove_file(path)
                .map_err(|cause| super::pins::pin_error("remove the pin", path, cause))
        }
        Err(cause) => Err(error(cause)),
    }
}

/// The ids of the programs that are attached by the links of `program`.
pub(super) fn attached_programs(
    pins: &Pins,
    program: &'static str,
) -> Result<Vec<u32>, DatapathError> {
    let id = |path: PathBuf| {
        let error = |error| link_error(program, &path, error);
        let link = FdLink::from(PinnedLink::from_pin(&path).map_err(error)?);
        Ok(link.info().map_err(error)?.program_id())
    };
    pinned_links(pins, program)?.into_iter().map(id).collect()
}

/// Removes all pins of links. Closing the last handle on a link waits until it is detached; if a
/// pin was the last reference, the kernel detaches the link in the background.
pub(super) fn detach_all(pins: &Pins) {
    for entry in fs::read_dir(pins.links()).into_iter().flatten().flatten() {
        // Anything that is no link is deleted with the folder.
        let _ = PinnedLink::from_pin(entry.path()).map(PinnedLink::unpin);
    }
}

/// The pinned links of one program.
pub(super) fn pinned_links(pins: &Pins, program: &str) -> Result<Vec<PathBuf>, DatapathError> {
    let folder = pins.links();
    let error = |cause| super::pins::pin_error("read the folder", &folder, cause);
    let mut links = Vec::new();
    for entry in fs::read_dir(&folder).map_err(error)? {
        let path = entry.map_err(error)?.path();
        let is_its = path
            .file_name()
            .and_then(|name| name.to_str()?.rsplit_once('-'))
            .is_some_and(|(name, _)| name == program);
        if is_its {
            links.push(path);
        }
    }
    Ok(links)
}

/// Attaches the socket hooks to the root control group. They check the namespace of each socket and
/// ignore all but the router's.
pub(super) fn attach_socket_hooks(object: &mut Ebpf, pins: &Pins) -> Result<(), DatapathError> {
    let path = cgroup2()?;
    let cgroup = File::open(&path).map_err(|cause| DatapathError::Cgroup { path, cause })?;
    for name in programs::SOCKET_HOOKS {
        let error = program_error(name);
        let program = object.program_mut(name).ok_or_else(|| missing(name))?;
        let program: &mut CgroupSockAddr = program.try_into().map_err(error)?;
        load_retry(|| program.load()).map_err(error)?;
        // Several links on one group never replace each other; the flag is for the older interface.
        let id = program.attach(&cgroup, CgroupAttachMode::Single).map_err(error)?;
        let link = program.take_link(id).map_err(error)?;
        let pin = pins.link(name, 0);
        let link: FdLink = link.try_into().map_err(|error| link_error(name, &pin, error))?;
        link.pin(&pin).map_err(|error| link_error(name, &pin, error))?;
    }
    Ok(())
}

/// The path of the version 2 hierarchy. Another file system may be mounted over it: then it is not
/// reachable.
pub(super) fn cgroup2() -> Result<PathBuf, DatapathError> {
    let mounts = fs::read_to_string("/proc/self/mounts")
        .map_err(|cause| DatapathError::System { what: "read /proc/self/mounts", cause })?;
    let fields = mounts.lines().map(|line| line.split(' ').collect::<Vec<_>>());
    let all = fields
        .filter(|fields| fields.get(2) == Some(&"cgroup2"))
        .filter_map(|fields| fields.get(1).map(PathBuf::from));
    let all: Vec<PathBuf> = all.collect();
    let is_reached = |path: &&PathBuf| {
        statfs(path.as_path()).is_ok_and(|stat| stat.filesystem_type() == CGROUP2_SUPER_MAGIC)
    };
    match (all.iter().find(is_reached), all.first()) {
        (Some(path), _) => Ok(path.clone()),
        (None, Some(hidden)) => Err(DatapathError::HiddenCgroup2(hidden.clone())),
        (None, None) => Err(DatapathError::NoCgroup2),
    }
}
