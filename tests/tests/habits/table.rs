//! The habits: a line of another tool, the line that is typed here, and the answer.

/// The answer to a line.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Answer {
    /// It does the same as this line of ours.
    Same(&'static str),
    /// It is refused with an error that has this text.
    Says(&'static str),
}

/// A line that somebody types who knows another tool.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Habit {
    pub(crate) tool: &'static str,
    pub(crate) there: &'static str,
    /// The words behind `netns`.
    pub(crate) typed: &'static str,
    pub(crate) answer: Answer,
}

const fn same(
    tool: &'static str,
    there: &'static str,
    typed: &'static str,
    ours: &'static str,
) -> Habit {
    Habit { tool, there, typed, answer: Answer::Same(ours) }
}

const fn says(
    tool: &'static str,
    there: &'static str,
    typed: &'static str,
    told: &'static str,
) -> Habit {
    Habit { tool, there, typed, answer: Answer::Says(told) }
}

const IP: &str = "ip";
const BRCTL: &str = "brctl and bridge";
const IPTABLES: &str = "iptables";
const CONNTRACK: &str = "conntrack";
const DOCKER: &str = "docker";
const CONTAINERLAB: &str = "containerlab";

/// All habits, those of each tool together.
#[rustfmt::skip]
pub(crate) const HABITS: &[Habit] = &[
    same(IP, "ip netns ls", "ls", "list"),
    same(IP, "ip netns add x", "netns add x", "add x"),
    same(IP, "ip netns delete green", "delete green", "del green"),
    same(IP, "ip netns pids red", "pids red", "pids red"),
    same(IP, "ip netns identify", "netns identify", "identify"),
    same(IP, "ip -all netns exec true", "-all netns exec true", "exec --all -- true"),
    same(IP, "ip -j netns", "-j ls", "list --json"),
    same(IP, "ip -br address", "-br address", "addr list"),
    same(IP, "ip -n red addr", "-n red addr", "addr list red"),
    same(IP, "ip -n red addr show dev veth-red", "-n red addr show dev veth-red", "addr list red --dev veth-red"),
    same(IP, "ip -n green addr add 10.7.0.1/24 dev c", "-n green addr add 10.7.0.1/24 dev c", "addr add 10.7.0.1/24 green:c"),
    same(IP, "ip -n red link", "-n red link", "link list red"),
    same(IP, "ip link show type veth", "link show type veth", "cable list"),
    same(IP, "ip link add x type veth peer name y", "link add x type veth peer name y", "cable add x y"),
    same(IP, "ip link add x netns red type veth peer name y netns blue", "link add x netns red type veth peer name y netns blue", "cable add red:x blue:y"),
    same(IP, "ip link add br1 type bridge", "link add br1 type bridge", "bridge add br1"),
    same(IP, "ip link set dev a up", "link set dev a up", "link set a up"),
    same(IP, "ip link set a up mtu 1400", "link set a up mtu 1400", "link set a up --mtu 1400"),
    same(IP, "ip link set a master br0", "link set a master br0", "bridge attach br0 a"),
    same(IP, "ip link set a netns green", "link set a netns green", "link set a --netns green"),
    same(IP, "ip -n green link del c", "-n green link del c", "cable del green:c"),
    same(IP, "ip link delete br0", "link delete br0", "bridge del br0"),
    same(IP, "ip -n red route", "-n red route", "route list red"),
    same(IP, "ip -n lan route add 10.8.0.0/16 via 192.168.1.10", "-n lan route add 10.8.0.0/16 via 192.168.1.10 --force", "route add lan:10.8.0.0/16 --via 192.168.1.10 --force"),
    same(IP, "ip -n red route del default", "-n red route del default --force", "route del red:default --force"),
    says(IP, "ip -n red route get 8.8.8.8", "-n red route get 8.8.8.8", "netns exec red -- ip route get 8.8.8.8"),
    says(IP, "ip -n red addr flush dev veth-red", "-n red addr flush dev veth-red", "netns exec red -- ip addr flush dev veth-red"),
    says(IP, "ip link add v type vxlan id 7", "link add v type vxlan id 7", "netns makes cables (veth) and bridges, no vxlan"),
    says(IP, "ip -6 addr", "-6 addr", "labs have no IPv6 yet: use IPv4"),
    says(IP, "ip neigh", "neigh", "type `netns show NAMESPACE`"),
    says(IP, "ip -n red neigh", "-n red neigh", "type `netns show NAMESPACE`"),
    says(IP, "ip rule", "rule", "type `netns exec NAME -- ip rule`"),
    same(BRCTL, "brctl addbr br1", "brctl addbr br1", "bridge add br1"),
    same(BRCTL, "brctl addif br0 a", "brctl addif br0 a", "bridge attach br0 a"),
    same(BRCTL, "brctl show", "brctl show", "bridge list"),
    same(BRCTL, "bridge link", "bridge link", "bridge list"),
    says(BRCTL, "bridge fdb show", "bridge fdb show", "type `bridge fdb show`"),
    same(IPTABLES, "iptables -t nat -nvL", "nat -t nat -nvL", "nat"),
    same(IPTABLES, "iptables -t nat -D POSTROUTING -s 192.168.15.0/24 -j MASQUERADE", "masquerade -D -s 192.168.15.0/24 -j MASQUERADE", "masquerade del 192.168.15.0/24"),
    same(IPTABLES, "iptables … -p tcp --dport 8080 -j DNAT --to-destination 192.168.15.2:80", "forward add -p tcp --dport 8080 --to-destination 192.168.15.2:80", "forward add tcp 8080 192.168.15.2:80"),
    says(IPTABLES, "iptables -t nat -A POSTROUTING -s 10.0.0.0/24 -o eth1 -j MASQUERADE", "iptables -t nat -A POSTROUTING -s 10.0.0.0/24 -o eth1 -j MASQUERADE", "type `netns masquerade add 10.0.0.0/24 --uplink eth1`"),
    says(IPTABLES, "iptables -t nat -A PREROUTING -p udp --dport 53 -j DNAT --to-destination 10.0.0.2:53", "iptables -t nat -A PREROUTING -p udp --dport 53 -j DNAT --to-destination 10.0.0.2:53", "type `netns forward add udp 53 10.0.0.2:53`"),
    says(IPTABLES, "iptables -t nat -F", "nat -F", "rules are deleted one by one"),
    same(CONNTRACK, "conntrack -L", "conntrack -L", "flows"),
    same(CONNTRACK, "conntrack -F", "conntrack -F", "flows flush"),
    says(CONNTRACK, "conntrack -E", "conntrack -E", "type `netns watch`"),
    says(CONNTRACK, "conntrack -C", "conntrack -C", "type `netns nat`"),
    same(DOCKER, "docker exec -it red true", "exec -it red true", "exec red -- true"),
    same(DOCKER, "docker run -p 8080:80 …", "forward add 8080:80 blue", "forward add tcp 8080 192.168.15.2:80"),
    same(DOCKER, "docker run -p 5353:53/udp …", "forward add 5353:53/udp blue", "forward add udp 5353 192.168.15.2:53"),
    same(DOCKER, "docker run -p 192.168.1.10:8080:80 …", "forward add 192.168.1.10:8080:80 192.168.15.2", "forward add tcp 8080 192.168.15.2:80 --address 192.168.1.10"),
    same(DOCKER, "docker ps", "ps", "ps"),
    same(DOCKER, "docker rm green", "rm green", "del green"),
    says(DOCKER, "docker run …", "run nginx", "type `netns up FILE`"),
    says(DOCKER, "docker run -p 8080:80 nginx", "run -p 8080:80 nginx", "type `netns forward add PORT:PORT NAMESPACE`"),
    says(DOCKER, "docker exec -d red sleep 9", "exec -d red sleep 9", "type `netns exec NAME -- CMD &`"),
    says(DOCKER, "docker port blue", "port blue", "type `netns forward list`"),
    says(DOCKER, "docker stop red", "stop red", "type `netns del NAME`"),
    says(DOCKER, "docker kill red", "kill red", "type `netns pids NAME`"),
    says(DOCKER, "docker inspect red", "inspect red", "type `netns show NAMESPACE`"),
    says(DOCKER, "docker logs red", "logs red", "type `netns log`"),
    says(DOCKER, "docker stats", "stats", "type `netns watch`"),
    same(CONTAINERLAB, "containerlab deploy -t lab.toml", "deploy -t lab.toml", "up lab.toml"),
    same(CONTAINERLAB, "containerlab destroy -t lab.toml", "destroy -t lab.toml", "down lab.toml"),
    same(CONTAINERLAB, "containerlab graph -t lab.toml", "graph -t lab.toml", "graph lab.toml"),
    says(CONTAINERLAB, "containerlab deploy", "deploy", "`deploy` needs a topology file"),
    says(CONTAINERLAB, "containerlab deploy --reconfigure -t lab.toml", "deploy --reconfigure -t lab.toml", "type `netns down LAB`, then `netns up FILE`"),
    says(CONTAINERLAB, "containerlab inspect", "inspect", "`netns status LAB`"),
];
