//! Evaluates a chain for the first packet of a connection from one interface to another.

use crate::net::firewall::{Action, Chain, Condition, Interface, InterfaceName, Policy};

/// How deep nftables lets chains jump (`NFT_JUMP_STACK_SIZE`).
const DEEPEST: usize = 16;

/// The packet filter of a machine.
pub(super) struct Firewall<'a> {
    pub chains: &'a [Chain],
    /// The index of an interface by its name.
    pub index: &'a dyn Fn(&str) -> Option<u32>,
}

/// The result of a chain for a packet.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fate {
    Passes,
    /// It is dropped, unless a rule with conditions that are not known here accepts it.
    MayPass,
    Dropped,
}

impl Firewall<'_> {
    /// The chains that the kernel calls for each forwarded packet.
    pub(super) fn bases(&self) -> impl Iterator<Item = &Chain> {
        self.chains.iter().filter(|chain| chain.forward_policy.is_some())
    }

    /// Evaluates a chain for the first packet of a connection, of which only the interfaces are
    /// known. Rules with other conditions are assumed not to drop it.
    pub(super) fn fate(&self, base: &Chain, path: (&str, &str)) -> Fate {
        let mut may_pass = false;
        let end = self.walk(base, path, 0, &mut may_pass).or(base.forward_policy);
        match (end, may_pass) {
            (Some(Policy::Accept) | None, _) => Fate::Passes,
            (Some(Policy::Drop), true) => Fate::MayPass,
            (Some(Policy::Drop), false) => Fate::Dropped,
        }
    }

    /// `None` when the chain does not decide. Notes whether some rule might have accepted the
    /// packet.
    fn walk(
        &self,
        chain: &Chain,
        path: (&str, &str),
        depth: usize,
        may_pass: &mut bool,
    ) -> Option<Policy> {
        if depth > DEEPEST {
            return None;
        }
        for rule in &chain.rules {
            if rule.conditions.iter().any(|condition| self.fails(condition, path)) {
                continue;
            }
            let mut named = |name: &String| {
                let place = (chain.origin, &chain.table, name);
                let is_it = |chain: &&Chain| (chain.origin, &chain.table, &chain.name) == place;
                self.walk(self.chains.iter().find(is_it)?, path, depth + 1, may_pass)
            };
            let (end, leaves) = match &rule.action {
                Action::Continue | Action::Translate(_) => (None, false),
                Action::Accept => (Some(Policy::Accept), true),
                Action::Drop => (Some(Policy::Drop), true),
                Action::Return => (None, true),
                Action::Jump(name) => (named(name), false),
                Action::Goto(name) => (named(name), true),
            };
            let certain = !rule.conditions.iter().any(Condition::is_of_packet);
            if certain && (leaves || end.is_some()) {
                return end;
            }
            *may_pass |= end == Some(Policy::Accept);
        }
        None
    }

    /// Whether a condition certainly does not hold.
    fn fails(&self, condition: &Condition, (from, to): (&str, &str)) -> bool {
        let is_not = |interface: &Interface, name: &str| {
            interface.negated
                == match &interface.name {
                    InterfaceName::Exact(wanted) => wanted == name,
                    InterfaceName::Prefix(wanted) => name.starts_with(wanted.as_str()),
                    InterfaceName::Index(wanted) => (self.index)(name) == Some(*wanted),
                }
        };
        match condition {
            Condition::In(interface) => is_not(interface, from),
            Condition::Out(interface) => is_not(interface, to),
            // The first packet of a connection is not of an established one.
            Condition::Connection => true,
            _ => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::net::firewall::{Origin, Rule};

    fn chain(name: &str, policy: Option<Policy>, rules: Vec<Rule>) -> Chain {
        Chain {
            origin: Origin::Ip,
            table: "filter".into(),
            name: name.into(),
            forward_policy: policy,
            nat: None,
            rules,
        }
    }

    fn rule(conditions: Vec<Condition>, action: Action) -> Rule {
        Rule { number: 0, conditions, action }
    }

    fn named(name: &str) -> Interface {
        Interface { name: InterfaceName::Exact(name.into()), negated: false }
    }

    fn fate_of(chains: &[Chain]) -> Fate {
        Firewall { chains, index: &|_| None }.fate(&chains[0], ("br-a", "br-b"))
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
            let index = |name: &str| (name == "br-a").then_some(7);
            Firewall { chains: &[], index: &index }.fate(&base, ("br-a", "br-b"))
        };
        assert_eq!(by(InterfaceName::Prefix("br-".into())), Fate::Passes);
        assert_eq!(by(InterfaceName::Prefix("virbr".into())), Fate::Dropped);
        assert_eq!(by(InterfaceName::Index(7)), Fate::Passes);
        assert_eq!(by(InterfaceName::Index(8)), Fate::Dropped);
    }
}
