//! Reads and writes many entries of a table with few system calls: a table may have a million
//! entries, and one call for each would take a second.

use std::{
    io,
    mem::MaybeUninit,
    os::fd::{AsFd as _, AsRawFd as _},
};

use aya::{Pod, maps::MapData, sys::SyscallError};
use aya_obj::generated::{bpf_attr, bpf_cmd};
use nix::errno::Errno;

use super::probe::{address, call, request};

/// Entries that are requested at a time. The kernel returns whole buckets of a hash table, which
/// are hardly ever larger.
const AT_A_TIME: usize = 1 << 14;

/// The entries of a hash table, each once. An entry that is added or removed in the meantime may be
/// missed. Kernel 5.6.
///
/// # Errors
/// The kernel's.
pub(super) fn entries<K: Pod, V: Pod>(map: &MapData) -> Result<Vec<(K, V)>, SyscallError> {
    ask(map, None, usize::MAX)
}

/// The elements of an array from one index up to another, with their indices. Kernel 5.6.
///
/// # Errors
/// The kernel's.
pub(super) fn elements<V: Pod>(
    map: &MapData,
    from: u32,
    to: u32,
) -> Result<Vec<(u32, V)>, SyscallError> {
    // The position in an array is the last index.
    ask(map, from.checked_sub(1), to.saturating_sub(from) as usize)
}

/// About `most` entries after a position of the kernel's.
fn ask<K: Pod, V: Pod>(
    map: &MapData,
    mut come: Option<u32>,
    most: usize,
) -> Result<Vec<(K, V)>, SyscallError> {
    let mut room = AT_A_TIME.min(most);
    let mut keys: Vec<MaybeUninit<K>> = Vec::new();
    let mut values: Vec<MaybeUninit<V>> = Vec::new();
    let mut found = Vec::new();
    while found.len() < most {
        keys.resize_with(room, MaybeUninit::uninit);
        values.resize_with(room, MaybeUninit::uninit);
        let mut next: u32 = 0;
        let mut request = of_map(map, room);
        // SAFETY: each member of the union consists of numbers.
        let batch = unsafe { &mut request.batch };
        batch.in_batch = come.as_ref().map_or(0, |come| address(come));
        batch.out_batch = address(&raw mut next);
        batch.keys = address(keys.as_mut_ptr());
        batch.values = address(values.as_mut_ptr());
        let answer = call(bpf_cmd::BPF_MAP_LOOKUP_BATCH, &mut request);
        // SAFETY: the kernel writes the number of entries that it has given out.
        let count = unsafe { request.batch.count } as usize;
        let is_end = match answer {
            Ok(_) => false,
            Err(error) if is(&error, Errno::ENOENT) => true,
            // A bucket does not fit.
            Err(error) if is(&error, Errno::ENOSPC) => {
                room *= 2;
                continue;
            }
            Err(io_error) => return Err(SyscallError { call: "BPF_MAP_LOOKUP_BATCH", io_error }),
        };
        // SAFETY: the kernel has written as many keys and values, and any bytes are a value of a
        // type that is `Pod`.
        found.extend(
            keys.iter()
                .zip(&values)
                .take(count)
                .map(|(key, value)| unsafe { (key.assume_init(), value.assume_init()) }),
        );
        if is_end {
            break;
        }
        come = Some(next);
    }
    Ok(found)
}

/// Removes entries of a hash table. Entries that are gone already are no error. Kernel 5.6.
///
/// # Errors
/// The kernel's.
pub(super) fn remove<K: Pod>(map: &MapData, mut keys: &[K]) -> Result<(), SyscallError> {
    while !keys.is_empty() {
        let mut request = of_map(map, keys.len());
        request.batch.keys = address(keys.as_ptr());
        match call(bpf_cmd::BPF_MAP_DELETE_BATCH, &mut request) {
            Ok(_) => return Ok(()),
            // One entry does not exist. The kernel returns how many it has removed before it.
            Err(error) if is(&error, Errno::ENOENT) => {
                // SAFETY: as in `entries`.
                let done = unsafe { request.batch.count } as usize;
                keys = keys.get(done + 1..).unwrap_or_default();
            }
            Err(io_error) => return Err(SyscallError { call: "BPF_MAP_DELETE_BATCH", io_error }),
        }
    }
    Ok(())
}

/// A request for `count` entries of a map.
fn of_map(map: &MapData, count: usize) -> bpf_attr {
    let mut request = request();
    // SAFETY: as in `entries`.
    let batch = unsafe { &mut request.batch };
    batch.map_fd = map.fd().as_fd().as_raw_fd().cast_unsigned();
    batch.count = u32::try_from(count).unwrap_or(u32::MAX);
    request
}

fn is(error: &io::Error, errno: Errno) -> bool {
    error.raw_os_error() == Some(errno as i32)
}
