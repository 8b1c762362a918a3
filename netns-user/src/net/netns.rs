//! Named network namespaces: files in /run/netns, the same that `ip netns` uses.
//!
//! A namespace is made without a fork: a thread leaves its namespace for a new one and binds that
//! to the file. The thread ends there, or returns at once, so no other code is affected.

use std::{
    ffi::OsStr,
    fs::{self, File, OpenOptions},
    io,
    marker::PhantomData,
    os::{
        fd::{AsFd, AsRawFd},
        unix::{
            ffi::OsStrExt as _,
            fs::{MetadataExt, OpenOptionsExt},
        },
    },
    panic,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use nix::{
    errno::Errno,
    mount::{MntFlags, MsFlags, mount, umount2},
    sched::{CloneFlags, setns, unshare},
    sys::statfs::{FsType, fstatfs},
};

pub use netns_topology::topology::namespace_fault as name_fault;
use socket2::{Domain, Socket, Type};

use super::error::NetError;
use crate::{
    files::make_folder,
    locks::{self, LockError, Patience},
    output::text_of_bytes,
};

/// The folder of named namespaces, the same as that of iproute2.
pub const DIRECTORY: &str = "/run/netns";

/// How long another process may take to mount that folder.
const PATIENCE: Patience = Patience { silence: Duration::MAX, limit: Duration::from_secs(10) };

/// The file system of namespaces (`NSFS_MAGIC` of linux/magic.h).
const NSFS_MAGIC: FsType = FsType(0x6e73_6673);

/// The calling thread's own namespace.
const OWN: &str = "/proc/thread-self/ns/net";

/// The file that holds the namespace `name`. A name that is not UTF-8 has the escaped form that
/// [`list`] returns, unless another namespace has exactly that name.
pub fn path(name: &str) -> PathBuf {
    let path = Path::new(DIRECTORY).join(name);
    match bytes_of_text(name) {
        Some(bytes) if !path.exists() => Path::new(DIRECTORY).join(OsStr::from_bytes(&bytes)),
        _ => path,
    }
}

/// The bytes of a name that was escaped ([`text_of_bytes`]), if it was. Only bytes beyond ASCII are
/// escaped there, so no name can lead out of the folder.
fn bytes_of_text(text: &str) -> Option<Vec<u8>> {
    let mut parts = text.split("\\x");
    let mut bytes = parts.next()?.as_bytes().to_vec();
    let begin = bytes.len();
    for part in parts {
        let (number, rest) = part.split_at_checked(2)?;
        bytes.push(u8::from_str_radix(number, 16).ok().filter(|byte| !byte.is_ascii())?);
        bytes.extend(rest.as_bytes());
    }
    (bytes.len() > begin).then_some(bytes)
}

/// Makes a namespace. Its only link is `lo`, which is down.
///
/// # Errors
/// When the name is invalid or taken, or the kernel refuses.
pub fn create(name: &str) -> Result<(), NetError> {
    create_and(name, || ())
}

/// Makes a namespace and runs `work` on a thread inside it.
///
/// # Errors
/// As [`create`]; then `work` has not run.
pub fn create_and<T: Send>(name: &str, work: impl FnOnce() -> T + Send) -> Result<T, NetError> {
    on_thread(|| leave_for_new(name, work))
}

/// Makes many namespaces from the calling thread, which returns from each.
#[derive(Debug)]
pub struct Maker {
    home: File,
}

impl Maker {
    /// The calling thread will return to the namespace that it is in now.
    ///
    /// # Errors
    /// As [`open_own`].
    pub fn new() -> Result<Self, NetError> {
        Ok(Self { home: open_own()? })
    }

    /// As the function [`create_and`].
    ///
    /// # Errors
    /// As [`create_and`]; and when the thread cannot return: then it must not be used any more.
    pub fn create_and<T>(&self, name: &str, work: impl FnOnce() -> T) -> Result<T, NetError> {
        let made = leave_for_new(name, work);
        setns(self.home.as_fd(), CloneFlags::CLONE_NEWNET).map_err(|error| {
            NetError::refused(format!("return from namespace \"{name}\""), error)
        })?;
        made
    }
}

/// Moves the calling thread into a new namespace of that name and runs `work` there.
fn leave_for_new<T>(name: &str, work: impl FnOnce() -> T) -> Result<T, NetError> {
    check_name(name)?;
    let action = || format!("create namespace \"{name}\"");
    prepare_directory()?;
    let file = path(name);
    match OpenOptions::new().write(true).create_new(true).mode(0o444).open(&file) {
        Ok(_) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            return Err(NetError::NamespaceExists(name.to_owned()));
        }
        Err(error) => return Err(NetError::refused(action(), error)),
    }
    let bind = || mount(Some(OWN), &file, None::<&str>, MsFlags::MS_BIND, None::<&str>);
    unshare(CloneFlags::CLONE_NEWNET).and_then(|()| bind()).map_err(|error| {
        // A file without a namespace would block the name.
        let _ = fs::remove_file(&file);
        NetError::refused(action(), error)
    })?;
    Ok(work())
}

