//! The packet filters of the calling thread's namespace that decide about forwarded packets, and
//! the other NATs there: nftables (including iptables-nft), and legacy iptables.
//!
//! They are only read, and reading creates nothing: a kernel without nftables, or without a table
//! of iptables, is not asked for it.

mod attributes;
mod legacy;
mod nft;
mod nft_rule;
mod ruleset;
mod xt;

use super::error::NetError;

pub use ruleset::{
    Action, Chain, Condition, Interface, InterfaceName, NatHook, Origin, Policy, Rule, Translation,
};

/// All chains that forwarded packets may pass, and those that translate addresses.
///
/// # Errors
/// When they exist and cannot be read, as without CAP_NET_ADMIN.
pub fn chains() -> Result<Vec<Chain>, NetError> {
    let mut chains = legacy::chains()?;
    chains.extend(nft::chains()?);
    Ok(chains)
}
