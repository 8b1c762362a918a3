//! A lab with two routers in a row: each has its own rules and connections.

use std::process::Command;

use netns_tests::{
    DEADLINE, Output, Running, Sandbox, count, eventually, inside, netns_line, netns_path,
    stream_whole, town,
};
use nix::sys::signal::Signal;
use serde_json::Value;

fn town_is_up() -> Sandbox {
    let sandbox = Sandbox::new();
    town().up().success();
    sandbox
}

/// The rules of one router.
fn rules(router: &str) -> Value {
    netns_line(&format!("nat --router {router} --json")).json()
}

fn length(list: &Value) -> usize {
    list.as_array().unwrap_or_else(|| panic!("no list: {list:#}")).len()
}

#[test]
fn masquerade_add_applies_to_the_routers_of_that_network() {
    let _sandbox = town_is_up();
    inside("laptop").cannot_ping("8.8.8.8");
    let explained = netns_line("masquerade add 10.1.0.0/24 --uplink wan --explain").success();
    explained.shows(&["ip netns exec home iptables -t nat -A POSTROUTING -s 10.1.0.0/24 -o wan"]);
    assert_eq!(length(&rules("home")["masquerades"]), 1);
    assert_eq!(length(&rules("provider")["masquerades"]), 0);
    inside("laptop").ping("10.64.0.3").success();
    inside("laptop").cannot_ping("8.8.8.8");
    // Without an uplink the rule applies to all routers with a bridge in that network.
    netns_line("masquerade add 10.0.0.0/8").success();
    inside("laptop").ping("8.8.8.8").success();
    for router in ["home", "provider"] {
        let last = rules(router)["masquerades"].as_array().expect("a list").last().cloned();
        assert_eq!(last.expect("a rule")["source"], "10.0.0.0/8");
    }
    netns_line("masquerade del 10.0.0.0/8").success();
    assert_eq!(length(&rules("provider")["masquerades"]), 0);
    assert_eq!(length(&rules("home")["masquerades"]), 1);
    netns_line("masquerade del 10.1.0.0/24").success();
    assert_eq!(length(&rules("home")["masquerades"]), 0);
    netns_line("masquerade del 10.1.0.0/24").fails_with(&["masquerade 10.1.0.0/24", "netns nat"]);
}

#[test]
fn masquerade_add_changes_all_selected_routers_or_none() {
    let _sandbox = town_is_up();
    netns_line("masquerade add 10.0.0.0/8 --router home").success();
    assert_eq!(length(&rules("provider")["masquerades"]), 0);
    let exists = "the rule `masquerade 10.0.0.0/8 out of any uplink` already exists";
    netns_line("masquerade add 10.0.0.0/8").fails_with(&[exists]);
    assert_eq!(length(&rules("provider")["masquerades"]), 0);
    // If two routers have different rules, one must be selected.
    netns_line("masquerade add 10.0.0.0/8 --router provider --uplink core").success();
    netns_line("masquerade del 10.0.0.0/8").fails_with(&["home", "provider", "--router"]);
    netns_line("masquerade del 10.0.0.0/8 --uplink core").success();
    assert_eq!(length(&rules("provider")["masquerades"]), 0);
    assert_eq!(length(&rules("home")["masquerades"]), 1);
    let wrong = netns_line("masquerade add 10.1.0.0/24 --uplink wan --router provider");
    wrong.fails_with(&["provider", "wan"]);
}

#[test]
fn masquerade_add_refuses_a_router_that_the_source_does_not_reach() {
    let _sandbox = town_is_up();
    let street = "10.64.0.0/24";
    let why = ["does not apply to router \"home\"", "10.64.0.0/24 is behind router \"provider\""];
    for option in ["--router home", "--uplink wan", "--router home --uplink wan"] {
        netns_line(&format!("masquerade add {street} {option}")).fails_with(&why);
        assert_eq!(length(&rules("home")["masquerades"]), 0, "{option}");
    }
    netns_line("masquerade add 10.1.0.0/24 --router provider")
        .fails_with(&["10.1.0.0/24 is behind router \"home\""]);
    // The provider gets packets of the home network by the home's uplink.
    netns_line("masquerade add 10.1.0.0/24 --uplink core").success();
    assert_eq!(length(&rules("provider")["masquerades"]), 1);
}

