//! The NAT rules of routers as tables and as JSON, and the sentence for a router without rules.

use schemars::JsonSchema;
use serde::Serialize;

use super::{print, routers::LivingRouter};
use crate::{
    datapath::RuleStatus,
    output::{bytes, count, table},
    rules::{ForwardRule, Mapping, MasqueradeRule},
};

/// A rule of a router with its counters.
#[derive(Debug, Serialize, JsonSchema)]
pub(super) struct RouterRule<R> {
    /// The name of the router that has it; `"machine"`: this machine.
    router: String,
    #[serde(flatten)]
    status: RuleStatus<R>,
}

/// A kind of NAT rules.
pub(super) trait RuleKind: Sized {
    /// The kind in a word.
    const NAME: &str;

    /// The command that adds a rule, with words in capitals for its arguments.
    const ADD: &str;

    /// The columns of a table of such rules.
    fn columns<'a>(rules: impl Iterator<Item = &'a RuleStatus<Self>> + Clone) -> Columns
    where
        Self: 'a;
}

/// The headers and the rows of a table.
#[derive(Debug)]
pub(super) struct Columns {
    headers: Vec<&'static str>,
    rows: Vec<Vec<String>>,
}

impl RuleKind for MasqueradeRule {
    const NAME: &str = "masquerade";
    const ADD: &str = "netns masquerade add SOURCE";

    fn columns<'a>(rules: impl Iterator<Item = &'a RuleStatus<Self>> + Clone) -> Columns {
        let row = |status: &RuleStatus<Self>| {
            let Self { source, uplink, except, to, mss_clamp, mapping, filtering } = &status.rule;
            let mut more: Vec<String> = to.iter().map(|to| format!("as {to}")).collect();
            more.extend(except.iter().map(|network| format!("except to {network}")));
            more.extend(mss_clamp.iter().map(|clamp| format!("mss {clamp}")));
            if *mapping == Mapping::EndpointIndependent {
                more.push(format!("{mapping} mapping, {filtering} filtering"));
            }
            let [flows, packets, bytes] = counters(status);
            let uplink = uplink.clone().unwrap_or_else(|| "any".into());
            vec![flows, packets, bytes, source.to_string(), uplink, more.join(", ")]
        };
        let headers = vec!["FLOWS", "PKTS", "BYTES", "SOURCE", "UPLINK", "OPTIONS"];
        Columns { headers, rows: rules.map(row).collect() }.without_empty_last()
    }
}

impl RuleKind for ForwardRule {
    const NAME: &str = "forward";
    const ADD: &str = "netns forward add PROTOCOL PORT TARGET";

    fn columns<'a>(rules: impl Iterator<Item = &'a RuleStatus<Self>> + Clone) -> Columns {
        let row = |status: &RuleStatus<Self>| {
            let Self { protocol, address, ports, from, .. } = &status.rule;
            let address = address.map_or_else(|| "any".into(), |address| address.to_string());
            let [flows, packets, bytes] = counters(status);
            let host = format!("{address}:{ports}");
            let from: Vec<String> = from.iter().map(ToString::to_string).collect();
            let target = status.rule.leads_to();
            vec![flows, packets, bytes, protocol.to_string(), host, target, from.join(", ")]
        };
        let headers = vec!["FLOWS", "PKTS", "BYTES", "PROTO", "HOST", "TARGET", "FROM"];
        Columns { headers, rows: rules.map(row).collect() }.without_empty_last()
    }
}

fn counters<R>(status: &RuleStatus<R>) -> [String; 3] {
    [count(status.flows), count(status.packets), bytes(status.bytes)]
}

impl Columns {
    /// Leaves the last column out if it is empty in every row.
    fn without_empty_last(mut self) -> Self {
        if self.rows.iter().all(|row| row.last().is_none_or(String::is_empty)) {
            self.headers.pop();
            self.rows.iter_mut().for_each(|row| drop(row.pop()));
        }
        self
    }

    /// Puts a column with the router of each row in front.
    fn with_routers<'a>(mut self, routers: impl Iterator<Item = &'a str>) -> Self {
        self.headers.insert(0, "ROUTER");
        for (row, router) in self.rows.iter_mut().zip(routers) {
            row.insert(0, router.to_owned());
        }
        self
    }

    fn text(self) -> String {
        table(&self.headers, self.rows)
    }
}

