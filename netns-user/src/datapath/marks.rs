//! The object with its marks replaced by numbers of the running kernel
//! ([`netns_common::abi::KernelField`], [`netns_common::abi::KernelNumber`]).
//!
//! aya supports neither kernel functions (its issue 432) nor relocations of Rust code, so the
//! instructions are replaced before aya reads the object.

use std::{borrow::Cow, collections::HashMap, sync::OnceLock};

use netns_common::abi::{
    CAST_TO_KERNEL, CAST_TO_TYPE, KernelField, KernelNumber, KernelNumberOf, field, number,
};
use object::{Object as _, ObjectSection as _, SectionKind};

use super::{error::DatapathError, kernel_types::KernelTypes};
use crate::net::{Netlink, netns};

/// The object as it was built; empty when this program was built without it.
static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/netns-ebpf"));

/// Bytes of the largest load.
const WORD: u32 = 8;

/// Bytes of an instruction.
const INSTRUCTION: usize = 8;

/// `BPF_CALL`; of a kernel function, with this source register.
const CALL: u8 = 0x85;
const KERNEL_FUNCTION: u8 = 2;

/// Loads of 32, 16, 8 and 64 bits from a register and an offset.
const LOADS: [u8; 4] = [0x61, 0x69, 0x71, 0x79];

/// `mov` of an immediate value.
const MOVE: u8 = 0xb7;

/// `add` and `mov` of an immediate value, of 64 and of 32 bits.
const WITH_IMMEDIATE: [u8; 4] = [0x07, MOVE, 0x04, 0xb4];

/// The kernel functions that the marks stand for.
const FUNCTIONS: [(u32, &str); 2] =
    [(CAST_TO_KERNEL, "bpf_cast_to_kern_ctx"), (CAST_TO_TYPE, "bpf_rdonly_cast")];

/// The kernel module that may have the types of bridges.
const BRIDGE: &str = "bridge";

/// Every member that the programs read.
fn fields() -> impl Iterator<Item = KernelField> {
    field::CHECKSUM.into_iter().chain(field::PORT)
}

/// The values of the marks on the running kernel. Values that the kernel does not show are missing,
/// together with those that are useless without them: programs read zeroes instead.
#[derive(Debug, Default)]
struct Values {
    functions: HashMap<u32, u32>,
    offsets: HashMap<u16, i16>,
    numbers: HashMap<u32, u32>,
    checksum_partial: u8,
}

impl Values {
    fn read() -> Self {
        let Ok(types) = KernelTypes::read() else { return Self::default() };
        let functions = FUNCTIONS.into_iter().filter_map(|(mark, name)| {
            let number = types.function(name)?;
            Some((mark, number))
        });
        let mut values = Self { functions: functions.collect(), ..Self::default() };
        // Without one of them nothing can be read.
        if values.functions.contains_key(&CAST_TO_KERNEL) {
            let _ = values.add_checksum(&types);
            if values.functions.contains_key(&CAST_TO_TYPE) {
                let _ = values.add_port(&types);
            }
        }
        values
    }

    fn add_checksum(&mut self, types: &KernelTypes) -> Option<()> {
        let offsets = field::CHECKSUM.map(|field| offset(field, types, None));
        let offsets = offsets.into_iter().collect::<Option<Vec<_>>>()?;
        let bit = types.bit(field::IP_SUMMED.structure, field::IP_SUMMED.member)?;
        // Two bits, both of which are set for CHECKSUM_PARTIAL (linux/skbuff.h).
        self.checksum_partial = u8::try_from(3_u32 << bit).ok()?;
        self.offsets.extend(offsets);
        Some(())
    }

