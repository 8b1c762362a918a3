//! Checks of firewalls that drop forwarded packets. Each verdict is compared with what happens to
//! the packets of a lab that is up.

use netns_tests::{LabFile, Sandbox, inside, lab, lecture, netns};

use super::{Report, doctor, doctor_of, on_the_machine, run};

const BRIDGED: &str = "/proc/sys/net/bridge/bridge-nf-call-iptables";

/// Firewalls that drop everything, as different tools make them.
const DROPPING: [&str; 7] = [
    "iptables-nft -P FORWARD DROP",
    "iptables-legacy -P FORWARD DROP",
    "iptables-nft -A FORWARD -j REJECT",
    "iptables-legacy -A FORWARD -m comment --comment all -j REJECT",
    "nft add table inet f; \
     nft 'add chain inet f pass { type filter hook forward priority 0; policy drop; }'; \
     nft add rule inet f pass ct state established,related accept",
    // Like Docker's.
    "iptables-nft -P FORWARD DROP; iptables-nft -N DOCKER-USER; iptables-nft -N DOCKER; \
     iptables-nft -A DOCKER-USER -j RETURN; iptables-nft -A FORWARD -j DOCKER-USER; \
     iptables-nft -A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT; \
     iptables-nft -A FORWARD -o docker0 -j DOCKER; \
     iptables-nft -A FORWARD -i docker0 ! -o docker0 -j ACCEPT",
    "iptables-legacy -P FORWARD DROP; iptables-legacy -N DOCKER-USER; \
     iptables-legacy -A DOCKER-USER -j RETURN; iptables-legacy -A FORWARD -j DOCKER-USER; \
     iptables-legacy -A FORWARD -o docker0 -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT; \
     iptables-legacy -A FORWARD -i docker0 ! -o docker0 -j ACCEPT",
];

fn bridged_frames_are_filtered(on: bool) {
    std::fs::write(BRIDGED, if on { "1" } else { "0" }).expect("br_netfilter is in the kernel");
}

/// A lab with one bridge and `via_stack`.
fn with_one_bridge() -> LabFile {
    lab("own")
        .own_uplink("wan0")
        .bridge("br-a", "10.9.1.1/24")
        .namespace("red", "br-a", "10.9.1.2/24")
        .namespace("blue", "br-a", "10.9.1.3/24")
        .masquerade("10.9.1.0/24", "wan0")
        .text("[nat]\nvia_stack = true")
}

/// Checks that red reaches the outside in spite of the firewall.
fn the_outside_is_reached() {
    inside("red").ping("192.168.1.1").success();
}

#[test]
fn doctor_sees_each_firewall_and_its_command_opens_it() {
    for firewall in DROPPING {
        let sandbox = Sandbox::new();
        sandbox.with_uplink("wan0");
        bridged_frames_are_filtered(true);
        let file = on_the_machine().write();
        run(firewall);
        let report = doctor_of(&file);
        report.has("firewall", "fault");
        report.says("firewall", &["namespaces on different bridges do not reach each other"]);
        report.is_not_sound();

        on_the_machine().up().success();
        inside("red").ping("10.9.1.3").success();
        inside("red").cannot_ping("10.9.2.2");
        the_outside_is_reached();

        report.mend("firewall").success();
        inside("red").ping("10.9.1.3").success();
        inside("red").ping("10.9.2.2").success();
        inside("green").ping("10.9.1.2").success();
        let mended = doctor_of(&file);
        mended.has("firewall", "ok");
        mended.has("br_netfilter", "ok");
        mended.is_sound();
    }
}

#[test]
fn a_firewall_between_bridges_matters_even_without_br_netfilter() {
    let sandbox = Sandbox::new();
    sandbox.with_uplink("wan0");
    bridged_frames_are_filtered(false);
    run("iptables-nft -P FORWARD DROP");
    let report = doctor_of(&on_the_machine().write());
    report.has("firewall", "fault");
    report.says("firewall", &["namespaces on different bridges"]);
    on_the_machine().up().success();
    inside("red").ping("10.9.1.3").success();
    inside("red").cannot_ping("10.9.2.2");
    report.mend("firewall").success();
    inside("red").ping("10.9.2.2").success();
}

#[test]
fn a_firewall_applies_within_a_bridge_only_with_br_netfilter() {
    let sandbox = Sandbox::new();
    sandbox.with_uplink("wan0");
    bridged_frames_are_filtered(true);
    run("iptables-nft -P FORWARD DROP");
    let file = with_one_bridge().write();
    let report = doctor_of(&file);
    report.has("firewall", "fault");
    report.has("br_netfilter", "warning");
    with_one_bridge().up().success();
    inside("red").cannot_ping("10.9.1.3");
    report.mend("br_netfilter").success();
    inside("red").ping("10.9.1.3").success();
    let mended = doctor_of(&file);
    mended.has("firewall", "ok");
    mended.says("firewall", &["drops", "not relevant"]);
    mended.is_sound();
}

