//! The digest of all that the object is built from.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
};

use sha2::{Digest as _, Sha256};

use crate::hex::hex;

/// Files and folders, from the root of the repository.
const SOURCES: [&str; 5] = [
    "netns-ebpf/Cargo.toml",
    "netns-ebpf/build.rs",
    "netns-ebpf/src",
    "netns-common/Cargo.toml",
    "netns-common/src",
];

/// The host model is not compiled for the BPF target, so a change of it leaves the object valid.
const MODEL: &str = "netns-common/src/model";

/// The crates that `netns-ebpf` and `netns-common` depend on when they are built for BPF. What
/// these depend on is read in Cargo.lock.
const DEPENDENCIES: [&str; 3] = ["aya-ebpf", "aya-log-ebpf", "network-types"];

/// The profile that the object is compiled with, in the workspace's manifest.
const PROFILE: &str = "[profile.release.package.netns-ebpf]";

/// All that the digest depends on: cargo runs a build script again when one of these changes.
pub fn inputs(root: &Path) -> Vec<PathBuf> {
    let files = SOURCES.into_iter().chain(["Cargo.toml", "Cargo.lock"]);
    files.map(|file| root.join(file)).collect()
}

/// SHA-256 of the sources of the object, in hexadecimal. It does not depend on where `root` is.
///
/// # Errors
///
/// When a source cannot be read.
pub fn digest(root: &Path) -> io::Result<String> {
    let mut files = BTreeMap::new();
    for source in SOURCES {
        read_into(&mut files, root, source.to_owned())?;
    }
    let mut digest = Sha256::new();
    for (name, bytes) in &files {
        digest.update(format!("{name} {}\n", bytes.len()));
        digest.update(bytes);
    }
    let manifest = fs::read_to_string(root.join("Cargo.toml"))?;
    digest.update(of_manifest(&manifest));
    let lock = fs::read_to_string(root.join("Cargo.lock"))?;
    digest.update(of_lock(&lock));
    Ok(hex(&digest.finalize()))
}

fn read_into(files: &mut BTreeMap<String, Vec<u8>>, root: &Path, name: String) -> io::Result<()> {
    if name == MODEL {
        return Ok(());
    }
    let path = root.join(&name);
    if !path.is_dir() {
        let bytes = fs::read(&path).map_err(|error| {
            io::Error::new(error.kind(), format!("{}: {error}", path.display()))
        })?;
        files.insert(name, bytes);
        return Ok(());
    }
    for entry in fs::read_dir(&path)? {
        let entry = entry?.file_name();
        let entry = entry.to_str().ok_or_else(|| io::Error::other("a name that is not UTF-8"))?;
        read_into(files, root, format!("{name}/{entry}"))?;
    }
    Ok(())
}

/// The lines of the workspace's manifest that say how the object is compiled.
fn of_manifest(manifest: &str) -> String {
    let is_dependency =
        |line: &&str| line.split_once(" = ").is_some_and(|(name, _)| DEPENDENCIES.contains(&name));
    let profile = manifest.lines().skip_while(|line| *line != PROFILE);
    let profile = profile.take_while(|line| !line.is_empty());
    let lines = manifest.lines().filter(is_dependency).chain(profile);
    lines.flat_map(|line| [line, "\n"]).collect()
}

/// One package of Cargo.lock.
struct Package<'a> {
    name: &'a str,
    version: &'a str,
    /// All its lines.
    text: &'a str,
}

/// The packages of Cargo.lock that the object is built with.
fn of_lock(lock: &str) -> String {
    let packages: Vec<_> = lock.split("[[package]]").skip(1).filter_map(Package::parse).collect();
    let mut wanted: Vec<(&str, Option<&str>)> =
        DEPENDENCIES.iter().map(|name| (*name, None)).collect();
    let mut found = BTreeSet::new();
    while let Some((name, version)) = wanted.pop() {
        let same = |package: &&Package<'_>| {
            package.name == name && version.is_none_or(|version| package.version == version)
        };
        for package in packages.iter().filter(same) {
            if found.insert(package.text) {
                wanted.extend(package.dependencies());
            }
        }
    }
    found.into_iter().collect()
}

impl<'a> Package<'a> {
    fn parse(text: &'a str) -> Option<Self> {
        let value = |key| text.lines().find_map(|line| line.strip_prefix(key)?.strip_suffix('"'));
        Some(Self { name: value("name = \"")?, version: value("version = \"")?, text: text.trim() })
    }

    /// Names, with a version where the lock file needs one to tell packages apart.
    fn dependencies(&self) -> impl Iterator<Item = (&'a str, Option<&'a str>)> {
        let lines =
            self.text.lines().filter_map(|line| line.strip_prefix(" \"")?.strip_suffix("\","));
        lines.map(|line| {
            let mut words = line.split(' ');
            (words.next().unwrap_or_default(), words.next())
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOCK: &str = r#"version = 4

[[package]]
name = "aya-ebpf"
version = "0.2.1"
checksum = "aa"
dependencies = [
 "syn 2.0.1",
]

[[package]]
name = "syn"
version = "1.0.0"

[[package]]
name = "syn"
version = "2.0.1"

[[package]]
name = "clap"
version = "4.6.0"
"#;

    fn root() -> &'static Path {
        Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
    }

    #[test]
    fn of_the_lock_file_only_what_the_object_is_built_with_counts() {
        let counted = of_lock(LOCK);
        assert!(counted.contains("aya-ebpf") && counted.contains("2.0.1"), "{counted}");
        assert!(!counted.contains("1.0.0") && !counted.contains("clap"), "{counted}");
    }

    #[test]
    fn of_the_manifest_dependencies_and_profile_count() {
        let manifest = "aya-ebpf = \"0.2\"\naya = \"0.14\"\n\n[profile.release.package.netns-ebpf]\n\
                        debug = 2\n\n[profile.dev]\ndebug = 1\n";
        let expected = "aya-ebpf = \"0.2\"\n[profile.release.package.netns-ebpf]\ndebug = 2\n";
        assert_eq!(of_manifest(manifest), expected);
        let ours = fs::read_to_string(root().join("Cargo.toml")).expect("our manifest");
        let ours = of_manifest(&ours);
        assert!(ours.contains("opt-level") && ours.contains("network-types"), "{ours}");
    }

    /// Else a new one could change without making the object stale.
    #[test]
    fn the_dependencies_are_those_of_the_manifests() {
        let read = |file: &str| fs::read_to_string(root().join(file)).expect("a manifest");
        let mut named = Vec::new();
        for manifest in ["netns-ebpf/Cargo.toml", "netns-common/Cargo.toml"].map(read) {
            let lines = manifest.lines().skip_while(|line| *line != "[dependencies]").skip(1);
            let lines = lines.take_while(|line| !line.is_empty());
            let lines = lines.filter(|line| !line.contains("optional"));
            named.extend(lines.map(|line| line.split(['.', ' ']).next().map(str::to_owned)));
        }
        named.retain(|name| name.as_deref() != Some("netns-common"));
        named.sort();
        assert_eq!(named, DEPENDENCIES.map(|name| Some(name.to_owned())));
    }

    #[test]
    fn the_model_does_not_count() {
        let mut files = BTreeMap::new();
        read_into(&mut files, root(), "netns-common/src".into()).expect("sources");
        assert!(files.contains_key("netns-common/src/datapath/mod.rs"));
        assert!(!files.keys().any(|file| file.starts_with(MODEL)));
    }
}
