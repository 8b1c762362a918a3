//! Checks of queueing disciplines on the router's ends of cables.

use netns_tests::{Sandbox, inside, lecture, netns};

use super::doctor_of;

#[test]
fn doctor_warns_of_a_queueing_discipline_that_most_packets_bypass() {
    let _sandbox = Sandbox::new();
    let file = lecture().write();
    netns(&["up", file.path().to_str().expect("a plain path")]).success();
    doctor_of(&file).has("queues", "ok");
    let add = "qdisc add dev veth-blue-br root tbf rate 1mbit burst 10kb latency 50ms";
    inside("host").command("tc", &add.split(' ').collect::<Vec<_>>()).success();
    let report = doctor_of(&file);
    report.has("queues", "warning");
    report.says("queues", &["veth-blue-br", "tbf", "via_stack = true"]);
    report.is_sound();
    report.mend("queues").success().shows(&["qdisc tbf", "rate 1Mbit"]);
    let through_stack = lecture().text("[nat]\nvia_stack = true").write();
    doctor_of(&through_stack).has("queues", "ok");
}