/// Runs `work` on a thread inside the namespace `name`. `work` may build its own tokio
/// `current_thread` runtime.
///
/// # Errors
/// When there is no such namespace or it cannot be entered; then `work` has not run.
pub fn run_in<T: Send>(name: &str, work: impl FnOnce() -> T + Send) -> Result<T, NetError> {
    let file = open(name)?;
    on_thread(|| {
        set(&file, name)?;
        Ok(work())
    })
}

/// Runs `work` on a thread in a new namespace without a name. The namespace is deleted when `work`
/// ends.
///
/// # Errors
/// When the kernel refuses; then `work` has not run.
pub fn run_in_new<T: Send>(work: impl FnOnce() -> T + Send) -> Result<T, NetError> {
    on_thread(|| {
        unshare(CloneFlags::CLONE_NEWNET)
            .map_err(|error| NetError::refused("create a namespace", error))?;
        Ok(work())
    })
}

/// Moves the calling thread into the namespace `name`, for good.
///
/// # Errors
/// When there is no such namespace or it cannot be entered.
pub fn enter(name: &str) -> Result<(), NetError> {
    set(&open(name)?, name)
}

/// Opens the file of the namespace `name`, which keeps the namespace alive.
///
/// # Errors
/// When the name is invalid or there is no such namespace.
pub fn open(name: &str) -> Result<File, NetError> {
    check_name(name)?;
    File::open(path(name)).map_err(|error| match error.kind() {
        io::ErrorKind::NotFound => NetError::NoNamespace(name.to_owned()),
        _ => NetError::refused(format!("open namespace \"{name}\""), error),
    })
}

/// Opens the calling thread's own namespace.
///
/// # Errors
/// When /proc is not there.
pub fn open_own() -> Result<File, NetError> {
    File::open(OWN).map_err(|error| NetError::refused(format!("open {OWN}"), error))
}

/// Whether `name` is a name of the calling thread's own namespace.
pub fn is_own(name: &str) -> bool {
    let own = fs::metadata(OWN).map(|data| (data.dev(), data.ino()));
    own.is_ok_and(|own| identity(name).is_ok_and(|named| named == own))
}

/// Device and inode of a namespace's file. They distinguish the namespace from all others that
/// exist now; the kernel may reuse them for a later one.
pub type Identity = (u64, u64);

/// The identity of the namespace `name`, if there is one.
///
/// # Errors
/// When the kernel does not tell, for example with too few open files allowed.
pub(crate) fn identity_if_present(name: &str) -> Result<Option<Identity>, NetError> {
    match identity(name) {
        Err(error) if error.is_absence() => Ok(None),
        found => found.map(Some),
    }
}

/// The identity of the namespace `name`.
///
/// # Errors
/// When the name is invalid, there is no such namespace, its file has none, or the kernel refuses.
pub fn identity(name: &str) -> Result<Identity, NetError> {
    let file = open(name)?;
    let refused =
        |error: io::Error| NetError::refused(format!("identify namespace \"{name}\""), error);
    if fstatfs(&file).map_err(|error| refused(error.into()))?.filesystem_type() != NSFS_MAGIC {
        return Err(NetError::DeadNamespace(name.to_owned()));
    }
    let data = file.metadata().map_err(refused)?;
    Ok((data.dev(), data.ino()))
}

/// Deletes the name of a namespace. The kernel deletes the namespace itself and its links in the
/// background, as soon as no process is left in it.
///
/// # Errors
/// When there is no such namespace or the kernel refuses.
pub fn delete(name: &str) -> Result<(), NetError> {
    check_name(name)?;
    let file = path(name);
    match umount2(&file, MntFlags::MNT_DETACH) {
        // EINVAL: no namespace is bound to the file; a process that was killed has left it.
        Ok(()) | Err(Errno::EINVAL) => {}
        Err(Errno::ENOENT) => return Err(NetError::NoNamespace(name.to_owned())),
        Err(error) => {
            return Err(NetError::refused(format!("unmount namespace \"{name}\""), error));
        }
    }
    fs::remove_file(&file)
        .map_err(|error| NetError::refused(format!("delete namespace \"{name}\""), error))
}

/// Visits namespaces one after another, all on one thread.
#[derive(Debug)]
pub struct Visitor {
    /// Keeps the value on its thread, which moves from namespace to namespace.
    _thread: PhantomData<*const ()>,
}

impl Visitor {
    /// Runs `work` on a thread that may enter namespaces, and that ends afterwards.
    pub fn send<T: Send>(work: impl FnOnce(&Self) -> T + Send) -> T {
        on_thread(|| work(&Self { _thread: PhantomData }))
    }

    /// Runs `work` inside the namespace `name`.
    ///
    /// # Errors
    /// As [`enter`]; then `work` has not run.
    pub fn look<T>(&self, name: &str, work: impl FnOnce() -> T) -> Result<T, NetError> {
        enter(name)?;
        Ok(work())
    }

