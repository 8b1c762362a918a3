//! The number of a NAT rule.

/// The number of a NAT rule: its index in the rule counters. Userspace assigns the numbers, from 1
/// on; masquerades and forwards share them.
pub type RuleId = u16;

/// Means that no rule applies.
pub const NO_RULE: RuleId = 0;
