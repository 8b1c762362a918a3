//! Rules of another NAT for a port that the lab forwards.

use netns_tests::{Sandbox, inside, netns};

use super::{doctor_of, on_the_machine, run};

#[test]
fn a_rule_of_another_nat_for_a_forwarded_port_is_named_and_gets_no_packets_from_outside() {
    let rules = [
        (
            "iptables -t nat -A PREROUTING -p tcp --dport 8080 -j DNAT --to 172.17.0.2:90",
            "(table ip nat, chain PREROUTING)",
            "tcp dport 8080 dnat to 172.17.0.2:90",
        ),
        (
            "iptables-legacy -t nat -A PREROUTING -p tcp -m tcp --dport 8000:8090 -j REDIRECT \
             --to-ports 90",
            "iptables-legacy (table nat, chain PREROUTING)",
            "tcp dport 8000-8090 redirect to :90",
        ),
        (
            "nft 'add table inet n; add chain inet n pre { type nat hook prerouting priority -100; \
             }; add rule inet n pre ip daddr 192.168.1.0/24 tcp dport 8080 dnat ip to 172.17.0.2'",
            "(table inet n, chain pre)",
            "tcp to 192.168.1.0/24 dport 8080 dnat to 172.17.0.2",
        ),
    ];
    for (command, place, rule) in rules {
        let sandbox = Sandbox::new();
        sandbox.with_uplink("wan0");
        run(command);
        let lab = on_the_machine();
        let file = lab.write();
        let report = doctor_of(&file);
        report.has("other-nats", "warning");
        report.says("other-nats", &[place, rule, "forward tcp 8080 -> 10.9.1.2:80"]);
        report.is_sound();
        let up = lab.up().success();
        assert!(up.stderr.contains(rule), "{up}\nexpected a note about {rule}");
        let _server = inside("red").web_server("10.9.1.2", 80, "from red");
        inside("outside").curl("http://192.168.1.10:8080/").success().shows(&["from red"]);
        report.mend("other-nats").success();
        doctor_of(&file).has("other-nats", "ok");
    }
}

#[test]
fn a_port_that_docker_forwards_is_named() {
    let sandbox = Sandbox::new();
    sandbox.with_uplink("wan0");
    run("iptables -t nat -N DOCKER");
    run("iptables -t nat -A PREROUTING -m addrtype --dst-type LOCAL -j DOCKER");
    run("iptables -t nat -A DOCKER -i docker0 -j RETURN");
    run("iptables -t nat -A DOCKER ! -i docker0 -p tcp -m tcp --dport 8080 -j DNAT \
         --to-destination 172.17.0.2:80");
    let report = doctor_of(&on_the_machine().write());
    report.has("other-nats", "warning");
    report.says("other-nats", &["chain DOCKER", "dnat to 172.17.0.2:80", "docker ps"]);
}

#[test]
fn rules_of_other_nats_for_other_ports_are_not_named() {
    let sandbox = Sandbox::new();
    sandbox.with_uplink("wan0");
    for others in ["-p udp --dport 8080", "-p tcp --dport 8081", "-i eth7 -p tcp --dport 8080"] {
        run(&format!("iptables -t nat -A PREROUTING {others} -j DNAT --to-destination 10.3.0.1"));
        run(&format!("iptables-legacy -t nat -A PREROUTING {others} -j REDIRECT"));
    }
    run("iptables -t nat -A POSTROUTING -s 10.3.0.0/24 -j MASQUERADE");
    doctor_of(&on_the_machine().write()).has("other-nats", "ok");
    on_the_machine().up().success();
    run("iptables -t nat -A PREROUTING -p udp --dport 53 -j DNAT --to-destination 10.3.0.1");
    let added = netns(&["forward", "add", "udp", "53", "10.9.1.2:53"]).success();
    assert!(added.stderr.contains("udp dport 53 dnat to 10.3.0.1"), "{added}");
}
