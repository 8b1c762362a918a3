//! The running kernel's types, from /sys/kernel/btf/vmlinux: the offset of a member of a structure
//! differs from kernel to kernel.
//!
//! The format is that of Documentation/bpf/btf.rst; only names, structures and functions are read.
//! The crate that reads all of it is under the LGPL, which does not allow a static program.

use std::{fs, io, ops::Range, path::Path};

/// The folder of the kernel's types and those of each module.
const FOLDER: &str = "/sys/kernel/btf";
const VMLINUX: &str = "vmlinux";

/// The first half-word of the format.
const MAGIC: u16 = 0xeb9f;

/// Kinds of types, and the words after the first three of each.
mod kind {
    pub(super) const INT: u32 = 1;
    pub(super) const ARRAY: u32 = 3;
    pub(super) const STRUCT: u32 = 4;
    pub(super) const UNION: u32 = 5;
    pub(super) const ENUM: u32 = 6;
    pub(super) const FUNCTION: u32 = 12;
    pub(super) const PROTOTYPE: u32 = 13;
    pub(super) const VARIABLE: u32 = 14;
    pub(super) const SECTION: u32 = 15;
    pub(super) const TAG: u32 = 17;
    pub(super) const ENUM64: u32 = 19;
}

/// The depth to which anonymous structures are searched.
const DEPTH: usize = 8;

/// The types of the running kernel.
#[derive(Debug)]
pub(super) struct KernelTypes {
    bytes: Vec<u8>,
    strings: Range<usize>,
    /// The offset of each type; types are numbered from 1.
    types: Vec<usize>,
    /// Indexes, in that list, of the structures and of the functions, to find them by name: a
    /// kernel has a hundred thousand other types.
    structures: Vec<usize>,
    functions: Vec<usize>,
    /// The number of the kernel's own types, which come before those of a module.
    before: usize,
}

impl KernelTypes {
    /// Reads the types of the kernel.
    ///
    /// # Errors
    /// When the kernel shows no types (`CONFIG_DEBUG_INFO_BTF`), or they cannot be read.
    pub(super) fn read() -> io::Result<Self> {
        let bytes = fs::read(Path::new(FOLDER).join(VMLINUX))?;
        Self::parse(bytes).ok_or_else(|| io::ErrorKind::InvalidData.into())
    }

    /// The types of a module. A part of the kernel that is built in has no list of its own: `None`.
    ///
    /// Its types are numbered after the kernel's own, and its names come after theirs.
    pub(super) fn of_module(&self, name: &str) -> Option<Self> {
        let module = fs::read(Path::new(FOLDER).join(name)).ok()?;
        self.with_these_before(module)
    }

    /// The types of a list that continues this one.
    fn with_these_before(&self, bytes: Vec<u8>) -> Option<Self> {
        let before = self.bytes.get(self.strings.clone())?;
        let mut types = Self::parse(bytes)?;
        types.before = self.types.len();
        let own = types.bytes.get(types.strings.clone())?.to_vec();
        let begin = types.bytes.len();
        types.bytes.extend(before);
        types.bytes.extend(own);
        types.strings = begin..types.bytes.len();
        Some(types)
    }

    fn parse(bytes: Vec<u8>) -> Option<Self> {
        let half = |at: usize| Some(u16::from_ne_bytes(bytes.get(at..at + 2)?.try_into().ok()?));
        if half(0)? != MAGIC {
            return None;
        }
        let [header, types_at, types_length, strings_at, strings_length] =
            [4, 8, 12, 16, 20].map(|at| word(&bytes, at));
        let header = header?;
        let types = header.checked_add(types_at?)?;
        let end = types.checked_add(types_length?)?;
        let strings = header.checked_add(strings_at?)?;
        let strings = strings..strings.checked_add(strings_length?)?;
        let mut at = types;
        let (mut types, mut structures, mut functions) = (Vec::new(), Vec::new(), Vec::new());
        while at < end {
            let info = word(&bytes, at + 4)?;
            match kind_of_info(info) {
                kind::STRUCT => structures.push(types.len()),
                kind::FUNCTION => functions.push(types.len()),
                _ => {}
            }
            types.push(at);
            at = at.checked_add(length(info))?;
        }
        Some(Self { bytes, strings, types, structures, functions, before: 0 })
    }

