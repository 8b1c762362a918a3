//! The release of the running kernel.

use nix::sys::utsname::uname;

/// Its major and minor version; `None` if it does not have them.
#[must_use]
pub fn release() -> Option<(u32, u32)> {
    numbers(&uname().ok()?.release().to_string_lossy())
}

/// The major and minor version of a release such as "6.18.44-fc", "6.7.0" or "6.7-rc1".
#[must_use]
pub fn numbers(release: &str) -> Option<(u32, u32)> {
    let mut numbers =
        release.split(|c: char| !c.is_ascii_digit()).map_while(|number| number.parse().ok());
    Some((numbers.next()?, numbers.next()?))
}
