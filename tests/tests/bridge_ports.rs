//! A bridge is a bridge: what somebody does to a port of it, or to the whole, holds for the packets
//! that would otherwise take a short way past it.

use netns_tests::{
    DEADLINE, Inside, LabFile, Sandbox, Xdp, XdpAction, ask_at, dropped, eventually, inside, ip,
    lab, mac_of, outside,
};

/// Red and blue on one bridge, and a service of blue that the outside reaches by a forward.
fn red_and_blue() -> LabFile {
    lab("ports")
        .router("gw")
        .uplink("wan", "192.0.2.10/24", &outside("net", "192.0.2.1/24", &["8.8.8.8"]))
        .bridge("br0", "10.1.0.1/24")
        .namespace("red", "br0", "10.1.0.2/24")
        .namespace("blue", "br0", "10.1.0.3/24")
        .masquerade("10.1.0.0/24", "wan")
        .forward("udp", 53, "10.1.0.3:53")
}

/// Who reaches whom.
struct Ends {
    red: Inside,
    blue: Inside,
    router: Inside,
    net: Inside,
}

impl Ends {
    /// A lab in which all is well, and everybody has met everybody: neighbours are known, and so are the
    /// connections.
    fn up(lab: &LabFile) -> Self {
        lab.up().success();
        let ends = Self {
            red: inside("red"),
            blue: inside("blue"),
            router: inside("gw"),
            net: inside("net"),
        };
        ends.are_well();
        ends.answers_calls();
        ends
    }

    /// A port that is plugged in again forwards as soon as its link is seen to be up.
    #[track_caller]
    fn are_well(&self) {
        let (red, blue) = (&self.red, &self.blue);
        eventually("blue is reached", DEADLINE, || red.is_answered("10.1.0.3"));
        self.reaches(blue, &["10.1.0.2", "8.8.8.8"]);
        self.reaches(red, &["8.8.8.8"]);
    }

    /// A call from outside to a forward reaches blue and is answered, and so does one of red.
    #[track_caller]
    fn answers_calls(&self) {
        let server = self.blue.udp("10.1.0.3:53");
        for of in [&self.net, &self.red] {
            let caller = of.udp("0.0.0.0:0");
            for _ in 0..2 {
                ask_at(&caller, "192.0.2.10:53", &server, "call");
            }
        }
    }

    #[track_caller]
    fn reaches(&self, from: &Inside, to: &[&str]) {
        for to in to {
            from.ping(to).success();
        }
    }

    #[track_caller]
    fn reaches_none(&self, from: &Inside, to: &[&str]) {
        for to in to {
            from.cannot_ping(to);
        }
    }
}

/// What somebody does to blue's cable so that nothing passes, and how it is undone. A link that is up
/// again forwards some time later, whatever was set meanwhile: that is the last.
const CUTS: [(&str, &str); 4] = [
    (
        "link set veth-blue-br type bridge_slave state 1",
        "link set veth-blue-br type bridge_slave state 3",
    ),
    ("link set veth-blue-br nomaster", "link set veth-blue-br master br0"),
    ("link set veth-blue-br master other", "link set veth-blue-br master br0"),
    ("link set veth-blue-br down", "link set veth-blue-br up"),
];

#[test]
fn who_is_cut_off_from_its_bridge_reaches_nobody_until_that_is_undone() {
    let _sandbox = Sandbox::new();
    let ends = Ends::up(&red_and_blue());
    ip(&ends.router, "link add other type bridge");
    ip(&ends.router, "link set other up");
    for (cut, undo) in CUTS {
        println!("{cut}");
        ip(&ends.router, cut);
        ends.reaches_none(&ends.red, &["10.1.0.3"]);
        ends.reaches_none(&ends.blue, &["10.1.0.2", "8.8.8.8"]);
        ends.reaches(&ends.red, &["8.8.8.8"]);
        ip(&ends.router, undo);
        ends.are_well();
    }
}

/// Without its bridge the port is an interface of the router, which answers and routes.
#[test]
fn the_router_takes_nothing_from_a_pulled_cable() {
    let _sandbox = Sandbox::new();
    let ends = Ends::up(&red_and_blue());
    ip(&ends.router, "link set veth-blue-br nomaster");
    let port = mac_of(&ends.router, "veth-blue-br").map(|byte| format!("{byte:02x}")).join(":");
    for address in ["10.1.0.1", "10.1.0.2"] {
        let neighbour = format!("{address} lladdr {port} dev veth-blue nud permanent");
        ip(&ends.blue, &format!("neigh replace {neighbour}"));
    }
    let before = dropped("port-closed");
    ends.reaches_none(&ends.blue, &["10.1.0.1", "10.1.0.2", "8.8.8.8"]);
    assert!(dropped("port-closed") > before);
}

