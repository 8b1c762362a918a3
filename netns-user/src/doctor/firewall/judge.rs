//! Evaluates a chain for the first packet of a connection from one interface to another.

use crate::net::firewall::{Action, Chain, Condition, Interface, InterfaceName, Policy};

/// How deep nftables lets chains jump (`NFT_JUMP_STACK_SIZE`).
const DEEPEST: usize = 16;

/// The index of an interface by its name.
pub(super) type Indexes<'a> = &'a dyn Fn(&str) -> Option<u32>;

/// The result of a chain for a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fate {
    Passes,
    /// It is dropped, unless a rule with conditions that are not known here accepts it.
    MayPass,
    Dropped,
}

/// Evaluates a chain for the first packet of a connection, of which only the interfaces are known.
/// Rules with other conditions are assumed not to drop it.
pub(super) fn fate(
    chains: &[Chain],
    base: &Chain,
    (from, to): (&str, &str),
    index: Indexes<'_>,
) -> Fate {
    let mut walk = Walk { chains, from, to, index, may_pass: false };
    let accepted = walk
        .chain(base, 0)
        .map_or_else(|| base.forward_policy != Some(Policy::Drop), |end| end == Policy::Accept);
    match (accepted, walk.may_pass) {
        (true, _) => Fate::Passes,
        (false, true) => Fate::MayPass,
        (false, false) => Fate::Dropped,
    }
}

/// Whether a condition holds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Holds {
    No,
    Perhaps,
    Yes,
}

struct Walk<'a> {
    chains: &'a [Chain],
    from: &'a str,
    to: &'a str,
    index: Indexes<'a>,
    /// Whether some rule might have accepted the packet.
    may_pass: bool,
}

impl Walk<'_> {
    /// `None` when the chain does not decide.
    fn chain(&mut self, chain: &Chain, depth: usize) -> Option<Policy> {
        if depth > DEEPEST {
            return None;
        }
        for rule in &chain.rules {
            let holds = rule.conditions.iter().map(|condition| self.holds(condition)).min();
            let certain = match holds.unwrap_or(Holds::Yes) {
                Holds::No => continue,
                Holds::Perhaps => false,
                Holds::Yes => true,
            };
            let (end, leaves) = match &rule.action {
                Action::Continue => (None, false),
                Action::Accept => (Some(Policy::Accept), true),
                Action::Drop => (Some(Policy::Drop), true),
                Action::Return => (None, true),
                Action::Jump(name) => (self.named(chain, name, depth), false),
                Action::Goto(name) => (self.named(chain, name, depth), true),
            };
            if certain && (leaves || end.is_some()) {
                return end;
            }
            self.may_pass |= end == Some(Policy::Accept);
        }
        None
    }

    fn named(&mut self, from: &Chain, name: &str, depth: usize) -> Option<Policy> {
        let is_it = |chain: &&Chain| {
            chain.origin == from.origin && chain.table == from.table && chain.name == name
        };
        let chain = self.chains.iter().find(is_it)?;
        self.chain(chain, depth + 1)
    }

    fn holds(&self, condition: &Condition) -> Holds {
        let is = |interface: &Interface, name: &str| {
            let same = match &interface.name {
                InterfaceName::Exact(wanted) => wanted == name,
                InterfaceName::Prefix(wanted) => name.starts_with(wanted.as_str()),
                InterfaceName::Index(wanted) => (self.index)(name) == Some(*wanted),
            };
            if same == interface.negated { Holds::No } else { Holds::Yes }
        };
        match condition {
            Condition::In(interface) => is(interface, self.from),
            Condition::Out(interface) => is(interface, self.to),
            // The first packet of a connection is not of an established one.
            Condition::Connection => Holds::No,
            Condition::Other => Holds::Perhaps,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::firewall::{Family, Origin, Rule};

    fn chain(name: &str, policy: Option<Policy>, rules: Vec<Rule>) -> Chain {
        Chain {
            origin: Origin::Nftables(Family::Ip),
            table: "filter".into(),
            name: name.into(),
            forward_policy: policy,
            rules,
        }
    }

    fn rule(conditions: Vec<Condition>, action: Action) -> Rule {
        Rule { conditions, action }
    }

    fn named(name: &str) -> Interface {
        Interface { name: InterfaceName::Exact(name.into()), negated: false }
    }

    fn fate_of(chains: &[Chain]) -> Fate {
        fate(chains, &chains[0], ("br-a", "br-b"), &|_| None)
    }

    #[test]
    fn the_policy_decides_when_no_rule_does() {
        assert_eq!(fate_of(&[chain("F", Some(Policy::Drop), vec![])]), Fate::Dropped);
        assert_eq!(fate_of(&[chain("F", Some(Policy::Accept), vec![])]), Fate::Passes);
    }

    #[test]
    fn the_first_rule_that_holds_decides() {
        let accept = rule(vec![Condition::In(named("br-a"))], Action::Accept);
        let drop = rule(vec![], Action::Drop);
        let base = |rules| [chain("F", Some(Policy::Drop), rules)];
        assert_eq!(fate_of(&base(vec![accept.clone(), drop.clone()])), Fate::Passes);
        assert_eq!(fate_of(&base(vec![drop, accept])), Fate::Dropped);
        let other = rule(vec![Condition::Out(named("br-c"))], Action::Accept);
        assert_eq!(fate_of(&base(vec![other])), Fate::Dropped);
    }

    #[test]
    fn a_rule_for_established_connections_does_not_accept_a_new_one() {
        let old = rule(vec![Condition::Connection], Action::Accept);
        assert_eq!(fate_of(&[chain("F", Some(Policy::Drop), vec![old])]), Fate::Dropped);
    }

    #[test]
    fn a_rule_with_other_conditions_may_accept_the_packet() {
        let some = rule(vec![Condition::Other], Action::Accept);
        assert_eq!(fate_of(&[chain("F", Some(Policy::Drop), vec![some])]), Fate::MayPass);
        let some = rule(vec![Condition::Other], Action::Drop);
        assert_eq!(fate_of(&[chain("F", Some(Policy::Accept), vec![some])]), Fate::Passes);
    }

    #[test]
    fn a_chain_that_is_jumped_to_decides_too() {
        let docker = |inner| {
            [
                chain("F", Some(Policy::Drop), vec![rule(vec![], Action::Jump("USER".into()))]),
                chain("USER", None, inner),
            ]
        };
        assert_eq!(fate_of(&docker(vec![rule(vec![], Action::Accept)])), Fate::Passes);
        assert_eq!(fate_of(&docker(vec![rule(vec![], Action::Return)])), Fate::Dropped);
        let loops = [chain(
            "F",
            Some(Policy::Accept),
            vec![rule(vec![], Action::Jump("F".into())), rule(vec![], Action::Drop)],
        )];
        assert_eq!(fate_of(&loops), Fate::Dropped);
    }

    #[test]
    fn a_rule_names_interfaces_by_prefix_or_index() {
        let by = |name| {
            let condition = Condition::In(Interface { name, negated: false });
            let base = chain("F", Some(Policy::Drop), vec![rule(vec![condition], Action::Accept)]);
            fate(&[], &base, ("br-a", "br-b"), &|name| (name == "br-a").then_some(7))
        };
        assert_eq!(by(InterfaceName::Prefix("br-".into())), Fate::Passes);
        assert_eq!(by(InterfaceName::Prefix("virbr".into())), Fate::Dropped);
        assert_eq!(by(InterfaceName::Index(7)), Fate::Passes);
        assert_eq!(by(InterfaceName::Index(8)), Fate::Dropped);
    }
}
