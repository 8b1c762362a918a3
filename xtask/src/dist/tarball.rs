//! Reproducible tar archives, and the archive for users without dpkg.

use std::{collections::BTreeSet, io::Write as _, path::Path};

use anyhow::{Context as _, Result};
use flate2::{Compression, write::GzEncoder};
use tar::{Builder, EntryType, Header};

use super::{
    files::Packed,
    release::{NAME, Release},
};

pub(super) fn file_name(release: &Release) -> String {
    format!("{}.tar.gz", folder(release))
}

fn folder(release: &Release) -> String {
    format!("{NAME}-{}-{}", release.version, release.arch)
}

/// The files below one folder, with the layout of /usr/local. Users unpack it there without the
/// folder, or run the program in place.
pub(super) fn archive(release: &Release, files: &[Packed]) -> Result<Vec<u8>> {
    let folder = folder(release);
    let files: Vec<_> = files
        .iter()
        .map(|file| {
            let path = file.path.strip_prefix("usr/").unwrap_or(&file.path);
            // Only Debian's zsh reads vendor-completions.
            let path = path.replace("zsh/vendor-completions", "zsh/site-functions");
            Packed { path: format!("{folder}/{path}"), ..file.clone() }
        })
        .collect();
    compress(&tar(&files, "", release.time)?, release.compression)
}

/// A tar archive of files and their parent folders, sorted by name and owned by root. Every name
/// begins with `prefix`.
pub(super) fn tar(files: &[Packed], prefix: &str, time: u64) -> Result<Vec<u8>> {
    let mut sorted: Vec<_> = files.iter().collect();
    sorted.sort_by(|a, b| a.path.cmp(&b.path));
    let mut archive = Builder::new(Vec::new());
    let mut folders = BTreeSet::new();
    if !prefix.is_empty() {
        append(&mut archive, prefix, EntryType::Directory, 0o755, time, &[])?;
    }
    for file in sorted {
        let above: Vec<_> = Path::new(&file.path).ancestors().skip(1).collect();
        for folder in above.iter().rev().filter_map(|folder| folder.to_str()) {
            if !folder.is_empty() && folders.insert(folder.to_owned()) {
                let name = format!("{prefix}{folder}/");
                append(&mut archive, &name, EntryType::Directory, 0o755, time, &[])?;
            }
        }
        let name = format!("{prefix}{}", file.path);
        append(&mut archive, &name, EntryType::Regular, file.mode, time, &file.bytes)?;
    }
    Ok(archive.into_inner()?)
}

fn append(
    archive: &mut Builder<Vec<u8>>,
    name: &str,
    kind: EntryType,
    mode: u32,
    time: u64,
    bytes: &[u8],
) -> Result<()> {
    let mut header = Header::new_gnu();
    // Written directly, since the crate would remove the ./ at the beginning, which dpkg uses.
    let field = &mut header.as_old_mut().name;
    let place = field.get_mut(..name.len()).with_context(|| format!("{name} is too long"))?;
    place.copy_from_slice(name.as_bytes());
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_username("root")?;
    header.set_groupname("root")?;
    header.set_mtime(time);
    header.set_size(bytes.len() as u64);
    header.set_cksum();
    Ok(archive.append(&header, bytes)?)
}

/// Compresses with gzip, without a time or a file name in the header.
pub(super) fn compress(bytes: &[u8], how: Compression) -> Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), how);
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str) -> Packed {
        Packed { path: path.into(), mode: 0o644, bytes: path.as_bytes().to_vec() }
    }

    #[test]
    fn the_archive_does_not_depend_on_the_order_of_the_files() {
        let there = [file("usr/bin/b"), file("usr/bin/a"), file("etc/c")];
        let back = [file("etc/c"), file("usr/bin/a"), file("usr/bin/b")];
        assert_eq!(tar(&there, "./", 7).unwrap(), tar(&back, "./", 7).unwrap());
    }

    #[test]
    fn each_folder_is_listed_once_before_its_files() {
        let bytes = tar(&[file("usr/bin/b"), file("usr/bin/a"), file("etc/c")], "./", 7).unwrap();
        let mut archive = tar::Archive::new(bytes.as_slice());
        let entries: Vec<_> = archive
            .entries()
            .unwrap()
            .map(|entry| {
                let entry = entry.unwrap();
                assert_eq!(entry.header().mtime().unwrap(), 7);
                assert_eq!(entry.header().uid().unwrap(), 0);
                String::from_utf8(entry.path_bytes().into_owned()).unwrap()
            })
            .collect();
        let expected =
            ["./", "./etc/", "./etc/c", "./usr/", "./usr/bin/", "./usr/bin/a", "./usr/bin/b"];
        assert_eq!(entries, expected);
    }
}
