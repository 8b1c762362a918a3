//! The packet filters of the calling thread's namespace that decide about forwarded packets:
//! nftables (including iptables-nft), and legacy iptables.
//!
//! They are only read, and reading creates nothing: a kernel without nftables, or without a table
//! of iptables, is not asked for it.

mod legacy;
mod nft;
mod ruleset;

use super::error::NetError;

pub use ruleset::{Action, Chain, Condition, Interface, InterfaceName, Origin, Policy, Rule};

/// All chains that forwarded packets may pass.
///
/// # Errors
/// When they exist and cannot be read, as without CAP_NET_ADMIN.
pub fn chains() -> Result<Vec<Chain>, NetError> {
    let mut chains = legacy::chains()?;
    chains.extend(nft::chains()?);
    Ok(chains)
}