#[test]
fn forward_add_selects_the_router_of_the_target() {
    let _sandbox = town_is_up();
    let _server = inside("laptop").web_server("10.1.0.2", 80, "from the laptop");
    netns_line("forward add tcp 80 10.1.0.2:80 --explain")
        .success()
        .shows(&["ip netns exec home iptables"]);
    assert_eq!(length(&rules("home")["forwards"]), 1);
    assert_eq!(length(&rules("provider")["forwards"]), 0);
    inside("next").curl("http://10.64.0.2/").success().shows(&["from the laptop"]);
    // The target is the home's uplink, which is behind the provider.
    netns_line("forward add tcp 80 10.64.0.2:80").success();
    assert_eq!(length(&rules("provider")["forwards"]), 1);
    inside("net").curl("http://192.0.2.2/").success().shows(&["from the laptop"]);
    netns_line("forward del tcp 80").fails_with(&["--router", "home", "provider"]);
    netns_line("forward del tcp 80 --router home").success();
    netns_line("forward del tcp 80").success();
    assert_eq!(length(&rules("provider")["forwards"]), 0);
    netns_line("forward del tcp 80").fails_with(&["no rule", "forward tcp 80"]);
    netns_line("forward add tcp 80 10.1.0.9:80").fails_with(&["10.1.0.9"]);
    // The target exists, but not behind the selected router.
    netns_line("forward add tcp 80 10.1.0.2:80 --router provider")
        .fails_with(&["10.1.0.2 is behind router \"home\", not behind \"provider\""]);
    assert_eq!(length(&rules("provider")["forwards"]), 0);
}

#[test]
fn nat_and_flows_list_every_router() {
    let _sandbox = town_is_up();
    netns_line("masquerade add 10.0.0.0/8").success();
    inside("laptop").ping("8.8.8.8").success();
    netns_line("nat").success().shows(&["router provider\n", "router home\n", "10.0.0.0/8"]);
    let nat = netns_line("nat --json").json();
    let routers = nat["routers"].as_array().expect("routers").clone();
    let names: Vec<&Value> = routers.iter().map(|router| &router["router"]).collect();
    assert_eq!(names, ["provider", "home"]);
    for router in &routers {
        assert_eq!(count(&router["masquerades"][0], "flows"), 1, "{nat:#}");
    }
    // With `--router` the JSON has the form of a lab with one router.
    assert_eq!(rules("home")["lab"], "town");
    assert!(rules("home")["routers"].is_null());

    let flows = netns_line("flows --json").json();
    let mut ends: Vec<(&str, &str)> = flows
        .as_array()
        .expect("flows")
        .iter()
        .map(|flow| {
            let inside = flow["inside"].as_str().expect("an end");
            (flow["router"].as_str().expect("a router"), inside.split(':').next().expect("one"))
        })
        .collect();
    ends.sort_unstable();
    assert_eq!(ends, [("home", "10.1.0.2"), ("provider", "10.64.0.2")]);
    netns_line("flows").success().shows(&["ROUTER", "provider", "home"]);
    let home = netns_line("flows --router home --json").json();
    assert_eq!(length(&home), 1);
    assert!(home[0]["router"].is_null());

    netns_line("flows flush --router home").success().shows(&["1 flow flushed"]);
    assert_eq!(length(&netns_line("flows --json").json()), 1);
    inside("laptop").ping("8.8.8.8").success();
    let flushed = netns_line("flows flush --explain").success();
    flushed.shows(&["exec provider conntrack -F", "exec home conntrack -F", "flows flushed"]);
    assert_eq!(length(&netns_line("flows --json").json()), 0);
}

