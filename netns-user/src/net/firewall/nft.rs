//! Reads nftables by netlink (linux/netfilter/nf_tables.h).

use std::{fs, path::Path};

use libc::{
    NFNL_SUBSYS_NFTABLES, NFPROTO_BRIDGE, NFPROTO_INET, NFPROTO_IPV4, NFT_MSG_GETCHAIN,
    NFT_MSG_GETRULE, c_int,
};
use netlink_packet_core::{
    DecodeError, NLM_F_DUMP, NLM_F_REQUEST, NetlinkDeserializable, NetlinkHeader,
    NetlinkSerializable, NlasIterator,
};
use netlink_sys::protocols::NETLINK_NETFILTER;

use super::{
    attributes::Attributes,
    nft_rule,
    ruleset::{Chain, NatHook, Origin, Policy},
};
use crate::net::{NetError, exchange::exchange};

/// Bytes of `struct nfgenmsg`.
const HEAD: usize = 4;

pub(super) fn chains() -> Result<Vec<Chain>, NetError> {
    // A request would load the module. A kernel without modules, which has no list of them, can be
    // asked at any time.
    let has_modules = Path::new("/proc/modules").exists();
    if has_modules && !is_in_kernel() {
        return Ok(Vec::new());
    }
    let list = |what, kind| {
        let action = format!("list the {what} of nftables");
        exchange(NETLINK_NETFILTER, &action, NLM_F_REQUEST | NLM_F_DUMP, Request(kind))
    };
    let answers: Vec<Answer> = match list("chains", NFT_MSG_GETCHAIN) {
        Err(error) if !has_modules && is_unknown(&error) => return Ok(Vec::new()),
        answers => answers?,
    };
    let mut chains: Vec<Chain> = answers.iter().filter_map(chain).collect();
    if chains.is_empty() {
        return Ok(chains);
    }
    // The kernel lists the rules of a chain in their order.
    for answer in list("rules", NFT_MSG_GETRULE)? {
        // `NFTA_RULE_TABLE`, `NFTA_RULE_CHAIN` and `NFTA_RULE_EXPRESSIONS`.
        let attributes = answer.attributes();
        let its = (answer.origin(), attributes.text(1), attributes.text(2));
        let is_its = |chain: &&mut Chain| {
            (Some(chain.origin), &chain.table, &chain.name) == (its.0, &its.1, &its.2)
        };
        if let Some(chain) = chains.iter_mut().find(is_its) {
            // `NFTA_RULE_HANDLE`.
            let handle = attributes.long(3).unwrap_or(0);
            chain.rules.push(nft_rule::read(handle, attributes.at(4)));
        }
    }
    Ok(chains)
}

/// Whether a kernel with modules has nftables already. The list of its functions comes last: the
/// kernel takes a tenth of a second to write it.
fn is_in_kernel() -> bool {
    Path::new("/sys/module/nf_tables").exists()
        // A built-in module without parameters has no folder there, but its functions are listed.
        || fs::read_to_string("/proc/kallsyms")
            .is_ok_and(|symbols| symbols.contains(" nft_register_chain_type"))
}

/// Whether the kernel has no such family or subsystem of netlink.
fn is_unknown(error: &NetError) -> bool {
    let NetError::Refused { cause, .. } = error else { return false };
    let unknown = [libc::EINVAL, libc::EPROTONOSUPPORT, libc::EOPNOTSUPP];
    cause.raw_os_error().is_some_and(|code| unknown.contains(&code))
}

/// A request (`NFT_MSG_GET…`) about all tables.
struct Request(c_int);

impl NetlinkSerializable for Request {
    fn message_type(&self) -> u16 {
        u16::try_from(NFNL_SUBSYS_NFTABLES << 8 | self.0).unwrap_or_default()
    }

    fn buffer_len(&self) -> usize {
        HEAD
    }

    fn serialize(&self, buffer: &mut [u8]) {
        buffer.fill(0);
    }
}

/// A chain or a rule, from `struct nfgenmsg` on.
struct Answer(Vec<u8>);

impl NetlinkDeserializable for Answer {
    type Error = DecodeError;

    fn deserialize(_: &NetlinkHeader, payload: &[u8]) -> Result<Self, DecodeError> {
        if payload.len() < HEAD {
            return Err("a message without a family".into());
        }
        NlasIterator::new(&payload[HEAD..]).try_for_each(|attribute| attribute.map(drop))?;
        Ok(Self(payload.to_vec()))
    }
}

impl Answer {
    fn attributes(&self) -> Attributes<'_> {
        Attributes(&self.0[HEAD..])
    }

    /// `None` for families that forwarded IPv4 packets and frames do not pass.
    fn origin(&self) -> Option<Origin> {
        match self.0[0].into() {
            NFPROTO_IPV4 => Some(Origin::Ip),
            NFPROTO_INET => Some(Origin::Inet),
            NFPROTO_BRIDGE => Some(Origin::Bridge),
            _ => None,
        }
    }
}

/// A chain without its rules.
fn chain(answer: &Answer) -> Option<Chain> {
    let chain = answer.attributes();
    // `NFTA_CHAIN_POLICY`, and `NFTA_HOOK_HOOKNUM` in `NFTA_CHAIN_HOOK`.
    let dropped = chain.number(5) == Some(libc::NF_DROP);
    let hook = chain.at(4).number(1);
    // `NFTA_CHAIN_TYPE`.
    let nat = match (chain.text(7).as_str(), hook) {
        ("nat", Some(libc::NF_INET_PRE_ROUTING)) => Some(NatHook::Prerouting),
        ("nat", Some(libc::NF_INET_POST_ROUTING)) => Some(NatHook::Postrouting),
        _ => None,
    };
    let policy = if dropped { Policy::Drop } else { Policy::Accept };
    Some(Chain {
        origin: answer.origin()?,
        // `NFTA_CHAIN_TABLE` and `NFTA_CHAIN_NAME`.
        table: chain.text(1),
        name: chain.text(3),
        forward_policy: (hook == Some(libc::NF_INET_FORWARD)).then_some(policy),
        nat,
        rules: Vec::new(),
    })
}