/// The rules of one router as a table, or the sentence that it has none.
pub(super) fn rules_of<R: RuleKind>(router: &str, rules: &[RuleStatus<R>]) -> String {
    if rules.is_empty() { none::<R>(&[router]) } else { R::columns(rules.iter()).text() }
}

/// Prints the rules of these routers. The table of several routers has a column for the router.
///
/// # Errors
/// When they cannot be read or written.
pub(super) fn list_rules<R: RuleKind + Serialize + JsonSchema>(
    json: bool,
    routers: &[LivingRouter],
    rules: impl Fn(&LivingRouter) -> anyhow::Result<Vec<RuleStatus<R>>>,
) -> anyhow::Result<()> {
    let mut all = Vec::new();
    for router in routers {
        let name = router.name();
        let of_router = |status| RouterRule { router: name.to_owned(), status };
        all.extend(rules(router)?.into_iter().map(of_router));
    }
    let names: Vec<&str> = routers.iter().map(LivingRouter::name).collect();
    print(json, &all, |all| listed(&names, all))
}

fn listed<R: RuleKind>(routers: &[&str], rules: &[RouterRule<R>]) -> String {
    if rules.is_empty() {
        return none::<R>(routers);
    }
    let columns = R::columns(rules.iter().map(|rule| &rule.status));
    match routers {
        [_] => columns.text(),
        _ => columns.with_routers(rules.iter().map(|rule| rule.router.as_str())).text(),
    }
}

/// The sentence for routers without such a rule.
fn none<R: RuleKind>(routers: &[&str]) -> String {
    let (subject, verb) = match routers {
        [_] => ("router", "has"),
        _ => ("routers", "have"),
    };
    let (names, kind, add) = (routers.join(", "), R::NAME, R::ADD);
    format!("{subject} {names} {verb} no {kind} rule: `{add}` adds one\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::ForwardProtocol;

    fn forward(router: &str, port: u16) -> RouterRule<ForwardRule> {
        let target = "10.1.0.10:80".parse().unwrap();
        let rule = ForwardRule::new(ForwardProtocol::Tcp, port, target);
        let status = RuleStatus { id: 1, rule, flows: 1, packets: 10, bytes: 1240 };
        RouterRule { router: router.to_owned(), status }
    }

    #[test]
    fn the_rules_of_several_routers_name_their_router() {
        let rules = [forward("gw1", 8080), forward("gw2", 80)];
        assert_eq!(
            listed(&["gw1", "gw2"], &rules),
            "\
ROUTER  FLOWS  PKTS   BYTES  PROTO  HOST      TARGET
gw1         1    10  1.2 kB  tcp    any:8080  10.1.0.10:80
gw2         1    10  1.2 kB  tcp    any:80    10.1.0.10:80
"
        );
        let text = listed(&["gw1"], &rules[..1]);
        assert!(text.starts_with("FLOWS"), "{text}");
        let json = serde_json::to_value(&rules[1]).unwrap();
        assert_eq!((&json["router"], &json["port"]), (&"gw2".into(), &80.into()), "{json}");
    }

    #[test]
    fn a_list_without_rules_names_the_routers_and_the_command_that_adds_one() {
        assert_eq!(
            listed::<MasqueradeRule>(&["gw1", "gw2"], &[]),
            "routers gw1, gw2 have no masquerade rule: `netns masquerade add SOURCE` adds one\n"
        );
        assert_eq!(
            rules_of::<ForwardRule>("host", &[]),
            "router host has no forward rule: `netns forward add PROTOCOL PORT TARGET` adds one\n"
        );
    }

    #[test]
    fn a_column_without_values_is_left_out() {
        let mut rules = [forward("gw1", 80), forward("gw1", 81)];
        rules[1].status.rule.from.insert("192.168.1.0/24".parse().unwrap());
        let text = listed(&["gw1"], &rules);
        assert!(text.contains("TARGET        FROM\n") && text.contains("192.168.1.0/24"), "{text}");
        assert!(!listed(&["gw1"], &rules[..1]).contains("FROM"));
    }
}
