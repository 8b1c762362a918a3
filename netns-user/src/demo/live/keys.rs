//! Reads keys from a raw terminal.
//!
//! crossterm is not used, since its reader never returns once the terminal is closed, and the lab
//! would stay up.

use std::{io, os::fd::AsFd as _, time::Duration};

use nix::{
    errno::Errno,
    poll::{PollFd, PollFlags, PollTimeout, poll},
    unistd::read,
};

const CONTROL_C: u8 = 3;
const ESCAPE: u8 = 27;

/// Waits at most so long for a key that ends the view, or for the terminal to be closed.
pub(super) fn is_farewell_within(time: Duration) -> io::Result<bool> {
    let stdin = io::stdin();
    let mut events = [PollFd::new(stdin.as_fd(), PollFlags::POLLIN)];
    let timeout = PollTimeout::try_from(time).unwrap_or(PollTimeout::MAX);
    match poll(&mut events, timeout) {
        Ok(0) | Err(Errno::EINTR) => return Ok(false),
        Ok(_) => {}
        Err(errno) => return Err(errno.into()),
    }
    let mut typed = [0; 64];
    match read(stdin.as_fd(), &mut typed) {
        // A closed terminal is at its end, or returns an error.
        Ok(0) | Err(Errno::EIO) => Ok(true),
        Ok(length) => Ok(is_farewell(&typed[..length])),
        Err(Errno::EINTR | Errno::EAGAIN) => Ok(false),
        Err(errno) => Err(errno.into()),
    }
}

/// Whether q, Ctrl-C or Esc was typed. Esc counts only by itself, since arrow keys also begin with
/// it.
fn is_farewell(typed: &[u8]) -> bool {
    typed == [ESCAPE]
        || (!typed.starts_with(&[ESCAPE])
            && typed.iter().any(|key| [b'q', CONTROL_C].contains(key)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_q_control_c_and_escape_end_the_view() {
        for typed in [&b"q"[..], b"\x03", b"\x1b", b"aq"] {
            assert!(is_farewell(typed), "{typed:?}");
        }
        for typed in [&b"a"[..], b"\x1b[A", b" ", b"\r"] {
            assert!(!is_farewell(typed), "{typed:?}");
        }
    }
}