#[test]
fn a_namespace_on_another_bridge_may_bear_no_other_address() {
    let _sandbox = Sandbox::new();
    let ends = Ends::up(&red_and_blue());
    ip(&ends.router, "link add other type bridge");
    ip(&ends.router, "addr add 10.3.0.1/24 dev other");
    ip(&ends.router, "link set other up");
    ip(&ends.router, "link set veth-blue-br master other");
    ip(&ends.blue, "addr add 10.3.0.2/24 dev veth-blue");
    ends.reaches_none(&ends.blue, &["10.3.0.1"]);
    assert!(dropped("spoofed-arp") > 0);
}

#[test]
fn at_a_locked_port_the_bridge_decides() {
    let _sandbox = Sandbox::new();
    let ends = Ends::up(&red_and_blue());
    let blue = mac_of(&ends.blue, "veth-blue").map(|byte| format!("{byte:02x}")).join(":");
    let forget = ["fdb", "del", &blue, "dev", "veth-blue-br", "master"];
    ip(&ends.router, "link set veth-blue-br type bridge_slave locked on learning off");
    ends.router.command("bridge", &forget).success();
    ends.reaches_none(&ends.red, &["10.1.0.3"]);
    ends.reaches_none(&ends.blue, &["10.1.0.2", "8.8.8.8"]);
    ends.reaches(&ends.red, &["8.8.8.8"]);
    ip(&ends.router, "link set veth-blue-br type bridge_slave locked off learning on");
    ends.are_well();
}

#[test]
fn nobody_on_a_bridge_that_is_switched_off_reaches_anybody() {
    let _sandbox = Sandbox::new();
    let ends = Ends::up(&red_and_blue());
    ip(&ends.router, "link set br0 down");
    ends.reaches_none(&ends.red, &["10.1.0.3", "8.8.8.8"]);
    ends.reaches_none(&ends.blue, &["10.1.0.2"]);
    ip(&ends.router, "link set br0 up");
    ends.are_well();
}

#[test]
fn two_isolated_ports_reach_the_world_and_not_each_other() {
    let _sandbox = Sandbox::new();
    let ends = Ends::up(&red_and_blue());
    ip(&ends.router, "link set veth-blue-br type bridge_slave isolated on");
    // Only between two isolated ports nothing passes.
    ends.are_well();
    ip(&ends.router, "link set veth-red-br type bridge_slave isolated on");
    ends.reaches_none(&ends.red, &["10.1.0.3"]);
    ends.reaches_none(&ends.blue, &["10.1.0.2"]);
    ends.reaches(&ends.red, &["8.8.8.8"]);
    ends.reaches(&ends.blue, &["8.8.8.8"]);
}

#[test]
fn a_native_xdp_program_of_a_namespace_sees_what_comes_in() {
    let _sandbox = Sandbox::new();
    let ends = Ends::up(&red_and_blue());
    let program = ends.blue.run(|| Xdp::attach("veth-blue", XdpAction::Drop));
    ends.reaches_none(&ends.red, &["10.1.0.3"]);
    ends.reaches_none(&ends.blue, &["10.1.0.2", "8.8.8.8"]);
    ends.reaches(&ends.red, &["8.8.8.8"]);
    drop(program);
    let _program = ends.blue.run(|| Xdp::attach("veth-blue", XdpAction::Pass));
    ends.are_well();
    ends.answers_calls();
}

#[test]
fn a_point_to_point_cable_that_is_switched_off_carries_nothing() {
    let _sandbox = Sandbox::new();
    lab("point")
        .router("gw")
        .uplink("wan", "192.0.2.10/24", &outside("net", "192.0.2.1/24", &["8.8.8.8"]))
        .text("[[namespace]]\nname = \"red\"\nroutes = [{ to = \"default\", via = \"10.2.0.1\" }]")
        .text("[[cable]]")
        .text("a = { namespace = \"gw\", interface = \"to-red\", address = \"10.2.0.1/24\" }")
        .text("b = { namespace = \"red\", interface = \"eth0\", address = \"10.2.0.2/24\" }")
        .masquerade("10.2.0.0/24", "wan")
        .up()
        .success();
    let (red, gateway) = (inside("red"), inside("gw"));
    red.ping("8.8.8.8").success();
    ip(&gateway, "link set to-red down");
    red.cannot_ping("8.8.8.8");
}
