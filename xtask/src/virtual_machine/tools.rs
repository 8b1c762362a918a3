//! Programs of this machine for a virtual one, with the libraries that they load.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use super::initramfs::File;
use crate::{packages::find_program, workspace::output_of};

/// Installed programs with their libraries. A program goes to /bin; the libraries keep their paths.
///
/// # Errors
/// When one of them is not installed, or its libraries cannot be listed.
pub(crate) fn with_libraries(programs: &[&str]) -> Result<Vec<File>> {
    let mut files = Vec::new();
    let mut libraries = BTreeSet::new();
    for name in programs {
        let path = find_program(name).with_context(|| {
            format!("there is no {name}: `cargo xtask setup --tests` installs it")
        })?;
        files.push(File::program(&format!("/bin/{name}"), read(&path)?));
        let listed = output_of(Command::new("ldd").arg(&path))?;
        libraries.extend(libraries_in(&String::from_utf8_lossy(&listed)).map(PathBuf::from));
    }
    for library in libraries {
        files.push(File::program(&library.to_string_lossy(), read(&library)?));
    }
    Ok(files)
}

fn read(path: &Path) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("cannot read {}", path.display()))
}

/// The paths in a list of ldd(1): `NAME => PATH (ADDRESS)`, or `PATH (ADDRESS)` for the loader.
fn libraries_in(listed: &str) -> impl Iterator<Item = &str> {
    listed.lines().filter_map(|line| {
        let path = line.split_once(" => ").map_or(line, |(_, path)| path).trim();
        path.split(' ').next().filter(|path| path.starts_with('/'))
    })
}

#[cfg(test)]
mod tests {
    use super::libraries_in;

    #[test]
    fn the_paths_of_libraries_and_of_the_loader_are_read() {
        let listed = "\tlinux-vdso.so.1 (0x00007ffe)\n\
                      \tlibmnl.so.0 => /lib/x86_64-linux-gnu/libmnl.so.0 (0x00007f)\n\
                      \t/lib64/ld-linux-x86-64.so.2 (0x00007f)\n";
        let found: Vec<_> = libraries_in(listed).collect();
        assert_eq!(found, ["/lib/x86_64-linux-gnu/libmnl.so.0", "/lib64/ld-linux-x86-64.so.2"]);
        assert_eq!(libraries_in("\tnot a dynamic executable\n").count(), 0);
    }
}
