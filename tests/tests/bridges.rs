//! Bridges and their ports: MTU, attach and detach.

use std::time::Instant;

use netns_tests::{DEADLINE, Sandbox, inside, lab, netns, netns_line, outside};
use netns_user::net::{LinkEvents, Netns};
use serde_json::Value;

/// Runs `netns` with the words of a line and expects success.
#[track_caller]
fn done(line: &str) {
    netns_line(line).success();
}

/// The MTU of an interface, from `ip`.
#[track_caller]
fn mtu(namespace: &str, interface: &str) -> Value {
    inside(namespace).command("ip", &["-j", "link", "show", "dev", interface]).json()[0]["mtu"]
        .clone()
}

#[test]
fn a_bridge_keeps_its_configured_mtu() {
    let _sandbox = Sandbox::new();
    done("add host");
    // A bridge without a configured MTU starts at 1500 and takes over the MTU of its ports.
    for (bridge, asked, of_port) in
        [("br-small", 1400, 1500), ("br-large", 9000, 1500), ("br-plain", 1500, 1400)]
    {
        done(&format!("bridge add host:{bridge} --mtu {asked}"));
        done(&format!("cable add host:{bridge}-p host:{bridge}-q --mtu {of_port}"));
        assert_eq!(mtu("host", bridge), asked, "{bridge} before it has a port");
        done(&format!("bridge attach host:{bridge} host:{bridge}-p"));
        assert_eq!(mtu("host", bridge), asked, "{bridge} with a port of {of_port}");
        done(&format!("link set host:{bridge}-p --mtu 1300"));
        assert_eq!(mtu("host", bridge), asked, "{bridge} with a port of 1300");
        done(&format!("cable del host:{bridge}-p"));
        assert_eq!(mtu("host", bridge), asked, "{bridge} without its port");
    }
    done("bridge add host:br --up");
    done("cable add host:p host:q --mtu 1300");
    done("bridge attach host:br host:p");
    assert_eq!(mtu("host", "br"), 1300, "nothing was asked for");
}

#[test]
fn a_bridge_of_a_lab_keeps_its_mtu_when_ports_have_another() {
    let _sandbox = Sandbox::new();
    let lab = lab("sizes")
        .router("host")
        .uplink("wan", "192.168.1.10/24", &outside("lan", "192.168.1.1/24", &[]))
        .bridge("br-a", "10.1.0.1/24")
        .namespace("a", "br-a", "10.1.0.2/24")
        .replace("name = \"br-a\"", "name = \"br-a\"\nmtu = 1500")
        .replace("name = \"a\"", "name = \"a\"\nmtu = 1300");
    lab.up().success();
    assert_eq!((mtu("a", "veth-a"), mtu("host", "br-a")), (1300.into(), 1500.into()));
    lab.up().success().shows(&["nothing to do"]);
}

#[test]
fn bridge_detach_works_with_and_without_the_name_of_the_bridge() {
    let _sandbox = Sandbox::new();
    for line in ["add host", "bridge add host:br", "bridge add host:other"] {
        done(line);
    }
    done("cable add host:p host:q");
    done("bridge attach host:br host:p");
    let detach = |line: &str| {
        netns(&[&["bridge", "detach"], line.split(' ').collect::<Vec<_>>().as_slice()].concat())
    };
    detach("host:other host:p").fails_with(&[
        "host:p is a port of bridge host:br, not of host:other",
        "netns bridge detach host:p",
    ]);
    detach("host:br host:p").success().shows(&["detached: host:p from bridge host:br"]);
    detach("host:br host:p").fails_with(&["host:p is not a port of a bridge", "netns bridge list"]);
    done("bridge attach host:br host:p");
    detach("host:p").success().shows(&["detached: host:p from bridge host:br"]);
}

#[test]
fn link_events_are_those_of_the_namespace_in_which_they_were_opened() {
    let _sandbox = Sandbox::new();
    for line in ["add red", "add blue", "cable add red:p red:q", "cable add blue:p blue:q"] {
        done(line);
    }
    let events = Netns::named("red").run(LinkEvents::open).unwrap().unwrap();
    let at_once = Instant::now();
    assert!(!events.wait(at_once).unwrap(), "nothing has changed yet");
    done("link set blue:p up");
    assert!(!events.wait(at_once).unwrap(), "another namespace has changed");
    done("link set red:p up");
    assert!(events.wait(Instant::now() + DEADLINE).unwrap());
    assert!(!events.wait(at_once).unwrap(), "all changes were taken");
}
