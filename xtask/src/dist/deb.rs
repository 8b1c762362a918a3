//! The Debian package: an ar archive of two tar archives (deb(5)).

use anyhow::Result;
use md5::{Digest as _, Md5};

use super::{
    files::{Packed, hex},
    release::{NAME, Release},
    tarball::{compress, tar},
};

/// A neutral name without a real mailbox.
const MAINTAINER: &str = "netns developers <netns@localhost>";

/// The long description in the format of deb-control(5).
const DESCRIPTION: &str = " \
 netns builds network labs of namespaces, virtual cables, bridges and routers,
 from a topology file or step by step, and takes them down again. Masquerade and
 port forwards are done by eBPF programs with their own connection table: netns
 adds no iptables or nftables rules and runs no daemon.
 .
 The program is one static file, which includes its eBPF programs. It needs Linux
 6.6 or later and calls no other program.
";

pub(super) fn file_name(release: &Release) -> String {
    format!("{NAME}_{}_{}.deb", version(release), release.debian_arch)
}

/// What Cargo calls 1.0.0-rc.1 comes before 1.0.0, which Debian writes with a tilde.
fn version(release: &Release) -> String {
    release.version.replacen('-', "~", 1)
}

pub(super) fn package(release: &Release, files: &[Packed]) -> Result<Vec<u8>> {
    let sums =
        files.iter().map(|file| format!("{}  {}\n", hex(&Md5::digest(&file.bytes)), file.path));
    let control = [
        Packed::new("control", control(release, files)),
        Packed::new("md5sums", sums.collect::<String>()),
    ];
    let members = [
        ("debian-binary", b"2.0\n".to_vec()),
        ("control.tar.gz", compress(&tar(&control, "./", release.time)?, release.compression)?),
        ("data.tar.gz", compress(&tar(files, "./", release.time)?, release.compression)?),
    ];
    let mut archive = ar::Builder::new(Vec::new());
    for (name, bytes) in &members {
        let mut header = ar::Header::new(name.as_bytes().to_vec(), bytes.len() as u64);
        header.set_mtime(release.time);
        header.set_mode(0o100_644);
        archive.append(&header, bytes.as_slice())?;
    }
    Ok(archive.into_inner()?)
}

/// The control file. It has no `Depends`, since the program is static.
fn control(release: &Release, files: &[Packed]) -> String {
    let kibibytes: usize = files.iter().map(|file| file.bytes.len().div_ceil(1024)).sum();
    format!(
        "Package: {NAME}\n\
         Version: {version}\n\
         Architecture: {arch}\n\
         Maintainer: {MAINTAINER}\n\
         Installed-Size: {kibibytes}\n\
         Section: net\n\
         Priority: optional\n\
         Description: {description}\n\
         {DESCRIPTION}",
        version = version(release),
        arch = release.debian_arch,
        description = release.description,
    )
}

#[cfg(test)]
mod tests {
    use flate2::Compression;

    use super::*;

    fn release(version: &str) -> Release {
        Release {
            version: version.into(),
            description: "Labs".into(),
            arch: "x86_64",
            debian_arch: "amd64",
            time: 1_700_000_000,
            compression: Compression::fast(),
        }
    }

    #[test]
    fn a_release_candidate_comes_before_its_release() {
        assert_eq!(file_name(&release("1.0.0-rc.1")), "netns_1.0.0~rc.1_amd64.deb");
        assert_eq!(file_name(&release("1.0.0")), "netns_1.0.0_amd64.deb");
    }

    #[test]
    fn the_description_is_one_field() {
        let control = control(&release("1.0.0"), &[Packed::new("usr/bin/netns", "x")]);
        let mut lines = control.lines().skip_while(|line| !line.starts_with("Description:"));
        assert_eq!(lines.next(), Some("Description: Labs"));
        let rest: Vec<_> = lines.collect();
        assert!(!rest.is_empty() && rest.iter().all(|line| line.starts_with(' ')), "{rest:#?}");
        assert!(control.contains("Installed-Size: 1\n"), "{control}");
    }

    #[test]
    fn the_same_files_give_the_same_package() {
        let files = [Packed::new("usr/bin/netns", "x")];
        let first = package(&release("1.0.0"), &files).unwrap();
        assert_eq!(first, package(&release("1.0.0"), &files).unwrap());
        assert!(first.starts_with(b"!<arch>\ndebian-binary   1700000000  0     0     100644  4 "));
    }
}