    /// The offset in bytes of a member of a structure. Members of anonymous structures and unions
    /// are members of the structure that contains them.
    pub(super) fn offset(&self, structure: &str, member: &str) -> Option<i16> {
        i16::try_from(self.bit_offset(structure, member)? / 8).ok()
    }

    /// The first bit of a bit field in its byte, the lowest being 0.
    pub(super) fn bit(&self, structure: &str, member: &str) -> Option<u32> {
        u32::try_from(self.bit_offset(structure, member)? % 8).ok()
    }

    /// The offset of a member in bits.
    fn bit_offset(&self, structure: &str, member: &str) -> Option<usize> {
        let number = self.find(&self.structures, structure)?;
        self.bits(*self.types.get(number)?, member.as_bytes(), DEPTH)
    }

    /// The size of a structure in bytes.
    pub(super) fn size(&self, structure: &str) -> Option<u32> {
        let at = *self.types.get(self.find(&self.structures, structure)?)?;
        u32::try_from(word(&self.bytes, at + 8)?).ok()
    }

    /// The number of a structure.
    pub(super) fn structure(&self, name: &str) -> Option<u32> {
        u32::try_from(self.before + self.find(&self.structures, name)? + 1).ok()
    }

    /// The number of a kernel function that programs may call.
    pub(super) fn function(&self, name: &str) -> Option<u32> {
        u32::try_from(self.before + self.find(&self.functions, name)? + 1).ok()
    }

    /// The index of the first of these types that has this name.
    fn find(&self, among: &[usize], name: &str) -> Option<usize> {
        let is_named = |index: &&usize| {
            self.types.get(**index).is_some_and(|at| self.has_name(*at, name.as_bytes()))
        };
        among.iter().find(is_named).copied()
    }

    fn bits(&self, structure: usize, wanted: &[u8], depth: usize) -> Option<usize> {
        let info = word(&self.bytes, structure + 4)?;
        let has_bitfields = info >> 31 != 0;
        (0..info & 0xffff).find_map(|number| {
            let member = structure + 12 + 12 * number;
            let offset = word(&self.bytes, member + 8)?;
            let offset = if has_bitfields { offset & 0x00ff_ffff } else { offset };
            if self.has_name(member, wanted) {
                return Some(offset);
            }
            if depth == 0 || !self.has_name(member, b"") {
                return None;
            }
            let number = word(&self.bytes, member + 4)?.checked_sub(1 + self.before)?;
            let inner = self.types.get(number)?;
            let is_holder =
                matches!(kind_of(&self.bytes, *inner), Some(kind::STRUCT | kind::UNION));
            let inner = is_holder.then(|| self.bits(*inner, wanted, depth - 1)).flatten()?;
            Some(offset + inner)
        })
    }

    /// Whether the name whose offset in the strings is stored at `at` is this one.
    fn has_name(&self, at: usize, name: &[u8]) -> bool {
        let rest = || {
            let start = self.strings.start.checked_add(word(&self.bytes, at)?)?;
            self.bytes.get(start..self.strings.end)
        };
        rest().and_then(|rest| rest.strip_prefix(name)).is_some_and(|rest| rest.starts_with(&[0]))
    }
}

/// A word of 32 bits.
fn word(bytes: &[u8], at: usize) -> Option<usize> {
    let word = bytes.get(at..)?.first_chunk()?;
    Some(u32::from_ne_bytes(*word) as usize)
}

fn kind_of(bytes: &[u8], at: usize) -> Option<u32> {
    Some(kind_of_info(word(bytes, at + 4)?))
}

/// The kind of a type, from its second word.
const fn kind_of_info(info: usize) -> u32 {
    (info >> 24 & 0x1f) as u32
}

