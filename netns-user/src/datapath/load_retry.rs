//! Loading programs in spite of signals.

use aya::programs::ProgramError;

/// Attempts for one program: far more than signals come while it is verified.
const ATTEMPTS: u32 = 1_000;

/// Loads a program, and loads it again as long as the verifier gives up with `EAGAIN`. The verifier
/// does so as soon as a signal is pending for its thread, even one that is handled, and also when
/// the process is stopped and continued.
///
/// # Errors
/// As `load`.
pub(super) fn load_retry(
    mut load: impl FnMut() -> Result<(), ProgramError>,
) -> Result<(), ProgramError> {
    for _ in 1..ATTEMPTS {
        match load() {
            Err(ProgramError::LoadError { io_error, .. })
                if io_error.raw_os_error() == Some(libc::EAGAIN) => {}
            done => return done,
        }
    }
    load()
}
