//! The record of an object: its sources, compiler and linker.

use std::{fs, io, path::Path};

/// The sources, compiler and linker of a committed object: a file with one `key = "value"` a line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// SHA-256 of the sources, in hexadecimal: see [`crate::sources_digest`].
    pub sources: String,
    /// SHA-256 of the object before it is compressed.
    pub object: String,
    /// The BPF target: its byte order.
    pub target: String,
    /// The compiler's name and version.
    pub compiler: String,
    /// The linker's, and the LLVM's that it generates code with.
    pub linker: String,
}

impl Record {
    /// # Errors
    ///
    /// When there is no such file, or a key is missing.
    pub fn read(file: &Path) -> io::Result<Self> {
        let text = fs::read_to_string(file)?;
        let value = |key: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(" = \""));
            let value = line.and_then(|line| line.strip_suffix('"')).map(str::to_owned);
            value.ok_or_else(|| io::Error::other(format!("there is no {key} in it")))
        };
        Ok(Self {
            sources: value("sources")?,
            object: value("object")?,
            target: value("target")?,
            compiler: value("compiler")?,
            linker: value("linker")?,
        })
    }

    /// # Errors
    ///
    /// When the file cannot be written.
    pub fn write(&self, file: &Path) -> io::Result<()> {
        let Self { sources, object, target, compiler, linker } = self;
        let text = format!(
            "# Written by `cargo xtask object`: what netns-ebpf.o.gz was built from.\n\
             sources = \"{sources}\"\nobject = \"{object}\"\ntarget = \"{target}\"\n\
             compiler = \"{compiler}\"\nlinker = \"{linker}\"\n"
        );
        fs::write(file, text)
    }
}
