//! The packet log: while a session lives, the programs write a line for each packet.

use std::os::fd::{AsFd, BorrowedFd};

use aya::programs::loaded_programs;
use aya_log::EbpfLogger;
use netns_common::abi::programs;

use super::{
    Datapath, DatapathError,
    attach::{Variant, attached_programs, replace_classifiers},
    lock::FolderLock,
    object,
};

/// Bytes of a program's name that the kernel keeps (`BPF_OBJ_NAME_LEN` without the final zero).
const KERNEL_NAME: usize = 15;

/// Programs with the log switched on, in place of the silent ones.
///
/// The file descriptor is readable when there are lines; [`Self::flush`] hands them to the
/// [`log::Log`] given. [`Self::stop`] puts the silent programs back.
#[derive(Debug)]
pub struct PacketLogSession {
    datapath: Datapath,
    logger: Logger,
    /// On the folder of links: it is free again when this process is gone, however it went.
    lock: FolderLock,
    /// Whether the silent programs are still to be put back.
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

    /// Puts the silent programs back when a session was killed and could not do so itself.
    pub fn end_dead_log(&self) -> Result<(), DatapathError> {
        let end = || {
            if !self.is_logging()? {
                return Ok(());
            }
            // Who has the lock lives, and will put them back.
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
        // Nearly always there is none on the whole machine, and no link has to be looked at.
        // A program that ends meanwhile cannot be asked, and is none of the lab's.
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

/// Whether a program of that name, as the kernel keeps it, is one that logs.
fn is_logging_name(name: &[u8]) -> bool {
    let kept = |name: &'static str| name.as_bytes().get(..KERNEL_NAME).unwrap_or(name.as_bytes());
    programs::LOGGED.iter().any(|(_, logged)| kept(logged) == name)
}

impl PacketLogSession {
    /// Hands the lines that have come to the sink.
    pub fn flush(&mut self) {
        self.logger.0.flush();
    }

    /// Switches the packet log off.
    pub fn stop(mut self) -> Result<(), DatapathError> {
        self.is_on = false;
        self.restore()
    }

    /// Whether the lab is still up; no packet is logged any more when it is not.
    pub fn is_lab_up(&self) -> bool {
        self.lock.is_in_place()
    }

    fn restore(&self) -> Result<(), DatapathError> {
        // Of a lab that is down, nothing is to be put back.
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
            // Only on the way out of another error, which is the one to tell.
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
    fn programs_that_log_are_known_by_what_the_kernel_keeps_of_their_names() {
        for name in [&b"from_namespace_"[..], b"from_uplink_l", b"to_uplink_l"] {
            assert!(is_logging_name(name));
        }
        for (silent, _) in programs::LOGGED {
            assert!(!is_logging_name(silent.as_bytes()));
        }
    }
}
