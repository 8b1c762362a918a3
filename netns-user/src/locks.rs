//! Locks between processes. A wait is reported, and is limited.

use std::{
    fmt,
    fs::{File, TryLockError},
    io,
    os::unix::fs::MetadataExt as _,
    sync::mpsc::{RecvTimeoutError, channel},
    thread,
    time::{Duration, Instant},
};

use nix::sys::stat::{major, minor};
use procfs::{Lock, LockType, process::Process};

use crate::processes::command_of;

/// How often a waiting process checks whether the lock is still wanted.
const GLANCE: Duration = Duration::from_millis(100);

/// How long to wait for a lock.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Patience {
    /// After this, the holder of the lock is reported.
    pub(crate) silence: Duration,
    /// After this, the wait ends with an error.
    pub(crate) limit: Duration,
}

impl Patience {
    pub(crate) const USUAL: Self =
        Self { silence: Duration::from_secs(1), limit: Duration::from_secs(60) };
}

/// The reason why a lock was not acquired.
#[derive(Debug)]
pub(crate) enum LockError {
    /// Another process held the lock during the whole wait.
    Held(Option<Holder>),
    /// A signal ended the wait.
    Interrupted,
    Io(io::Error),
}

impl From<LockError> for io::Error {
    fn from(error: LockError) -> Self {
        match error {
            LockError::Held(holder) => {
                let who = holder.map_or_else(|| "another process".to_owned(), |it| it.to_string());
                Self::other(format!("{who} holds the lock"))
            }
            LockError::Interrupted => Self::from(io::ErrorKind::Interrupted),
            LockError::Io(error) => error,
        }
    }
}

/// A process that holds a lock.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    pub pid: i32,
    /// Empty if it cannot be read.
    pub command: String,
}

impl fmt::Display for Holder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {}", self.pid)?;
        if self.command.is_empty() { Ok(()) } else { write!(f, " ({})", self.command) }
    }
}

/// Locks a file exclusively. `tell` is called once if the wait takes long, and `goes_on` says
/// whether the lock is still wanted.
///
/// # Errors
/// See [`LockError`].
pub(crate) fn lock(
    file: File,
    patience: Patience,
    tell: impl FnOnce(Option<&Holder>),
    goes_on: impl Fn() -> bool,
) -> Result<File, LockError> {
    match file.try_lock() {
        Ok(()) => return Ok(file),
        Err(TryLockError::WouldBlock) => {}
        Err(TryLockError::Error(error)) => return Err(LockError::Io(error)),
    }
    let watched = file.try_clone().map_err(LockError::Io)?;
    let (sender, locked) = channel();
    // After an error nobody receives the locked file: it is then unlocked at once.
    thread::Builder::new()
        .name("lock".into())
        .spawn(move || {
            let done = file.lock().map(|()| file);
            let _ = sender.send(done);
        })
        .map_err(LockError::Io)?;
    let begin = Instant::now();
    let mut tell = Some(tell);
    loop {
        match locked.recv_timeout(GLANCE.min(patience.limit)) {
            Ok(done) => return done.map_err(LockError::Io),
            Err(RecvTimeoutError::Disconnected) => {
                return Err(LockError::Io(io::Error::other("the waiting thread has ended")));
            }
            Err(RecvTimeoutError::Timeout) if !goes_on() => return Err(LockError::Interrupted),
            Err(RecvTimeoutError::Timeout) => {}
        }
        if begin.elapsed() >= patience.limit {
            return Err(LockError::Held(holder(&watched)));
        }
        if begin.elapsed() >= patience.silence
            && let Some(tell) = tell.take()
        {
            tell(holder(&watched).as_ref());
        }
    }
}

/// Whether another process has the lock now.
pub(crate) fn is_held(file: &File) -> bool {
    matches!(file.try_lock_shared(), Err(TryLockError::WouldBlock))
}

/// The process that has the lock of a file, if the kernel shows it.
fn holder(file: &File) -> Option<Holder> {
    let data = file.metadata().ok()?;
    let file_id = (major(data.dev()), minor(data.dev()), data.ino());
    let is_its = |lock: &Lock| {
        (u64::from(lock.devmaj), u64::from(lock.devmin), lock.inode) == file_id
            && matches!(lock.lock_type, LockType::FLock)
    };
    // The kernel lists waiting processes after the holder.
    let pid = procfs::locks().ok()?.into_iter().find(is_its)?.pid?;
    // 0 stands for a process of another PID namespace.
    let pid = Some(pid).filter(|pid| *pid > 0)?;
    let command = Process::new(pid).and_then(|process| command_of(&process)).unwrap_or_default();
    Some(Holder { pid, command })
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    fn file(name: &str) -> (std::path::PathBuf, File) {
        let path = std::env::temp_dir().join(format!("netns-{}-{name}", std::process::id()));
        let file = File::create(&path).unwrap();
        (path, file)
    }

    const SHORT: Patience =
        Patience { silence: Duration::from_millis(1), limit: Duration::from_millis(300) };

    #[test]
    fn a_free_lock_is_acquired_silently() {
        let (path, one) = file("free");
        lock(one, Patience::USUAL, |_| panic!("nobody has it"), || true).unwrap();
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn the_holder_of_a_lock_is_named_and_waited_for_until_the_limit() {
        let (path, held) = file("held");
        held.lock().unwrap();
        let told = RefCell::new(None);
        let another = File::open(&path).unwrap();
        assert!(is_held(&another));
        let tell = |holder: Option<&Holder>| *told.borrow_mut() = holder.cloned();
        let refused = lock(another, SHORT, tell, || true).unwrap_err();
        let own = i32::try_from(std::process::id()).unwrap();
        let LockError::Held(Some(holder)) = refused else { panic!("{refused:?}") };
        assert_eq!(holder.pid, own);
        assert!(holder.command.starts_with(&std::env::args().next().unwrap()), "{holder}");
        assert_eq!(told.into_inner(), Some(holder));
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn a_released_lock_is_acquired() {
        let (path, held) = file("freed");
        held.lock().unwrap();
        let another = File::open(&path).unwrap();
        let patience = Patience { silence: Duration::ZERO, ..Patience::USUAL };
        lock(another, patience, |_| held.unlock().unwrap(), || true).unwrap();
        std::fs::remove_file(path).unwrap();
    }

    #[test]
    fn a_cancelled_wait_ends() {
        let (path, held) = file("unwanted");
        held.lock().unwrap();
        let another = File::open(&path).unwrap();
        let ended = lock(another, Patience::USUAL, |_| {}, || false);
        assert!(matches!(ended, Err(LockError::Interrupted)), "{ended:?}");
        std::fs::remove_file(path).unwrap();
    }
}
