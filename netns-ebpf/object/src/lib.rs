//! The eBPF object in the repository, and whether it fits the sources.
//!
//! A build of `netns` needs no BPF toolchain: the object lies compressed beside this crate, with a
//! record of the sources and the compiler that it was built from. The build script of `netns-user`
//! embeds it while the sources are the recorded ones. `cargo xtask object` builds it anew.

mod hex;
mod record;
mod sources;

use std::{
    fs, io,
    io::Read as _,
    path::{Path, PathBuf},
};

use flate2::{Compression, GzBuilder, read::GzDecoder};
use sha2::{Digest as _, Sha256};

use hex::hex;
pub use record::Record;
pub use sources::{digest as sources_digest, inputs};

/// The object and its record, from the root of the repository.
const OBJECT: &str = "netns-ebpf/object/netns-ebpf.o.gz";
const RECORD: &str = "netns-ebpf/object/netns-ebpf.record";

/// The object in the repository, compared with the sources.
#[derive(Debug)]
pub enum Committed {
    /// The object fits the sources: these are its bytes, ready to be loaded.
    Fits(Vec<u8>),
    /// It does not, for this reason.
    Stale(String),
}

/// The files that hold the object and its record.
pub fn files(root: &Path) -> [PathBuf; 2] {
    [root.join(OBJECT), root.join(RECORD)]
}

/// Reads the object of the repository at `root`, for hosts of the BPF target `target`.
///
/// # Errors
///
/// When the sources cannot be read. An object that is missing or damaged is [`Committed::Stale`].
pub fn committed(root: &Path, target: &str) -> io::Result<Committed> {
    let digest = sources_digest(root)?;
    let [object, record] = files(root);
    let record = match Record::read(&record) {
        Ok(record) => record,
        Err(error) => return Ok(Committed::Stale(format!("{}: {error}", record.display()))),
    };
    if record.sources != digest {
        return Ok(Committed::Stale("the sources have changed since it was built".into()));
    }
    if record.target != target {
        return Ok(Committed::Stale(format!("it is for {}, not {target}", record.target)));
    }
    let mut bytes = Vec::new();
    let read =
        fs::File::open(&object).and_then(|file| GzDecoder::new(file).read_to_end(&mut bytes));
    Ok(match read {
        Err(error) => Committed::Stale(format!("{}: {error}", object.display())),
        Ok(_) if hex(&Sha256::digest(&bytes)) != record.object => {
            Committed::Stale(format!("{} is not the recorded object", object.display()))
        }
        Ok(_) => Committed::Fits(bytes),
    })
}

/// Puts an object and its record into the repository at `root`.
///
/// # Errors
///
/// When a file cannot be written.
pub fn commit(root: &Path, object: &[u8], record: &Record) -> io::Result<()> {
    let [object_file, record_file] = files(root);
    // Without name and time: equal objects are equal files.
    let mut encoder = GzBuilder::new().read(object, Compression::best());
    let mut compressed = Vec::new();
    encoder.read_to_end(&mut compressed)?;
    fs::write(object_file, compressed)?;
    record.write(&record_file)
}

/// The digest of an object's bytes, as its record has it.
pub fn object_digest(object: &[u8]) -> String {
    hex(&Sha256::digest(object))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const TARGET: &str = "bpfel-unknown-none";

    fn repository() -> tempfile::TempDir {
        let root = tempfile::tempdir().expect("a folder");
        for file in ["netns-ebpf/src/main.rs", "netns-common/src/lib.rs"] {
            let path = root.path().join(file);
            fs::create_dir_all(path.parent().expect("a folder")).expect("folders");
            fs::write(path, file).expect("a source");
        }
        fs::create_dir_all(root.path().join("netns-ebpf/object")).expect("a folder");
        for file in ["netns-ebpf/Cargo.toml", "netns-ebpf/build.rs", "netns-common/Cargo.toml"] {
            fs::write(root.path().join(file), file).expect("a source");
        }
        fs::write(root.path().join("Cargo.toml"), "").expect("a manifest");
        fs::write(root.path().join("Cargo.lock"), "").expect("a lock file");
        root
    }

    fn record(root: &Path, object: &[u8]) -> Record {
        Record {
            sources: sources_digest(root).expect("sources"),
            object: object_digest(object),
            target: TARGET.into(),
            compiler: "rustc 1.95.0".into(),
            linker: "bpf-linker 0.13.0".into(),
        }
    }

    fn reason(root: &Path, target: &str) -> String {
        match committed(root, target).expect("sources") {
            Committed::Fits(_) => panic!("the object fits"),
            Committed::Stale(reason) => reason,
        }
    }

    #[test]
    fn an_object_fits_the_sources_it_was_committed_with() {
        let root = repository();
        commit(root.path(), b"object", &record(root.path(), b"object")).expect("committed");
        let committed = committed(root.path(), TARGET).expect("sources");
        assert!(matches!(committed, Committed::Fits(bytes) if bytes == b"object"));
    }

    #[test]
    fn an_object_is_stale_once_a_source_changes() {
        let root = repository();
        commit(root.path(), b"object", &record(root.path(), b"object")).expect("committed");
        fs::write(root.path().join("netns-common/src/lib.rs"), "changed").expect("a source");
        assert!(reason(root.path(), TARGET).contains("have changed"));
    }

    #[test]
    fn an_object_of_another_target_or_other_bytes_is_stale() {
        let root = repository();
        assert!(reason(root.path(), TARGET).contains(RECORD), "there is none yet");
        commit(root.path(), b"object", &record(root.path(), b"object")).expect("committed");
        assert!(reason(root.path(), "bpfeb-unknown-none").contains("bpfeb"));
        commit(root.path(), b"other", &record(root.path(), b"object")).expect("committed");
        assert!(reason(root.path(), TARGET).contains("not the recorded object"));
        fs::write(&files(root.path())[0], "no gzip").expect("written");
        assert!(reason(root.path(), TARGET).contains(OBJECT));
    }

    #[test]
    fn equal_objects_are_equal_files() {
        let [one, other] = [repository(), repository()].map(|root| {
            commit(root.path(), b"object", &record(root.path(), b"object")).expect("committed");
            files(root.path()).map(|file| fs::read(file).expect("a file"))
        });
        assert_eq!(one, other);
    }
}
