//! Checks for programs of a router that listen on a forwarded port, and names those that cannot
//! connect to a forward.

use super::{
    finding::{Finding, Verdict},
    subject::{Router, Subject},
};
use crate::lab::{self, ShadowedListener};

const CHECK: &str = "listeners";

/// Shows the listening sockets.
const LISTENERS: &str = "ss -Hlntup";

pub(super) fn check(subject: &Subject) -> Vec<Finding> {
    let Some(lab) = &subject.lab else { return Vec::new() };
    // The routers are namespaces that do not exist yet, so no program listens in them.
    if matches!(subject.router(), Router::Own) && !subject.living {
        return Vec::new();
    }
    let listeners = match lab::shadowed(lab) {
        Ok(found) => judge(&found),
        Err(error) => Finding::new(CHECK, Verdict::Doubtful, error.to_string())
            .meaning("the listening sockets could not be read; this shows them")
            .command(LISTENERS),
    };
    let mut findings = vec![listeners];
    if !lab.forwards.is_empty() {
        findings.push(bound_to_loopback());
    }
    findings
}

/// A limit of every lab with forwards.
fn bound_to_loopback() -> Finding {
    Finding::sound("loopback", "programs of the router reach forwards, also at 127.0.0.1").meaning(
        "exception: a program that binds its socket to a loopback address before it connects gets \
         EINVAL, since Linux cannot send from a loopback address to another namespace",
    )
}

fn judge(found: &[ShadowedListener]) -> Finding {
    if found.is_empty() {
        return Finding::sound(CHECK, "no program listens on a port that the lab forwards");
    }
    let words: Vec<String> = found.iter().map(ShadowedListener::in_words).collect();
    Finding::new(CHECK, Verdict::Doubtful, words.join("; "))
        .meaning(
            "the program keeps its open connections and gets replies to its own packets, but no \
             new connections from others: give the forward or the program another port",
        )
        .command(LISTENERS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::Topology;

    #[test]
    fn the_limit_of_loopback_addresses_is_shown_only_for_a_lab_with_forwards() {
        let checks = |lab: Topology| -> Vec<&str> {
            let subject = Subject { lab: Some(lab), file: None, living: true, no_uplink: None };
            check(&subject).iter().map(|finding| finding.check).collect()
        };
        let mut lab = Topology::lecture();
        assert!(checks(lab.clone()).contains(&"loopback"));
        lab.forwards.clear();
        assert!(!checks(lab).contains(&"loopback"));
    }

    #[test]
    fn a_program_on_a_forwarded_port_is_named() {
        assert_eq!(judge(&[]).verdict, Verdict::Sound);
        let one = ShadowedListener {
            router: Some("gw".to_owned()),
            program: Some("dnsmasq".to_owned()),
            listener: "udp 0.0.0.0:53".to_owned(),
            forward: "forward udp 53 -> 10.0.0.2:53".to_owned(),
        };
        let finding = judge(&[one]);
        assert_eq!(finding.verdict, Verdict::Doubtful);
        assert_eq!(
            finding.found,
            "dnsmasq in namespace \"gw\" listens on udp 0.0.0.0:53, but \"forward udp 53 -> \
             10.0.0.2:53\" takes the packets that others send there"
        );
    }
}
