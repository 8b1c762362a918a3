//! Checks that a program is static.

use anyhow::{Context as _, Result, bail};
use object::{
    Endianness, elf,
    read::elf::{Dyn as _, FileHeader, ProgramHeader as _},
};

/// Fails when a program needs an interpreter or a library.
pub(super) fn is_static(program: &[u8]) -> Result<()> {
    match object::FileKind::parse(program).context("it is not an ELF file")? {
        object::FileKind::Elf64 => check::<elf::FileHeader64<Endianness>>(program),
        object::FileKind::Elf32 => check::<elf::FileHeader32<Endianness>>(program),
        other => bail!("it is not an ELF file but {other:?}"),
    }
}

fn check<Elf: FileHeader<Endian = Endianness>>(program: &[u8]) -> Result<()> {
    let header = Elf::parse(program)?;
    let endian = header.endian()?;
    for segment in header.program_headers(endian, program)? {
        if let Some(interpreter) = segment.interpreter(endian, program)? {
            bail!("it needs the interpreter {}", String::from_utf8_lossy(interpreter));
        }
        // A static position-independent program has this table too, but without libraries.
        for entry in segment.dynamic(endian, program)?.unwrap_or_default() {
            if entry.tag(endian) == elf::DT_NEEDED {
                bail!("it needs shared libraries");
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::is_static;

    #[test]
    fn a_dynamic_program_is_an_error() {
        // This test is itself a dynamic program, except on a host where all programs are static.
        let this = std::fs::read(std::env::current_exe().unwrap()).unwrap();
        if cfg!(target_feature = "crt-static") {
            is_static(&this).unwrap();
        } else {
            let error = is_static(&this).unwrap_err().to_string();
            assert!(error.contains("interpreter"), "{error}");
        }
    }

    #[test]
    fn a_file_that_is_no_program_is_an_error() {
        is_static(b"#!/bin/sh\n").unwrap_err();
    }
}
