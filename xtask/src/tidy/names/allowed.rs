//! Names of other projects that documents have and no Rust source has, with the reason for each.
//! A name that no document needs is a finding.

pub(super) const ALLOWED: &[(&str, &[&str])] = &[
    ("configuration of the kernel", &["CONFIG_INET_DIAG_DESTROY"]),
    ("constants of the kernel", &["BPF_F_NETFILTER_IP_DEFRAG", "CHECKSUM_PARTIAL"]),
    ("errors of system calls", &["ECONNABORTED"]),
];
