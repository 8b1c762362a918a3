//! One packet: reading its headers, rewriting them, and the checksums. Uses no other folder.

pub(crate) mod access;
pub(crate) mod checksum;
pub(crate) mod crc32c;
pub(crate) mod headers;
pub(crate) mod ip_options;
pub(crate) mod quote;
pub(crate) mod rewrite;
pub(crate) mod tcp_segment;
pub(crate) mod wire;
