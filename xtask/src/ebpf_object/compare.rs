//! Compares two eBPF objects.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result};
use object::{Object as _, ObjectSection as _};

/// The section of types. LLVM 22 writes some of them in the order of addresses in its memory, which
/// differs from run to run.
const TYPES: &str = ".BTF";

/// Bytes of the header of [`TYPES`] (linux/btf.h).
const HEADER: usize = 24;

/// The names of the sections that differ. In the section of types, only the sorted names are
/// compared; the other sections are compared byte for byte.
pub(super) fn differences(one: &[u8], other: &[u8]) -> Result<Vec<String>> {
    let (one, other) = (sections(one)?, sections(other)?);
    let names = one.keys().chain(other.keys().filter(|name| !one.contains_key(*name)));
    let differ = |name: &&String| match (one.get(*name), other.get(*name)) {
        (Some(one), Some(other)) if *name == TYPES => names_of_types(one) != names_of_types(other),
        (one, other) => one != other,
    };
    Ok(names.filter(differ).cloned().collect())
}

fn sections(object: &[u8]) -> Result<BTreeMap<String, Vec<u8>>> {
    let file = object::File::parse(object).context("not an ELF file")?;
    file.sections()
        .map(|section| Ok((section.name()?.to_owned(), section.data()?.to_vec())))
        .collect()
}

/// The size of the section, and the names in it, sorted.
fn names_of_types(section: &[u8]) -> (usize, Vec<&[u8]>) {
    let field = |at: usize| {
        let bytes = section.get(at..at + 4).and_then(|bytes| bytes.try_into().ok());
        bytes.map_or(0, u32::from_ne_bytes) as usize
    };
    // The fifth word of the header is the offset of the names after the header.
    let names = section.get(HEADER + field(16)..).unwrap_or_default();
    let mut names: Vec<_> = names.split(|byte| *byte == 0).collect();
    names.sort_unstable();
    (section.len(), names)
}

#[cfg(test)]
mod tests {
    use object::{
        Architecture, BinaryFormat, Endianness,
        write::{Object, SectionKind},
    };

    use super::differences;

    fn elf(sections: &[(&str, &[u8])]) -> Vec<u8> {
        let mut object = Object::new(BinaryFormat::Elf, Architecture::Bpf, Endianness::Little);
        for (name, data) in sections {
            let section =
                object.add_section(Vec::new(), name.as_bytes().to_vec(), SectionKind::Data);
            object.append_section_data(section, data, 8);
        }
        object.write().expect("an ELF file")
    }

    /// A section of types with no types, and these names.
    fn types(names: &str) -> Vec<u8> {
        [&[0; 24][..], names.as_bytes()].concat()
    }

    #[test]
    fn equal_objects_have_no_differences() {
        let object = elf(&[("classifier", &[1, 2, 3]), (".BTF", &types("a\0b\0"))]);
        assert_eq!(differences(&object, &object).expect("ELF"), Vec::<String>::new());
    }

    #[test]
    fn different_code_and_a_missing_section_are_reported() {
        let one = elf(&[("classifier", &[1, 2, 3]), ("maps", &[1])]);
        let other = elf(&[("classifier", &[1, 2, 4])]);
        let told = differences(&one, &other).expect("ELF");
        assert!(told.contains(&"classifier".into()) && told.contains(&"maps".into()), "{told:?}");
    }

    #[test]
    fn types_may_have_another_order_but_not_other_names() {
        let with = |names: &str| elf(&[(".BTF", &types(names))]);
        assert!(differences(&with("a\0bc\0"), &with("bc\0a\0")).expect("ELF").is_empty());
        assert_eq!(differences(&with("a\0bc\0"), &with("a\0bd\0")).expect("ELF"), [".BTF"]);
    }
}
