//! Checks the settings of the machine that decide whether it forwards packets.

use super::{
    finding::{Finding, Verdict},
    subject::{Router, Subject, real_uplinks},
};
use crate::{net::sysctl, shell};

const IP_FORWARD: &str = "ip_forward";
const RP_FILTER: &str = "rp_filter";

/// Reverse path filter: strict (RFC 3704).
const STRICT: &str = "1";

pub(super) const OWN_ROUTER: &str = "not relevant: the lab has its own router namespace";

pub(super) fn check(subject: &Subject) -> Vec<Finding> {
    let read = |key: &str| sysctl::read(key).ok();
    let is_on = |interface: &str| {
        read(&format!("ipv4/conf/{interface}/forwarding")).is_none_or(|value| value != "0")
    };
    let router = subject.router();
    let uplinks: Vec<String> = match router {
        Router::Machine(lab) => real_uplinks(lab).map(|uplink| uplink.name.clone()).collect(),
        Router::Any | Router::Own => Vec::new(),
    };
    let forwarding = Forwarding {
        on: read(sysctl::IP_FORWARD).is_some_and(|value| value != "0"),
        deaf_uplink: uplinks.iter().find(|uplink| !is_on(uplink)).cloned(),
        living: subject.living,
    };
    let strict = |interface: &String| {
        [interface.as_str(), "all"].iter().any(|which| {
            read(&format!("ipv4/conf/{which}/rp_filter")).is_some_and(|value| value == STRICT)
        })
    };
    let all = ["all".to_owned()];
    let places: &[String] = if uplinks.is_empty() { &all } else { &uplinks };
    let strict: Vec<&str> =
        places.iter().filter(|place| strict(place)).map(String::as_str).collect();
    vec![ip_forward(router, &forwarding), rp_filter(router, &strict)]
}

#[derive(Clone, Debug)]
struct Forwarding {
    on: bool,
    /// An uplink on which it is switched off.
    deaf_uplink: Option<String>,
    living: bool,
}

fn ip_forward(router: Router<'_>, state: &Forwarding) -> Finding {
    let value = u8::from(state.on);
    let Some((found, meaning, command)) = forwarding_fault(router, state) else {
        let finding = Finding::sound(IP_FORWARD, format!("net.ipv4.ip_forward is {value}"));
        return match router {
            Router::Own => finding.meaning(OWN_ROUTER),
            _ if !state.on => finding.meaning(
                "where the machine is the lab's router, `netns up` sets it to 1, `netns down` back \
                 to 0",
            ),
            _ => finding,
        };
    };
    let verdict = router.severity();
    if verdict == Verdict::Sound {
        return Finding::sound(IP_FORWARD, found).meaning(OWN_ROUTER);
    }
    Finding::new(IP_FORWARD, verdict, found).meaning(meaning).command(command)
}

fn forwarding_fault(
    router: Router<'_>,
    state: &Forwarding,
) -> Option<(String, &'static str, String)> {
    const NOTHING_LEAVES: &str = "if the machine is the lab's router, no packet leaves or enters";
    if !state.on {
        if state.living {
            let found = "net.ipv4.ip_forward is 0, and the lab is up".to_owned();
            return Some((found, NOTHING_LEAVES, shell::sysctl("net/ipv4/ip_forward", "1")));
        }
        // `up` switches it on for every interface.
        return None;
    }
    let uplink = state.deaf_uplink.as_ref()?;
    let has_forwards = matches!(router, Router::Machine(lab) if !lab.forwards.is_empty());
    has_forwards.then(|| {
        let found = format!("on, but off for the uplink \"{uplink}\"");
        let meaning = "forwarded ports cannot be reached from outside";
        let command = shell::sysctl(&format!("net/ipv4/conf/{uplink}/forwarding"), "1");
        (found, meaning, command)
    })
}

/// A strict filter does not affect labs: replies are translated before the filter sees them.
fn rp_filter(router: Router<'_>, strict: &[&str]) -> Finding {
    if strict.is_empty() {
        return Finding::sound(RP_FILTER, "not strict");
    }
    let finding = Finding::sound(RP_FILTER, format!("strict on {}", strict.join(", ")));
    finding.meaning(match router {
        Router::Own => OWN_ROUTER,
        Router::Any | Router::Machine(_) => {
            "not relevant: packets are translated before the filter sees them"
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::Topology;

    fn state() -> Forwarding {
        Forwarding { on: true, deaf_uplink: None, living: false }
    }

    #[test]
    fn forwarding_that_up_can_switch_on_is_no_fault() {
        let lab = Topology::lecture();
        let machine = Router::Machine(&lab);
        let off = Forwarding { on: false, ..state() };
        assert_eq!(ip_forward(machine, &off).verdict, Verdict::Sound);
        let living = Forwarding { living: true, ..off };
        assert_eq!(ip_forward(machine, &living).verdict, Verdict::Faulty);
        assert_eq!(ip_forward(Router::Any, &living).verdict, Verdict::Doubtful);
        assert_eq!(ip_forward(Router::Own, &living).verdict, Verdict::Sound);
    }

    #[test]
    fn an_uplink_that_does_not_forward_matters_to_forwards() {
        let mut lab = Topology::lecture();
        let deaf = Forwarding { deaf_uplink: Some("ens3".into()), ..state() };
        let finding = ip_forward(Router::Machine(&lab), &deaf);
        let command = "sysctl -w net.ipv4.conf.ens3.forwarding=1";
        assert_eq!(finding.command.as_deref(), Some(command));
        lab.forwards.clear();
        assert_eq!(ip_forward(Router::Machine(&lab), &deaf).verdict, Verdict::Sound);
    }

    #[test]
    fn a_strict_filter_is_reported_but_is_no_fault() {
        let finding = rp_filter(Router::Any, &["wan0"]);
        assert_eq!(finding.verdict, Verdict::Sound);
        assert!(finding.found.contains("wan0") && finding.meaning.is_some());
    }
}
