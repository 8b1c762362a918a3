//! A note for errors with which the kernel refuses something for want of rights.

use crate::lab;

/// How the operating system's refusal appears in an error: as `std::io::Error` and as
/// `nix::errno::Errno` display EPERM.
const REFUSALS: [&str; 2] = ["Operation not permitted", "EPERM"];

/// Why the kernel may have refused, if that is the error.
#[must_use]
pub fn note(error: &anyhow::Error) -> Option<String> {
    let text = format!("{error:#}");
    // An error that names the doctor has said all this.
    let is_refusal = REFUSALS.iter().any(|refusal| text.contains(refusal));
    (is_refusal && !text.contains("netns doctor")).then(lab::refusal_reason)
}

#[cfg(test)]
mod tests {
    use std::io;

    use super::*;

    #[test]
    fn only_a_refusal_for_want_of_rights_has_a_note() {
        let error = |code| anyhow::Error::from(io::Error::from_raw_os_error(code));
        let refusal = note(&error(libc::EPERM).context("cannot set the link")).unwrap();
        assert!(refusal.contains("`netns doctor`"), "{refusal}");
        assert_eq!(note(&error(libc::EINVAL)), None);
        let told = error(libc::EPERM).context("cannot load: see `netns doctor`");
        assert_eq!(note(&told), None);
    }
}
