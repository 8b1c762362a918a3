//! The files of a package, at Debian's paths.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};
use flate2::Compression;

use super::{
    files::{Packed, read},
    release::NAME,
    tarball::compress,
};
use crate::workspace::{Workspace, output_of};

/// The paths at which each shell looks for completions.
const COMPLETIONS: [(&str, &str); 3] = [
    ("bash", "usr/share/bash-completion/completions/netns"),
    ("zsh", "usr/share/zsh/vendor-completions/_netns"),
    ("fish", "usr/share/fish/vendor_completions.d/netns.fish"),
];

/// Gathers all of them. The program itself says what its manual pages and completions are.
pub(super) fn gather(
    workspace: &Workspace,
    binary: &Path,
    program: Vec<u8>,
) -> Result<Vec<Packed>> {
    let mut files = vec![Packed { path: format!("usr/bin/{NAME}"), mode: 0o755, bytes: program }];
    for page in manual_pages(workspace, binary)? {
        let path = format!("usr/share/man/man1/{}.gz", file_name(&page)?);
        files.push(Packed::new(path, compress(&read(&page)?, Compression::best())?));
    }
    for (shell, path) in COMPLETIONS {
        let script = output_of(Command::new(binary).args(["completions", shell]))?;
        files.push(Packed::new(path, script));
    }
    let doc = format!("usr/share/doc/{NAME}");
    let root = workspace.root();
    let unit = format!("{NAME}-lab@.service");
    let bytes = read(&root.join("docs/systemd").join(&unit))?;
    files.push(Packed::new(format!("usr/lib/systemd/system/{unit}"), bytes));
    files.push(Packed::new(format!("{doc}/copyright"), copyright(root)?));
    for name in ["README.md", "CHANGELOG.md"] {
        files.push(Packed::new(format!("{doc}/{name}"), read(&root.join(name))?));
    }
    for (folder, extension) in [
        ("docs", "md"),
        ("docs", "svg"),
        ("docs/design", "md"),
        ("examples", "toml"),
        ("docs/systemd", "conf"),
    ] {
        for file in files_of(&root.join(folder), extension)? {
            // At the same relative paths as in the repository, since README.md refers to them.
            files.push(Packed::new(format!("{doc}/{folder}/{}", file_name(&file)?), read(&file)?));
        }
    }
    Ok(files)
}

fn manual_pages(workspace: &Workspace, binary: &Path) -> Result<Vec<PathBuf>> {
    let folder = workspace.target().join("man-pages");
    // The page of a command that was removed must not stay.
    if folder.exists() {
        fs::remove_dir_all(&folder)
            .with_context(|| format!("cannot empty {}", folder.display()))?;
    }
    output_of(Command::new(binary).arg("man-pages").arg(&folder))?;
    let pages = files_of(&folder, "1")?;
    if pages.is_empty() {
        bail!("`netns man-pages {}` wrote no page", folder.display());
    }
    Ok(pages)
}

/// The files of a folder with this extension, sorted by name. A folder that does not exist has
/// none.
fn files_of(folder: &Path, extension: &str) -> Result<Vec<PathBuf>> {
    if !folder.is_dir() {
        return Ok(Vec::new());
    }
    let entries = fs::read_dir(folder).and_then(Iterator::collect::<Result<Vec<_>, _>>);
    let entries = entries.with_context(|| format!("cannot read {}", folder.display()))?;
    let mut files: Vec<_> = entries.into_iter().map(|entry| entry.path()).collect();
    files.retain(|path| path.is_file() && path.extension().is_some_and(|end| end == extension));
    files.sort();
    Ok(files)
}

fn file_name(path: &Path) -> Result<&str> {
    let name = path.file_name().and_then(|name| name.to_str());
    name.with_context(|| format!("{} has no valid name", path.display()))
}

/// The copyright file in Debian's format. It names licences that every Debian includes, and quotes
/// the others.
fn copyright(root: &Path) -> Result<String> {
    let mit = String::from_utf8(read(&root.join("LICENSE-MIT"))?)?;
    let holder = mit.lines().find_map(|line| line.strip_prefix("Copyright (c) "));
    let holder = holder.context("LICENSE-MIT names no copyright holder")?;
    let text = mit.split_once(holder).map_or(mit.as_str(), |(_, text)| text).trim();
    let quoted: String = text
        .lines()
        .map(|line| if line.is_empty() { " .\n".to_owned() } else { format!(" {line}\n") })
        .collect();
    Ok(format!(
        "\
Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/
Upstream-Name: {NAME}

Files: *
Copyright: {holder}
License: MIT or Apache-2.0

Files: usr/bin/{NAME}
Copyright: {holder}
License: MIT or Apache-2.0
Comment:
 The eBPF programs inside declare themselves \"Dual MIT/GPL\" to the kernel; as
 GPL they are under version 2, whose text is /usr/share/common-licenses/GPL-2.

License: MIT
{quoted}
License: Apache-2.0
 On Debian systems the text of the Apache License, version 2.0, is in
 /usr/share/common-licenses/Apache-2.0.
"
    ))
}
