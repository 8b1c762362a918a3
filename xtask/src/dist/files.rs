//! Files of packages: reading and writing them whole, and their sums as text.

use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};

use super::release::NAME;

/// A file of a package.
#[derive(Clone, Debug)]
pub(super) struct Packed {
    /// Relative to the root.
    pub(super) path: String,
    pub(super) mode: u32,
    pub(super) bytes: Vec<u8>,
}

impl Packed {
    /// A file that everybody may read.
    pub(super) fn new(path: impl Into<String>, bytes: impl Into<Vec<u8>>) -> Self {
        Self { path: path.into(), mode: 0o644, bytes: bytes.into() }
    }
}

/// Writes a file that is there whole or not at all.
pub(super) fn place(folder: &Path, name: &str, bytes: &[u8]) -> Result<PathBuf> {
    let path = folder.join(name);
    let unfinished = folder.join(format!(".{name}.unfinished"));
    // One that was killed may have left it. A new file, as `File::create_new` makes it, is never
    // behind a link of somebody else's.
    let _ = fs::remove_file(&unfinished);
    let written = fs::File::create_new(&unfinished)
        .and_then(|mut file| file.write_all(bytes))
        .and_then(|()| {
            let mode = if name == NAME { 0o755 } else { 0o644 };
            fs::set_permissions(&unfinished, std::os::unix::fs::PermissionsExt::from_mode(mode))
        })
        .and_then(|()| fs::rename(&unfinished, &path));
    if written.is_err() {
        // The first error is the one to tell.
        let _ = fs::remove_file(&unfinished);
    }
    written.with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}

pub(super) fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
