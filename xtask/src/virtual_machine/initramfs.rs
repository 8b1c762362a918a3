//! The initial file system of a virtual machine, in the kernel's "newc" format
//! (Documentation/driver-api/early-userspace/buffer-format.rst).

use std::{collections::BTreeSet, fs, path::Path};

use anyhow::{Context as _, Result};

/// Types of files with their permissions.
const FOLDER: u32 = 0o040_755;
const PROGRAM: u32 = 0o100_755;
const DEVICE: u32 = 0o020_600;

/// The kernel opens /dev/console for its first process before anything is mounted.
const CONSOLE: (u32, u32) = (5, 1);

/// The folders beside those of the files.
const FOLDERS: [&str; 7] = ["dev", "etc", "modules", "proc", "run", "sys", "tmp"];

/// A file of a virtual machine.
#[derive(Clone, Debug)]
pub(crate) struct File {
    /// Absolute.
    path: String,
    bytes: Vec<u8>,
}

impl File {
    /// A file that can be executed.
    pub(crate) fn program(path: &str, bytes: Vec<u8>) -> Self {
        Self { path: path.to_owned(), bytes }
    }

    /// The name in the archive.
    fn name(&self) -> &str {
        self.path.trim_start_matches('/')
    }
}

/// Writes an archive.
pub(super) fn write(image: &Path, files: &[File]) -> Result<()> {
    fs::write(image, archive(files)).with_context(|| format!("cannot write {}", image.display()))
}

fn archive(files: &[File]) -> Vec<u8> {
    let mut archive = Vec::new();
    let mut add = |name: &str, mode, device, bytes: &[u8]| {
        entry(&mut archive, name, mode, device, bytes);
    };
    let mut folders: BTreeSet<&str> = FOLDERS.into();
    for file in files {
        let around = Path::new(file.name()).ancestors().skip(1).filter_map(Path::to_str);
        folders.extend(around.filter(|folder| !folder.is_empty()));
    }
    // A folder comes before those in it, whose names are longer.
    for folder in folders {
        add(folder, FOLDER, (0, 0), &[]);
    }
    add("dev/console", DEVICE, CONSOLE, &[]);
    for file in files {
        add(file.name(), PROGRAM, (0, 0), &file.bytes);
    }
    add("TRAILER!!!", 0, (0, 0), &[]);
    archive
}

/// Appends a file: a header of hexadecimal numbers, the name and the content. Name and content are
/// padded to four bytes.
fn entry(archive: &mut Vec<u8>, name: &str, mode: u32, device: (u32, u32), bytes: &[u8]) {
    let number = u32::try_from(archive.len()).unwrap_or(0);
    let size = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let name_size = u32::try_from(name.len() + 1).unwrap_or(u32::MAX);
    // Number, mode, owner, group, links, time, size, device of the file, device number, length of
    // the name, checksum.
    let fields = [number, mode, 0, 0, 1, 0, size, 0, 0, device.0, device.1, name_size, 0];
    archive.extend(b"070701");
    for field in fields {
        archive.extend(format!("{field:08x}").bytes());
    }
    archive.extend(name.bytes());
    archive.push(0);
    archive.resize(archive.len().next_multiple_of(4), 0);
    archive.extend(bytes);
    archive.resize(archive.len().next_multiple_of(4), 0);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_are_aligned_to_four_bytes_and_have_headers_of_110_bytes() {
        let files = [
            File::program("/init", b"12345".to_vec()),
            File::program("/lib/x86/libc.so", b"ELF".to_vec()),
        ];
        let archive = archive(&files);
        let text = String::from_utf8_lossy(&archive);
        let begins: Vec<_> = text.match_indices("070701").map(|(at, _)| at).collect();
        // The folders lib and lib/x86, the console, two files and the end.
        assert_eq!(begins.len(), FOLDERS.len() + 6);
        assert!(begins.iter().all(|at| at % 4 == 0), "{begins:?}");
        assert!(
            begins.iter().all(|at| text[at + 6..at + 110].bytes().all(|b| b.is_ascii_hexdigit()))
        );
        assert!(text.contains("init\0\x0012345"), "the name and the content behind it");
        let at = |name: &str| text.find(name).unwrap_or_else(|| panic!("no {name:?}: {text}"));
        assert!(at("lib\0") < at("lib/x86\0") && at("lib/x86\0") < at("lib/x86/libc.so\0"));
    }
}
