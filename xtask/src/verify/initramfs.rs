//! The initial file system of a virtual machine, in the kernel's "newc" format
//! (Documentation/driver-api/early-userspace/buffer-format.rst).

use std::{fs, path::Path};

use anyhow::{Context as _, Result};

use super::kernel_modules::Module;

/// Types of files with their permissions.
const FOLDER: u32 = 0o040_755;
const PROGRAM: u32 = 0o100_755;
const DEVICE: u32 = 0o020_600;

/// The kernel opens /dev/console for its first process before anything is mounted.
const CONSOLE: (u32, u32) = (5, 1);

/// The folders beside those of the files.
const FOLDERS: [&str; 8] = ["bin", "dev", "etc", "modules", "proc", "run", "sys", "tmp"];

/// The path of `netns`.
pub(super) const NETNS: &str = "/bin/netns";

/// The files of a virtual machine.
#[derive(Debug)]
pub(super) struct Content {
    /// The first process.
    pub(super) init: Vec<u8>,
    /// The program under test.
    pub(super) netns: Vec<u8>,
    /// In the order in which they are loaded: their numbers begin the names of their files.
    pub(super) modules: Vec<Module>,
}

/// Writes an archive.
pub(super) fn write(image: &Path, content: &Content) -> Result<()> {
    fs::write(image, archive(content)).with_context(|| format!("cannot write {}", image.display()))
}

fn archive(content: &Content) -> Vec<u8> {
    let mut archive = Vec::new();
    let mut add = |name: &str, mode, device, bytes: &[u8]| {
        entry(&mut archive, name, mode, device, bytes);
    };
    for folder in FOLDERS {
        add(folder, FOLDER, (0, 0), &[]);
    }
    add("dev/console", DEVICE, CONSOLE, &[]);
    add("init", PROGRAM, (0, 0), &content.init);
    add(NETNS.trim_start_matches('/'), PROGRAM, (0, 0), &content.netns);
    for (number, module) in content.modules.iter().enumerate() {
        let name = format!("modules/{number:03}-{}.ko", module.name);
        add(&name, PROGRAM, (0, 0), &module.bytes);
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
        let modules = vec![Module { name: "veth".to_owned(), bytes: b"ELF".to_vec() }];
        let content = Content { init: b"12345".to_vec(), netns: b"678".to_vec(), modules };
        let archive = archive(&content);
        let text = String::from_utf8_lossy(&archive);
        let begins: Vec<_> = text.match_indices("070701").map(|(at, _)| at).collect();
        assert_eq!(begins.len(), FOLDERS.len() + 5);
        assert!(begins.iter().all(|at| at % 4 == 0), "{begins:?}");
        assert!(
            begins.iter().all(|at| text[at + 6..at + 110].bytes().all(|b| b.is_ascii_hexdigit()))
        );
        assert!(text.contains("init\0\x0012345"), "the name and the content behind it");
        assert!(text.contains("bin/netns\0") && text.contains("modules/000-veth.ko\0"), "{text}");
    }
}