    /// The cookie of the namespace `name`, which no other namespace ever has.
    ///
    /// # Errors
    /// As [`enter`], or when the kernel refuses.
    pub fn cookie(&self, name: &str) -> Result<u64, NetError> {
        self.look(name, own_cookie)?
    }
}

/// The cookie of the calling thread's namespace (`SO_NETNS_COOKIE`, kernel 5.14). Unlike the inode
/// of its file, it is never reused.
///
/// # Errors
/// When the kernel refuses.
pub fn own_cookie() -> Result<u64, NetError> {
    let refused = |error| NetError::refused("read the cookie of the namespace", error);
    let socket = Socket::new(Domain::UNIX, Type::DGRAM, None).map_err(refused)?;
    let mut cookie = 0_u64;
    let mut length = libc::socklen_t::try_from(size_of_val(&cookie)).unwrap_or(0);
    // SAFETY: the socket is open, and value and length are those of `cookie`.
    let code = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_NETNS_COOKIE,
            (&raw mut cookie).cast(),
            &raw mut length,
        )
    };
    if code == 0 { Ok(cookie) } else { Err(refused(io::Error::last_os_error())) }
}

/// Whether the name is taken in /run/netns.
pub fn exists(name: &str) -> bool {
    name_fault(name).is_none() && path(name).exists()
}

/// The names of all namespaces, sorted.
///
/// # Errors
/// When /run/netns cannot be read. If it does not exist, there are no namespaces.
pub fn list() -> Result<Vec<String>, NetError> {
    let action = || format!("list {DIRECTORY}");
    let entries = match fs::read_dir(DIRECTORY) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(NetError::refused(action(), error)),
    };
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| NetError::refused(action(), error))?;
        names.push(text_of_bytes(entry.file_name().as_bytes()));
    }
    names.sort_unstable();
    Ok(names)
}

fn set(file: &File, name: &str) -> Result<(), NetError> {
    setns(file.as_fd(), CloneFlags::CLONE_NEWNET).map_err(|error| match error {
        Errno::EINVAL => NetError::DeadNamespace(name.to_owned()),
        other => NetError::refused(format!("enter namespace \"{name}\""), other),
    })
}

/// Checks that `name` can name a namespace.
///
/// # Errors
/// When it cannot, with the reason.
pub fn check_name(name: &str) -> Result<(), NetError> {
    match name_fault(name) {
        None => Ok(()),
        Some(reason) => {
            Err(NetError::BadNamespaceName { name: name.to_owned(), reason: reason.to_owned() })
        }
    }
}

/// Makes /run/netns a shared mount point, as iproute2 does: names are then added and removed in all
/// mount namespaces.
fn prepare_directory() -> Result<(), NetError> {
    let action = || format!("prepare {DIRECTORY}");
    make_folder(Path::new(DIRECTORY)).map_err(|error| NetError::refused(action(), error))?;
    let share = || {
        let flags = MsFlags::MS_SHARED | MsFlags::MS_REC;
        mount(None::<&str>, DIRECTORY, None::<&str>, flags, None::<&str>)
    };
    let not_mounted = |shared: &nix::Result<()>| *shared == Err(Errno::EINVAL);
    let mut shared = share();
    if not_mounted(&shared) {
        // Two processes that find it unmounted would mount it twice. iproute2 takes the same lock.
        // Everybody else on the machine can take it too: so it is only taken here, and not waited
        // for without limit.
        let _lock = File::open(DIRECTORY)
            .map_err(LockError::Io)
            .and_then(|directory| locks::lock(directory, PATIENCE, |_| {}, || true))
            .map_err(|error| NetError::refused(action(), error))?;
        shared = share();
        if not_mounted(&shared) {
            let flags = MsFlags::MS_BIND | MsFlags::MS_REC;
            shared = mount(Some(DIRECTORY), DIRECTORY, None::<&str>, flags, None::<&str>)
                .and_then(|()| share());
        }
    }
    shared.map_err(|error| NetError::refused(action(), error))
}

/// Runs `work` on a new thread, whose namespace it may change, and passes a panic on.
fn on_thread<T: Send>(work: impl FnOnce() -> T + Send) -> T {
    thread::scope(|scope| scope.spawn(work).join())
        .unwrap_or_else(|cause| panic::resume_unwind(cause))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_that_is_not_utf8_is_found_by_its_escaped_form() {
        assert_eq!(bytes_of_text(&text_of_bytes(b"a\xff\xfeb")).unwrap(), b"a\xff\xfeb");
        for text in ["red", "", r"a\xzz", r"a\x", r"\x2e\x2e\x2fetc", r"a\xffb\x41"] {
            assert_eq!(bytes_of_text(text), None, "{text}");
        }
    }

    #[test]
    fn a_panic_on_the_thread_reaches_the_caller() {
        let caught = panic::catch_unwind(|| on_thread(|| panic!("from within")));
        assert_eq!(caught.unwrap_err().downcast_ref::<&str>(), Some(&"from within"));
    }
}
