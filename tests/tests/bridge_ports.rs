//! The state of a bridge and its ports also applies to packets on the fast path, which bypasses the
//! bridge.

use netns_tests::{
    DEADLINE, Inside, LabFile, Sandbox, Xdp, XdpAction, ask_at, dropped, eventually, inside, ip,
    lab, mac_of, outside,
};

/// Red and blue on one bridge, and a forward to a server in blue.
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

/// The namespaces of the lab, with checks of which one reaches which.
struct Ends {
    red: Inside,
    blue: Inside,
    router: Inside,
    net: Inside,
}

impl Ends {
    /// Builds the lab and sends traffic between all ends, so that neighbours and flows are known.
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

    /// Checks that every end reaches every other. A port that was plugged in again forwards as soon
    /// as the bridge sees its link up.
    #[track_caller]
    fn are_well(&self) {
        let (red, blue) = (&self.red, &self.blue);
        eventually("blue is reached", DEADLINE, || red.is_answered("10.1.0.3"));
        self.reaches(blue, &["10.1.0.2", "8.8.8.8"]);
        self.reaches(red, &["8.8.8.8"]);
    }

    /// Calls the forward from outside and from red: both reach blue and are answered.
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

/// Commands that cut blue's cable off, and commands that restore it. A link that comes up again
/// forwards only some time later, so that case is the last one.
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
fn a_namespace_cut_off_from_its_bridge_reaches_no_one_until_it_is_reconnected() {
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

/// Outside its bridge the port is a plain interface of the router, which would answer and route.
#[test]
fn the_router_accepts_no_packet_from_an_unplugged_port() {
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
fn a_namespace_moved_to_another_bridge_cannot_use_another_address() {
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
fn a_locked_bridge_port_is_left_to_the_bridge() {
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
fn namespaces_on_a_bridge_that_is_down_reach_no_one() {
    let _sandbox = Sandbox::new();
    let ends = Ends::up(&red_and_blue());
    ip(&ends.router, "link set br0 down");
    ends.reaches_none(&ends.red, &["10.1.0.3", "8.8.8.8"]);
    ends.reaches_none(&ends.blue, &["10.1.0.2"]);
    ip(&ends.router, "link set br0 up");
    ends.are_well();
}

#[test]
fn two_isolated_ports_reach_the_outside_but_not_each_other() {
    let _sandbox = Sandbox::new();
    let ends = Ends::up(&red_and_blue());
    ip(&ends.router, "link set veth-blue-br type bridge_slave isolated on");
    // The bridge blocks only packets between two isolated ports.
    ends.are_well();
    ip(&ends.router, "link set veth-red-br type bridge_slave isolated on");
    ends.reaches_none(&ends.red, &["10.1.0.3"]);
    ends.reaches_none(&ends.blue, &["10.1.0.2"]);
    ends.reaches(&ends.red, &["8.8.8.8"]);
    ends.reaches(&ends.blue, &["8.8.8.8"]);
}

#[test]
fn a_native_xdp_program_of_a_namespace_sees_incoming_packets() {
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
fn a_point_to_point_cable_that_is_down_carries_no_packets() {
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
