//! Whether a program runs without anything beside it.

use anyhow::{Context as _, Result, bail};
use object::{
    Endianness, elf,
    read::elf::{Dyn as _, FileHeader, ProgramHeader as _},
};

/// Fails, and says what it needs, when a program asks for an interpreter or a library.
pub(super) fn is_static(program: &[u8]) -> Result<()> {
    match object::FileKind::parse(program).context("it is no ELF file")? {
        object::FileKind::Elf64 => check::<elf::FileHeader64<Endianness>>(program),
        object::FileKind::Elf32 => check::<elf::FileHeader32<Endianness>>(program),
        other => bail!("it is no ELF file but {other:?}"),
    }
}

fn check<Elf: FileHeader<Endian = Endianness>>(program: &[u8]) -> Result<()> {
    let header = Elf::parse(program)?;
    let endian = header.endian()?;
    for segment in header.program_headers(endian, program)? {
        if let Some(interpreter) = segment.interpreter(endian, program)? {
            bail!("it asks for the interpreter {}", String::from_utf8_lossy(interpreter));
        }
        // A static program that can be loaded anywhere has this table too, but no libraries in it.
        for entry in segment.dynamic(endian, program)?.unwrap_or_default() {
            if entry.tag(endian) == elf::DT_NEEDED {
                bail!("it asks for libraries of the system");
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::is_static;

    #[test]
    fn a_program_with_libraries_is_told_apart() {
        // A test is an ordinary program of its host: dynamic, but where all are static.
        let this = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        if cfg!(target_feature = "crt-static") {
            is_static(&this).unwrap();
        } else {
            let error = is_static(&this).unwrap_err().to_string();
            assert!(error.contains("interpreter"), "{error}");
        }
    }

    #[test]
    fn what_is_no_program_is_none() {
        is_static(b"#!/bin/sh\n").unwrap_err();
    }
}
