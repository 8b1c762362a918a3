//! The packet log: while a session lives, the programs write a line for each packet.

use std::os::fd::{AsFd, BorrowedFd};

use aya_log::EbpfLogger;

use super::{
    Datapath, DatapathError,
    attach::{Variant, replace_classifiers},
    object,
};

/// Programs with the log switched on, in place of the silent ones.
///
/// The file descriptor is readable when there are lines; [`Self::flush`] hands them to the
/// [`log::Log`] given. [`Self::stop`] puts the silent programs back.
#[derive(Debug)]
pub struct PacketLogSession {
    datapath: Datapath,
    logger: Logger,
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
    /// Switches the packet log on. One session at a time: a later one takes over.
    pub fn log_packets(self, sink: Box<dyn log::Log>) -> Result<PacketLogSession, DatapathError> {
        let capacity = self.flow_capacity()?;
        let mut object = object::load(&self.pins, capacity)?;
        let logger = EbpfLogger::init_with_logger(&mut object, sink).map_err(|error| {
            DatapathError::System {
                what: "open the packet log",
                cause: std::io::Error::other(error.to_string()),
            }
        })?;
        let session = PacketLogSession { datapath: self, logger: Logger(logger), is_on: true };
        replace_classifiers(&mut object, &session.datapath.pins, Variant::Logged)?;
        Ok(session)
    }
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

    fn restore(&self) -> Result<(), DatapathError> {
        let capacity = self.datapath.flow_capacity()?;
        let mut object = object::load(&self.datapath.pins, capacity)?;
        replace_classifiers(&mut object, &self.datapath.pins, Variant::Silent)
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