#[test]
fn watch_and_log_show_one_router() {
    let _sandbox = town_is_up();
    netns_line("masquerade add 10.0.0.0/8").success();
    inside("laptop").ping("8.8.8.8").success();
    let first = netns_line("watch --json").success();
    assert!(first.stderr.contains("provider") && first.stderr.contains("home"), "{first}");
    let inside_of =
        |output: Output| output.json()["flows"][0]["inside"].as_str().expect("an end").to_owned();
    assert!(inside_of(first).starts_with("10.64.0.2:"));
    assert!(inside_of(netns_line("watch --json --router home")).starts_with("10.1.0.2:"));
    netns_line("watch --once --router home").success().shows(&["router home", "10.1.0.2"]);

    let mut log = Running::start(
        None,
        Command::new(netns_path()).args(["log", "--router", "home", "--count", "2"]),
    );
    log.wait_for("logging the next 2 packets of router \"home\"");
    inside("laptop").ping("8.8.8.8").success();
    let (status, stdout, _) = log.finish();
    assert!(status.success());
    let leaves = |line: &str| line.contains("10.1.0.2") && line.ends_with("to wan");
    assert!(stdout.lines().any(leaves), "{stdout}");

    // Each router has its own log, and what a killed log leaves is removed for each.
    let logs = ["home", "provider"].map(|router| {
        let mut log =
            Running::start(None, Command::new(netns_path()).args(["log", "--router", router]));
        log.wait_for("logging the packets");
        log
    });
    for log in &logs {
        log.signal(Signal::SIGKILL);
    }
    drop(logs);
    netns_line("nat").success();
    for name in ["town", "town@home"] {
        let datapath = netns_user::datapath::Datapath::open(name).expect("a datapath");
        eventually("the log is cleared", DEADLINE, || !datapath.is_logging().expect("an answer"));
    }
}

#[test]
fn the_error_for_an_unknown_router_lists_the_known_ones() {
    let _sandbox = town_is_up();
    for command in [
        "nat --router office",
        "flows --router office",
        "flows flush --router office",
        "watch --once --router office",
        "log --router office",
        "masquerade add 10.0.0.0/8 --router office",
        "masquerade del 10.0.0.0/8 --router office",
        "forward add tcp 80 10.1.0.2:80 --router office",
        "forward del tcp 80 --router office",
    ] {
        netns_line(command).fails_with(&["office", "town", "provider, home"]);
    }
}

/// A home on its provider's bridge, with one address outside the subnet of the bridge.
#[test]
fn an_uplink_in_a_bridge_can_have_several_addresses() {
    const RULES: &str = r#"
[[masquerade]]
source = "10.1.0.0/24"
uplink = "wan"
to = "203.0.113.9"
[[masquerade]]
source = "10.64.0.0/24"
uplink = "core"
[[masquerade]]
source = "203.0.113.9/32"
uplink = "core"
to = "192.0.2.3"
[[forward]]
protocol = "tcp"
address = "203.0.113.9"
port = "80-81"
target = "10.1.0.2:80"
[[forward]]
protocol = "tcp"
address = "192.0.2.3"
port = 8080
target = "203.0.113.9:80"
"#;
    let _sandbox = Sandbox::new();
    let lab = town()
        .replace(r#""192.0.2.2/24""#, r#"["192.0.2.2/24", "192.0.2.3/24"]"#)
        .replace(r#""10.64.0.2/24""#, r#"["10.64.0.2/24", "10.64.0.4/24", "203.0.113.9/32"]"#)
        .text(RULES);
    lab.up().success();
    let (net, laptop) = (inside("net"), inside("laptop"));
    let seen = stream_whole((&laptop, "192.0.2.1:5001"), (&net, "192.0.2.1:5001"), 1);
    assert_eq!(seen.ip().to_string(), "192.0.2.3");
    let seen = stream_whole((&net, "192.0.2.3:8080"), (&laptop, "10.1.0.2:80"), 1);
    assert_eq!(seen.ip().to_string(), "192.0.2.1");
    let next = inside("next");
    stream_whole((&next, "203.0.113.9:81"), (&laptop, "10.1.0.2:81"), 1);
    lab.up().success().shows(&["nothing to do"]);
}
