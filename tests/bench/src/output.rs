//! Files that are written at the end of a run, and tried before it: a run of minutes must not end
//! with a file that cannot be written.

use std::{
    fs,
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

use anyhow::{Context as _, Result};
use tempfile::NamedTempFile;

/// A file that is written at the end of the run. Until then its old content stays.
pub(crate) struct Output {
    pub(crate) file: PathBuf,
}

impl Output {
    pub(crate) fn of(file: impl AsRef<Path>) -> Result<Self> {
        // Absolute, since the sandbox changes the mounts. A link is followed, not replaced.
        let file = std::path::absolute(&file)?;
        let output = Self { file: fs::canonicalize(&file).unwrap_or(file) };
        anyhow::ensure!(!output.file.is_dir(), "{} is a folder", output.file.display());
        if output.is_replaced() {
            // Dropped at once: an interrupted run leaves nothing behind.
            output.temporary()?;
        }
        Ok(output)
    }

    /// Whether a new file replaces the old one. A pipe or a device is written to instead.
    fn is_replaced(&self) -> bool {
        self.file.is_file() || !self.file.exists()
    }

    /// A temporary file in the same folder.
    fn temporary(&self) -> Result<NamedTempFile> {
        let folder = self.file.parent().context("a folder is no file")?;
        NamedTempFile::new_in(folder)
            .with_context(|| format!("cannot write {}", self.file.display()))
    }

    pub(crate) fn write(&self, text: &str) -> Result<()> {
        let context = || format!("cannot write {}", self.file.display());
        if !self.is_replaced() {
            return fs::write(&self.file, text).with_context(context);
        }
        let mut temporary = self.temporary()?;
        temporary.write_all(text.as_bytes()).with_context(context)?;
        // A temporary file is readable for its owner only.
        let everybody = fs::Permissions::from_mode(0o644);
        temporary.as_file().set_permissions(everybody).with_context(context)?;
        temporary.persist(&self.file).map(drop).with_context(context)
    }
}
