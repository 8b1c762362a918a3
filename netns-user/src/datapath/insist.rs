//! Having the kernel take programs.

use aya::programs::ProgramError;

/// How often a program is begun anew: far more often than signals come while one is verified.
const ATTEMPTS: u32 = 1_000;

/// Loads a program. The verifier gives up with `EAGAIN` as soon as a signal is there for its thread,
/// whoever handles it, also when the process is stopped and continued: then it begins anew.
///
/// # Errors
/// Those of `load`.
pub(super) fn insist(
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
