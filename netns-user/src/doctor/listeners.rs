//! Programs of the router and the ports that the lab forwards: who listens there, and who cannot call.

use super::{Finding, Router, Subject, Verdict};
use crate::lab::{self, ShadowedListener};

const CHECK: &str = "listeners";

/// Shows who listens.
const LISTENERS: &str = "ss -Hlntup";

pub(super) fn check(subject: &Subject) -> Vec<Finding> {
    let Some(lab) = &subject.lab else { return Vec::new() };
    // Where the routers are namespaces, nobody listens before they are there.
    if matches!(subject.router(), Router::Own) && !subject.living {
        return Vec::new();
    }
    let listeners = match lab::shadowed(lab) {
        Ok(found) => judge(&found),
        Err(error) => Finding::new(CHECK, Verdict::Doubtful, error.to_string())
            .meaning("whether a program listens on a forwarded port is not known: this shows it")
            .command(LISTENERS),
    };
    let mut findings = vec![listeners];
    if !lab.forwards.is_empty() {
        findings.push(bound_to_loopback());
    }
    findings
}

/// What holds for every lab with forwards.
fn bound_to_loopback() -> Finding {
    Finding::sound("loopback", "programs of the router reach forwards, by 127.0.0.1 too").meaning(
        "but for those that bind their socket to a loopback address before they connect: they get \
         EINVAL, because Linux sends nothing from such an address to another namespace",
    )
}

fn judge(found: &[ShadowedListener]) -> Finding {
    if found.is_empty() {
        return Finding::sound(CHECK, "no program listens on a port that the lab forwards");
    }
    let words: Vec<String> = found.iter().map(ShadowedListener::in_words).collect();
    Finding::new(CHECK, Verdict::Doubtful, words.join("; "))
        .meaning(
            "connections that the program has already, and answers to what it sends, stay its \
             own; for the rest give the forward, or the program, another port",
        )
        .command(LISTENERS)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::topology::Topology;

    #[test]
    fn who_cannot_call_a_forward_is_told_where_there_are_forwards() {
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
            "dnsmasq of namespace \"gw\" listens on udp 0.0.0.0:53, but what others send there \
             goes by \"forward udp 53 -> 10.0.0.2:53\""
        );
    }
}