    fn add_port(&mut self, types: &KernelTypes) -> Option<()> {
        let module = match types.structure(field::PORT_STATE.structure) {
            Some(_) => None,
            None => types.of_module(BRIDGE).or_else(|| {
                load_bridge_module();
                types.of_module(BRIDGE)
            }),
        };
        let offsets = field::PORT.map(|field| offset(field, types, module.as_ref()));
        let offsets = offsets.into_iter().collect::<Option<Vec<_>>>()?;
        // The verifier allows no read beyond the type by which it knows a structure.
        let fits = |(field, (_, at)): (KernelField, &(u16, i16))| match field.read_as.is {
            KernelNumberOf::Type(name) => types
                .size(name)
                .is_some_and(|size| u32::try_from(*at).is_ok_and(|at| at + WORD <= size)),
            KernelNumberOf::DevicePrivate => false,
        };
        if !field::PORT.into_iter().zip(&offsets).all(fits) {
            return None;
        }
        let numbers = number::PORT.map(|KernelNumber { mark, is }| Some((mark, value(is, types)?)));
        let numbers = numbers.into_iter().collect::<Option<Vec<_>>>()?;
        self.offsets.extend(offsets);
        self.numbers.extend(numbers);
        Some(())
    }
}

/// Makes the kernel load its bridge module, as for the first bridge: its types are not visible
/// before. Afterwards the types show whether it worked.
fn load_bridge_module() {
    let make = || Netlink::open()?.add_bridge(BRIDGE, None, None, false);
    let _ = netns::run_in_new(make);
}

/// A field's mark and its offset, in the kernel itself or in a module of it.
fn offset(
    field: KernelField,
    types: &KernelTypes,
    module: Option<&KernelTypes>,
) -> Option<(u16, i16)> {
    let within = |types: &KernelTypes| types.offset(field.structure, field.member);
    let begin = match field.member {
        "" => 0,
        _ => within(types).or_else(|| within(module?))?,
    };
    Some((field.mark, begin.checked_add(field.behind)?))
}

fn value(of: KernelNumberOf, types: &KernelTypes) -> Option<u32> {
    match of {
        KernelNumberOf::Type(name) => types.structure(name),
        // It is a member since kernel 6.11; before, it began after the structure, at a multiple of
        // `NETDEV_ALIGN`.
        KernelNumberOf::DevicePrivate => match types.offset("net_device", "priv") {
            Some(offset) => u32::try_from(offset).ok(),
            None => types.size("net_device").map(|size| size.next_multiple_of(32)),
        },
    }
}

/// The object for the running kernel. It is made once.
///
/// # Errors
///
/// When this program was built without the object.
pub(super) fn object() -> Result<&'static [u8], DatapathError> {
    if OBJECT.is_empty() {
        return Err(DatapathError::NoObject);
    }
    static MARKED: OnceLock<Cow<'static, [u8]>> = OnceLock::new();
    Ok(MARKED.get_or_init(|| replace(OBJECT, values()).unwrap_or(Cow::Borrowed(OBJECT))))
}

/// The bits of `ip_summed` that mean CHECKSUM_PARTIAL; 0 if programs cannot read it.
pub(super) fn checksum_partial() -> u8 {
    values().checksum_partial
}

/// Whether programs can see the state of the kernel's bridge ports. If not, no packet bypasses a
/// bridge.
#[must_use]
pub(crate) fn shows_bridge_ports() -> bool {
    !values().numbers.is_empty()
}

fn values() -> &'static Values {
    static VALUES: OnceLock<Values> = OnceLock::new();
    VALUES.get_or_init(Values::read)
}

