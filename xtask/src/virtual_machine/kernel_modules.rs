//! The kernel modules of a virtual machine, and what these depend on. Debian's packages have no
//! modules.dep; the modules themselves say what they depend on.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, bail};
use object::{Object as _, ObjectSection as _};

use crate::{
    packages::{VERIFY_TOOLS, ensure_tools},
    workspace::output_of,
};

/// The modules that a machine with labs loads by itself: cables and bridges, the reassembly of
/// fragments, connection tracking and bridged packets as Docker has them, lists of sockets; and the
/// mounts of the tests' sandbox.
const OF_LABS: [&str; 8] = [
    "veth",
    "bridge",
    "br_netfilter",
    "nf_defrag_ipv4",
    "nf_conntrack",
    "tcp_diag",
    "udp_diag",
    "overlay",
];

/// A module that is ready to be loaded.
#[derive(Debug)]
pub(super) struct Module {
    pub(super) name: String,
    pub(super) bytes: Vec<u8>,
}

/// The modules for labs, and `more`, in the folder of a kernel's modules, in an order in which they
/// can be loaded.
pub(super) fn find(folder: &Path, more: &[&str]) -> Result<Vec<Module>> {
    ensure_tools(VERIFY_TOOLS)?;
    let mut files = BTreeMap::new();
    collect(folder, &mut files)?;
    let mut contents = BTreeMap::new();
    let names = in_order(&[&OF_LABS, more].concat(), |name| {
        let path = files
            .get(name)
            .with_context(|| format!("{} has no module {name}", folder.display()))?;
        let bytes = plain(path)?;
        let depends = depends(&bytes).with_context(|| format!("cannot read {}", path.display()))?;
        contents.insert(name.to_owned(), bytes);
        Ok(depends)
    })?;
    let module = |name: String| {
        let bytes = contents.remove(&name).unwrap_or_default();
        Module { name, bytes }
    };
    Ok(names.into_iter().map(module).collect())
}

/// Finds the files of all modules below a folder, by their names.
fn collect(folder: &Path, files: &mut BTreeMap<String, PathBuf>) -> Result<()> {
    let entries = fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()));
    for entry in entries? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), files)?;
        } else if let Some((name, _)) = entry.file_name().to_string_lossy().split_once(".ko") {
            // To the kernel, both characters are the same.
            files.insert(name.replace('-', "_"), entry.path());
        }
    }
    Ok(())
}

/// The content of a module's file, decompressed if necessary.
fn plain(path: &Path) -> Result<Vec<u8>> {
    match path.extension().and_then(|extension| extension.to_str()) {
        Some("ko") => fs::read(path).with_context(|| format!("cannot read {}", path.display())),
        Some("xz") => output_of(Command::new("xz").arg("-dc").arg(path)),
        _ => {
            bail!("{}: only modules that are plain or compressed with xz are known", path.display())
        }
    }
}

/// The modules that a module names as its dependencies.
fn depends(module: &[u8]) -> Result<Vec<String>> {
    let file = object::File::parse(module)?;
    let section = file.section_by_name(".modinfo").context("it has no section .modinfo")?;
    Ok(depends_in(section.data()?))
}

/// The dependencies in the section .modinfo: strings that each end with a zero byte.
fn depends_in(section: &[u8]) -> Vec<String> {
    let entries = section.split(|byte| *byte == 0);
    let list = entries.filter_map(|entry| entry.strip_prefix(b"depends=")).next();
    let list = String::from_utf8_lossy(list.unwrap_or_default()).into_owned();
    list.split(',').filter(|name| !name.is_empty()).map(|name| name.replace('-', "_")).collect()
}

/// The wanted modules and all that they depend on, each after its dependencies.
fn in_order(
    wanted: &[&str],
    mut depends: impl FnMut(&str) -> Result<Vec<String>>,
) -> Result<Vec<String>> {
    let (mut order, mut seen) = (Vec::new(), BTreeSet::new());
    // A module's dependencies come above it; it is loaded when it is met for the second time.
    let mut stack: Vec<(String, bool)> =
        wanted.iter().rev().map(|&name| (name.to_owned(), false)).collect();
    while let Some((name, is_ready)) = stack.pop() {
        if is_ready {
            order.push(name);
        } else if seen.insert(name.clone()) {
            let below = depends(&name)?;
            stack.push((name, true));
            stack.extend(below.into_iter().rev().map(|name| (name, false)));
        }
    }
    Ok(order)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_comes_after_all_that_it_depends_on_and_only_once() {
        let depends = |name: &str| {
            let list: &[&str] = match name {
                "br_netfilter" => &["bridge"],
                "bridge" => &["stp", "llc"],
                "stp" => &["llc"],
                "veth" | "llc" => &[],
                _ => bail!("no module {name}"),
            };
            Ok(list.iter().map(|&name| name.to_owned()).collect())
        };
        let order = in_order(&["veth", "br_netfilter", "bridge"], depends).expect("they exist");
        assert_eq!(order, ["veth", "llc", "stp", "bridge", "br_netfilter"]);
        assert!(in_order(&["veth", "dummy"], depends).is_err());
    }

    #[test]
    fn dependencies_are_read_from_the_list_in_the_module() {
        let section = b"name=nf_conntrack\0depends=nf_defrag_ipv6,libcrc32c,nf-defrag-ipv4\0";
        assert_eq!(depends_in(section), ["nf_defrag_ipv6", "libcrc32c", "nf_defrag_ipv4"]);
        assert!(depends_in(b"name=veth\0depends=\0intree=Y\0").is_empty());
        assert!(depends_in(b"").is_empty());
    }

    #[test]
    fn modules_are_found_by_their_names_whatever_their_compression() {
        let folder = tempfile::tempdir().expect("a folder");
        let net = folder.path().join("kernel/net");
        fs::create_dir_all(&net).expect("a folder");
        for name in ["nf-nat.ko.xz", "veth.ko", "modules.order"] {
            fs::write(net.join(name), "").expect("a file");
        }
        let mut files = BTreeMap::new();
        collect(folder.path(), &mut files).expect("readable");
        assert_eq!(files.keys().collect::<Vec<_>>(), ["nf_nat", "veth"]);
    }
}