#[test]
fn the_firewall_command_for_one_bridge_opens_nothing_else() {
    let sandbox = Sandbox::new();
    sandbox.with_uplink("wan0");
    bridged_frames_are_filtered(true);
    run("iptables-nft -P FORWARD DROP");
    let report = doctor_of(&with_one_bridge().write());
    let command = &report.has("firewall", "fault")["command"];
    assert_eq!(command, "iptables-nft -I FORWARD -i br-a -o br-a -j ACCEPT");
    report.mend("firewall").success();
    doctor_of(&with_one_bridge().write()).is_sound();
    doctor_of(&on_the_machine().write()).has("firewall", "fault");
}

#[test]
fn doctor_sees_bridge_family_rules_that_drop() {
    let sandbox = Sandbox::new();
    sandbox.with_uplink("wan0");
    bridged_frames_are_filtered(false);
    run("nft add table bridge f; \
         nft 'add chain bridge f pass { type filter hook forward priority 0; policy drop; }'");
    let file = with_one_bridge().write();
    let report = doctor_of(&file);
    report.has("firewall", "fault");
    with_one_bridge().up().success();
    inside("red").cannot_ping("10.9.1.3");
    report.mend("firewall").success();
    inside("red").ping("10.9.1.3").success();
    doctor_of(&file).has("firewall", "ok");
}

#[test]
fn firewall_rules_with_unknown_matches_give_a_warning() {
    let accepting = [
        "iptables-nft -P FORWARD DROP; iptables-nft -A FORWARD -s 10.9.0.0/16 -j ACCEPT",
        "iptables-legacy -P FORWARD DROP; iptables-legacy -A FORWARD -s 10.9.0.0/16 -j ACCEPT",
        "nft add table ip f; \
         nft 'add chain ip f pass { type filter hook forward priority 0; policy drop; }'; \
         nft add rule ip f pass ip saddr 10.9.0.0/16 accept",
        "nft add table ip f; \
         nft 'add chain ip f pass { type filter hook forward priority 0; policy drop; }'; \
         nft add rule ip f pass iifname != wan0 ip saddr 10.9.0.0/16 accept",
        "nft add table ip f; \
         nft 'add chain ip f pass { type filter hook forward priority 0; policy drop; }'; \
         nft 'add rule ip f pass ct state vmap { established : accept, invalid : drop }'; \
         nft 'add rule ip f pass iifname vmap { br-a : accept, br-b : accept }'",
    ];
    for firewall in accepting {
        let sandbox = Sandbox::new();
        sandbox.with_uplink("wan0");
        run(firewall);
        let report = doctor_of(&on_the_machine().write());
        report.has("firewall", "warning");
        report.says("firewall", &["unless a rule with other conditions"]);
        report.is_sound();
    }
}

#[test]
fn doctor_understands_firewall_rules_that_accept_the_bridges() {
    let accepting = [
        "iptables-nft -P FORWARD DROP; iptables-nft -A FORWARD -i br-+ -j ACCEPT",
        "iptables-legacy -P FORWARD DROP; iptables-legacy -A FORWARD -i br-+ -j ACCEPT",
        "iptables-legacy -P FORWARD DROP; iptables-legacy -A FORWARD ! -i wan0 -j ACCEPT",
        "nft add table ip f; \
         nft 'add chain ip f pass { type filter hook forward priority 0; policy drop; }'; \
         nft add rule ip f pass iifname != wan0 accept",
    ];
    for firewall in accepting {
        let sandbox = Sandbox::new();
        sandbox.with_uplink("wan0");
        bridged_frames_are_filtered(true);
        run(firewall);
        doctor_of(&on_the_machine().write()).has("firewall", "ok");
        on_the_machine().up().success();
        inside("red").ping("10.9.1.3").success();
        inside("red").ping("10.9.2.2").success();
    }
}

#[test]
fn a_firewall_of_the_machine_does_not_affect_a_lab_with_a_router_namespace() {
    let _sandbox = Sandbox::new();
    run("iptables-nft -P FORWARD DROP; iptables-legacy -P FORWARD DROP");
    let report = doctor_of(&lecture().write());
    let verdicts = |report: &Report| -> Vec<String> {
        report.findings("firewall").iter().map(|found| found["verdict"].to_string()).collect()
    };
    assert_eq!(verdicts(&report), ["\"ok\"", "\"ok\""], "{}", report.output);
    report.says("firewall", &["drops", "not relevant", "its own router namespace"]);
    netns(&["up"]).success();
    inside("red").ping("192.168.15.2").success();
    inside("red").ping("8.8.8.8").success();
    // Without a file the doctor warns, because other labs may be affected.
    assert_eq!(verdicts(&doctor()), ["\"warning\"", "\"warning\""]);
}
