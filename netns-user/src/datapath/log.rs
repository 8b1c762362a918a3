//! The packet log: during a session the programs write a line for each packet.

use std::os::fd::{AsFd, BorrowedFd};

use aya::programs::loaded_programs;
use aya_log::EbpfLogger;
use netns_common::abi::programs;

use super::{
    Datapath,
    attach::{Variant, attached_programs, replace_classifiers},
    error::DatapathError,
    lock::FolderLock,
    object,
};

/// Bytes of a program's name that the kernel keeps (`BPF_OBJ_NAME_LEN` without the final zero).
const KERNEL_NAME: usize = 15;

/// A session, in which logging programs replace the silent ones.
///
/// The file descriptor is readable when there are lines; [`Self::flush`] passes them to the given
/// [`log::Log`]. [`Self::stop`] restores the silent programs.
#[derive(Debug)]
pub struct PacketLogSession {
    datapath: Datapath,
    logger: Logger,
    /// A lock on the folder of links: it is released when this process ends, in any way.
    lock: FolderLock,
    /// Whether the silent programs still have to be restored.
    is_on: bool,
}

struct Logger(EbpfLogger<Box<dyn log::Log>>);

impl std::fmt::Debug for Logger {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Logger")
    }
}

impl Datapath {
    /// Switches the packet log on; [`DatapathError::LogRuns`] when it is on already.
    pub fn log_packets(self, sink: Box<dyn log::Log>) -> Result<PacketLogSession, DatapathError> {
        let lock = FolderLock::attempt(&self.lab, &self.pins.links())?
            .ok_or_else(|| DatapathError::LogRuns(self.lab.clone()))?;
        let capacity = self.flow_capacity()?;
        let mut object = object::load(&self.pins, capacity)?;
        let logger = EbpfLogger::init_with_logger(&mut object, sink).map_err(|error| {
            DatapathError::System {
                what: "open the packet log",
                cause: std::io::Error::other(error.to_string()),
            }
        })?;
        let session =
            PacketLogSession { datapath: self, logger: Logger(logger), lock, is_on: true };
        object::put_report(&mut object, &session.datapath.pins)?;
        replace_classifiers(&mut object, &session.datapath.pins, Variant::Logged)?;
        Ok(session)
    }

    /// Restores the silent programs after a session that was killed.
    pub fn end_dead_log(&self) -> Result<(), DatapathError> {
        let end = || {
            if !self.is_logging()? {
                return Ok(());
            }
            // A process that has the lock is alive, and will restore them.
            match FolderLock::attempt(&self.lab, &self.pins.links())? {
                Some(_lock) => self.silence(),
                None => Ok(()),
            }
        };
        end().map_err(|error| {
            if self.pins.exist() { error } else { DatapathError::NotUp(self.lab.clone()) }
        })
    }

    /// Whether a program that logs is attached anywhere in the lab.
    pub fn is_logging(&self) -> Result<bool, DatapathError> {
        // Usually no program on the machine logs, and no link has to be checked. A program that is
        // unloaded in the meantime is not the lab's.
        let logging: Vec<u32> = loaded_programs()
            .filter_map(Result::ok)
            .filter(|program| is_logging_name(program.name()))
            .map(|program| program.id())
            .collect();
        if logging.is_empty() {
            return Ok(false);
        }
        for (name, _) in programs::LOGGED {
            if attached_programs(&self.pins, name)?.iter().any(|id| logging.contains(id)) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn silence(&self) -> Result<(), DatapathError> {
        let mut object = object::load(&self.pins, self.flow_capacity()?)?;
        replace_classifiers(&mut object, &self.pins, Variant::Silent)?;
        object::clear_report(&self.pins)
    }
}

/// Whether this is the name of a logging program, as the kernel stores it.
fn is_logging_name(name: &[u8]) -> bool {
    let kept = |name: &'static str| name.as_bytes().get(..KERNEL_NAME).unwrap_or(name.as_bytes());
    programs::LOGGED.iter().any(|(_, logged)| kept(logged) == name)
}

impl PacketLogSession {
    /// Passes the available lines to the sink.
    pub fn flush(&mut self) {
        self.logger.0.flush();
    }

    /// Switches the packet log off.
    pub fn stop(mut self) -> Result<(), DatapathError> {
        self.is_on = false;
        self.restore()
    }

    /// Whether the lab is still up. After `down` no packet is logged.
    pub fn is_lab_up(&self) -> bool {
        self.lock.is_in_place()
    }

    fn restore(&self) -> Result<(), DatapathError> {
        // After `down` there is nothing to restore.
        if !self.is_lab_up() {
            return Ok(());
        }
        match self.datapath.silence() {
            Err(_) if !self.is_lab_up() => Ok(()),
            result => result,
        }
    }
}

impl Drop for PacketLogSession {
    fn drop(&mut self) {
        if self.is_on {
            // This happens only after another error, which is the one to report.
            let _ = self.restore();
        }
    }
}

impl AsFd for PacketLogSession {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.logger.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn logging_programs_are_recognised_by_their_shortened_names() {
        for name in [&b"from_namespace_"[..], b"from_uplink_l", b"to_uplink_l"] {
            assert!(is_logging_name(name));
        }
        for (silent, _) in programs::LOGGED {
            assert!(!is_logging_name(silent.as_bytes()));
        }
    }
}
