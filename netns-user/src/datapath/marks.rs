//! The object with the offsets of the running kernel in the place of its marks
//! ([`netns_common::abi::KernelField`]).
//!
//! aya has neither kernel functions (its issue 432) nor relocations for what Rust compiles, so the
//! instructions are replaced before it reads them.

use std::{borrow::Cow, sync::OnceLock};

use netns_common::abi::{CAST_TO_KERNEL, KernelField, field};
use object::{Object as _, ObjectSection as _, SectionKind};

use super::{kernel_types::KernelTypes, object::OBJECT};

/// Bytes of an instruction.
const INSTRUCTION: usize = 8;

/// `BPF_CALL`; of a kernel function, with this source register.
const CALL: u8 = 0x85;
const KERNEL_FUNCTION: u8 = 2;

/// Loads of 32, 16 and 8 bits from a register and an offset.
const LOADS: [u8; 3] = [0x61, 0x69, 0x71];

/// `mov` of an immediate value.
const MOVE: u8 = 0xb7;

/// The kernel function that [`CAST_TO_KERNEL`] stands for.
const CAST: &str = "bpf_cast_to_kern_ctx";

/// What the marks stand for on the running kernel.
#[derive(Debug)]
struct Values {
    cast: u32,
    offsets: Vec<(u16, i16)>,
    checksum_partial: u8,
}

impl Values {
    /// `None` when the kernel does not show its types or lacks one of them: the programs then do
    /// without.
    fn read() -> Option<Self> {
        let types = KernelTypes::read().ok()?;
        let offset =
            |field: KernelField| Some((field.mark, types.offset(field.structure, field.member)?));
        let offsets = field::ALL.into_iter().map(offset).collect::<Option<_>>()?;
        let bit = types.bit(field::IP_SUMMED.structure, field::IP_SUMMED.member)?;
        // Two bits, both of which are set for CHECKSUM_PARTIAL (linux/skbuff.h).
        let checksum_partial = u8::try_from(3_u32 << bit).ok()?;
        Some(Self { cast: types.function(CAST)?, offsets, checksum_partial })
    }
}

/// The object for the running kernel. Read once.
pub(super) fn object() -> &'static [u8] {
    static MARKED: OnceLock<Cow<'static, [u8]>> = OnceLock::new();
    MARKED.get_or_init(|| replace(OBJECT, values()).unwrap_or(Cow::Borrowed(OBJECT)))
}

/// The bits of the byte of `ip_summed` that say CHECKSUM_PARTIAL; 0 where programs cannot read it.
pub(super) fn checksum_partial() -> u8 {
    values().map_or(0, |values| values.checksum_partial)
}

fn values() -> Option<&'static Values> {
    static VALUES: OnceLock<Option<Values>> = OnceLock::new();
    VALUES.get_or_init(Values::read).as_ref()
}

/// Replaces the marks in the code of an object; without values, each by the value 0. `None` for
/// something that is no object.
fn replace(object: &'static [u8], values: Option<&Values>) -> Option<Cow<'static, [u8]>> {
    let file = object::File::parse(object).ok()?;
    let mut marked = object.to_vec();
    for section in file.sections().filter(|section| section.kind() == SectionKind::Text) {
        let (from, length) = section.file_range()?;
        let from = usize::try_from(from).ok()?;
        let code = marked.get_mut(from..from + usize::try_from(length).ok()?)?;
        code.chunks_exact_mut(INSTRUCTION).for_each(|instruction| mend(instruction, values));
    }
    Some(Cow::Owned(marked))
}

fn mend(instruction: &mut [u8], values: Option<&Values>) {
    let &mut [code, registers, low, high, a, b, c, d] = instruction else { return };
    let offset = u16::from_le_bytes([low, high]);
    let immediate = u32::from_le_bytes([a, b, c, d]);
    if code == CALL && immediate == CAST_TO_KERNEL {
        match values {
            Some(values) => {
                instruction[1] = KERNEL_FUNCTION << 4;
                instruction[4..].copy_from_slice(&values.cast.to_le_bytes());
            }
            None => instruction.copy_from_slice(&[MOVE, 0, 0, 0, 0, 0, 0, 0]),
        }
    } else if LOADS.contains(&code) && field::ALL.iter().any(|field| field.mark == offset) {
        let known = values.and_then(|values| {
            values.offsets.iter().find(|(mark, _)| *mark == offset).map(|(_, offset)| *offset)
        });
        match known {
            Some(offset) => instruction[2..4].copy_from_slice(&offset.to_le_bytes()),
            None => instruction.copy_from_slice(&[MOVE, registers & 0x0f, 0, 0, 0, 0, 0, 0]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values() -> Values {
        let offsets = field::ALL.iter().zip(10..).map(|(field, at)| (field.mark, at)).collect();
        Values { cast: 0x0102_0304, offsets, checksum_partial: 3 }
    }

    #[test]
    fn a_mark_becomes_what_the_kernel_has_or_the_value_0() {
        let call = [CALL, 0, 0, 0, 0x01, 0x74, 0x65, 0x6e];
        let load = [0x69, 0x21, 0x12, 0x7e, 0, 0, 0, 0];
        let mended = |mut instruction: [u8; 8], values: Option<&Values>| {
            mend(&mut instruction, values);
            instruction
        };
        assert_eq!(mended(call, Some(&values())), [CALL, 0x20, 0, 0, 4, 3, 2, 1]);
        assert_eq!(mended(load, Some(&values())), [0x69, 0x21, 11, 0, 0, 0, 0, 0]);
        assert_eq!(mended(call, None), [MOVE, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(mended(load, None), [MOVE, 1, 0, 0, 0, 0, 0, 0]);
        let other = [0x69, 0x21, 0x12, 0, 0, 0, 0, 0];
        assert_eq!(mended(other, Some(&values())), other);
    }
}