/// Replaces the marks in the code of an object. `None` if it is no object.
fn replace(object: &'static [u8], values: &Values) -> Option<Cow<'static, [u8]>> {
    let file = object::File::parse(object).ok()?;
    let mut marked = object.to_vec();
    for section in file.sections().filter(|section| section.kind() == SectionKind::Text) {
        let (from, length) = section.file_range()?;
        let from = usize::try_from(from).ok()?;
        let code = marked.get_mut(from..from + usize::try_from(length).ok()?)?;
        code.chunks_exact_mut(INSTRUCTION).for_each(|instruction| patch(instruction, values));
    }
    Some(Cow::Owned(marked))
}

fn patch(instruction: &mut [u8], values: &Values) {
    let &mut [code, registers, low, high, a, b, c, d] = instruction else { return };
    let offset = u16::from_le_bytes([low, high]);
    let immediate = u32::from_le_bytes([a, b, c, d]);
    if code == CALL && FUNCTIONS.iter().any(|(mark, _)| *mark == immediate) {
        match values.functions.get(&immediate) {
            Some(number) => {
                instruction[1] = KERNEL_FUNCTION << 4;
                instruction[4..].copy_from_slice(&number.to_le_bytes());
            }
            None => instruction.copy_from_slice(&[MOVE, 0, 0, 0, 0, 0, 0, 0]),
        }
    } else if LOADS.contains(&code) && fields().any(|field| field.mark == offset) {
        match values.offsets.get(&offset) {
            Some(offset) => instruction[2..4].copy_from_slice(&offset.to_le_bytes()),
            None => instruction.copy_from_slice(&[MOVE, registers & 0x0f, 0, 0, 0, 0, 0, 0]),
        }
    } else if WITH_IMMEDIATE.contains(&code)
        && number::PORT.iter().any(|number| number.mark == immediate)
    {
        let known = values.numbers.get(&immediate).copied().unwrap_or(0);
        instruction[4..].copy_from_slice(&known.to_le_bytes());
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    fn values() -> Values {
        Values {
            functions: FUNCTIONS.map(|(mark, _)| mark).into_iter().zip(0x0102_0304..).collect(),
            offsets: fields().map(|field| field.mark).zip(10..).collect(),
            numbers: number::PORT.map(|number| number.mark).into_iter().zip(7..).collect(),
            checksum_partial: 3,
        }
    }

    fn patched(mut instruction: [u8; 8], values: &Values) -> [u8; 8] {
        patch(&mut instruction, values);
        instruction
    }

    #[test]
    fn a_mark_becomes_the_number_of_the_kernel_or_0() {
        let (known, unknown) = (values(), Values::default());
        let call = [CALL, 0, 0, 0, 0x01, 0x74, 0x65, 0x6e];
        let load = [0x69, 0x21, 0x12, 0x7e, 0, 0, 0, 0];
        let sum = [0x07, 0x01, 0, 0, 0x12, 0x74, 0x65, 0x6e];
        assert_eq!(patched(call, &known), [CALL, 0x20, 0, 0, 4, 3, 2, 1]);
        assert_eq!(patched(load, &known), [0x69, 0x21, 11, 0, 0, 0, 0, 0]);
        assert_eq!(patched(sum, &known), [0x07, 0x01, 0, 0, 8, 0, 0, 0]);
        assert_eq!(patched(call, &unknown), [MOVE, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(patched(load, &unknown), [MOVE, 1, 0, 0, 0, 0, 0, 0]);
        assert_eq!(patched(sum, &unknown), [0x07, 0x01, 0, 0, 0, 0, 0, 0]);
        let other = [0x69, 0x21, 0x12, 0, 0, 0, 0, 0];
        assert_eq!(patched(other, &known), other);
    }

    /// The compiler may encode a number in a form that the loader does not look for.
    #[test]
    fn every_mark_is_in_the_object_and_is_replaced() {
        let offsets_of = |code: &[u8]| u16::from_le_bytes([code[2], code[3]]);
        let immediate_of = |code: &[u8]| u32::from_le_bytes([code[4], code[5], code[6], code[7]]);
        let found = |object: &[u8]| {
            let file = object::File::parse(object).unwrap();
            let (mut offsets, mut immediates) = (HashSet::new(), HashSet::new());
            for section in file.sections().filter(|section| section.kind() == SectionKind::Text) {
                for code in section.data().unwrap().chunks_exact(INSTRUCTION) {
                    offsets.insert(offsets_of(code));
                    immediates.insert(immediate_of(code));
                }
            }
            let numbers = FUNCTIONS.map(|(mark, _)| mark).into_iter();
            let numbers = numbers.chain(number::PORT.map(|number| number.mark));
            let fields: Vec<_> = fields().map(|f| offsets.contains(&f.mark)).collect();
            (fields, numbers.map(|mark| immediates.contains(&mark)).collect::<Vec<_>>())
        };
        let (fields, numbers) = found(OBJECT);
        assert!(fields.iter().chain(&numbers).all(|is_there| *is_there), "{fields:?} {numbers:?}");
        let marked = replace(OBJECT, &values()).unwrap();
        let (fields, numbers) = found(&marked);
        assert!(!fields.iter().chain(&numbers).any(|is_there| *is_there), "{fields:?} {numbers:?}");
    }
}