/// The length of a type in bytes, from its second word.
const fn length(info: usize) -> usize {
    let entries = info & 0xffff;
    12 + match kind_of_info(info) {
        kind::INT | kind::VARIABLE | kind::TAG => 4,
        kind::ARRAY => 12,
        kind::STRUCT | kind::UNION | kind::SECTION | kind::ENUM64 => 12 * entries,
        kind::ENUM | kind::PROTOTYPE => 8 * entries,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The strings; the types below refer to the offsets of the names in them.
    const STRINGS: &[u8] = b"\0outer\0inner\0wanted\0late\0call\0";

    fn types(words: &[u32]) -> Vec<u8> {
        let length = u32::try_from(4 * words.len()).unwrap();
        let strings = u32::try_from(STRINGS.len()).unwrap();
        let mut bytes = MAGIC.to_ne_bytes().to_vec();
        bytes.extend([1, 0]);
        for word in [24, 0, length, length, strings].iter().chain(words) {
            bytes.extend(word.to_ne_bytes());
        }
        bytes.extend(STRINGS);
        bytes
    }

    const fn info(kind: u32, entries: u32) -> u32 {
        kind << 24 | entries
    }

    #[test]
    fn members_of_anonymous_unions_and_functions_are_found() {
        // 1: an integer of 32 bits.
        let integer = [0, info(kind::INT, 0), 4, 32];
        // 2: a union without a name, with the member "wanted".
        let union = [0, info(kind::UNION, 1), 4, 13, 1, 0];
        // 3: a structure "outer" with "inner", the union at 64 bits, and "late" as a bit field.
        let structure = [1, 1 << 31 | info(kind::STRUCT, 3), 16];
        let members = [7, 1, 0, 0, 2, 64, 20, 1, 2 << 24 | 98];
        // 4: a function "call".
        let function = [25, info(kind::FUNCTION, 0), 0];
        let words: [&[u32]; 5] = [&integer, &union, &structure, &members, &function];
        let types = KernelTypes::parse(types(&words.concat())).unwrap();
        assert_eq!(types.offset("outer", "inner"), Some(0));
        assert_eq!(types.offset("outer", "wanted"), Some(8));
        assert_eq!(
            (types.offset("outer", "late"), types.bit("outer", "late")),
            (Some(12), Some(2))
        );
        assert_eq!(types.offset("outer", "nothing"), None);
        assert_eq!(types.offset("inner", "outer"), None);
        assert_eq!(types.function("call"), Some(4));
        assert_eq!(types.function("outer"), None);
    }

    #[test]
    fn types_of_a_module_continue_those_of_the_kernel() {
        let integer = [0, info(kind::INT, 0), 4, 32];
        let kernel = KernelTypes::parse(types(&integer)).unwrap();
        // Offsets of names after the kernel's strings: "inner" at 7, "wanted" at 13.
        let name = |at: u32| u32::try_from(STRINGS.len()).unwrap() + at;
        // 2: a structure without a name, with the member "wanted" at 32 bits; 3: one that holds it.
        let nameless = [0, info(kind::STRUCT, 1), 8, name(13), 1, 32];
        let holder = [name(7), info(kind::STRUCT, 2), 24, name(20), 1, 0, 0, 2, 64];
        let module = kernel.with_these_before(types(&[&nameless[..], &holder].concat())).unwrap();
        assert_eq!(module.offset("inner", "wanted"), Some(12));
        assert_eq!(module.structure("inner"), Some(3));
        assert_eq!(module.size("inner"), Some(24));
        assert_eq!(module.offset("wanted", "inner"), None);
    }

    #[test]
    fn damaged_types_are_refused() {
        let whole = types(&[0, info(kind::STRUCT, 9), 16]);
        assert!(
            KernelTypes::parse(whole.clone())
                .is_none_or(|types| { types.offset("outer", "inner").is_none() })
        );
        for length in 0..24 {
            assert!(KernelTypes::parse(whole[..length].to_vec()).is_none());
        }
        assert!(KernelTypes::parse(vec![0; 64]).is_none());
    }
}
