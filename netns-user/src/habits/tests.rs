//! Lines of other tools, and the lines of ours that they become.

use std::ffi::OsString;

use super::translate;

fn words(line: &str) -> Vec<OsString> {
    line.split_whitespace().map(OsString::from).collect()
}

#[track_caller]
fn becomes(typed: &str, ours: &str) {
    assert_eq!(translate(words(typed)), Ok(words(ours)), "{typed}");
}

#[track_caller]
fn answered(typed: &str, answer: &str) {
    let told = translate(words(typed)).expect_err(typed);
    assert!(told.contains(answer), "{typed}: {told}");
}

#[test]
fn our_own_lines_pass_unchanged() {
    for line in [
        "",
        "--help",
        "--json list",
        "list --json",
        "up my.toml --dry-run",
        "addr --help",
        "addr add 192.168.15.1/24 red:veth-red",
        "addr list red",
        "link set red:veth-red up --mtu 1400",
        "route add blue:default --via 192.168.15.5",
        "route del blue:default --metric 100",
        "bridge add host:v-net-0=192.168.15.5/24 --up",
        "bridge attach host:v-net-0 host:veth-red-br",
        "cable add red:a=10.0.0.1/24 b --bridge v-net-0 --up",
        "masquerade add 192.168.15.0/24 --uplink ens3 --except 10.0.0.0/8 --to 192.168.1.20",
        "masquerade list --lab x",
        "forward add tcp 8000-17999 192.168.15.2:8000",
        "forward add udp 53 192.168.15.2:5353 --address 192.168.1.10",
        "forward del tcp 80",
        "exec red -- ls -it --all",
        "exec --isolate red -- ps aux",
        "graph -f svg -o x.svg",
        "nat lecture --router home",
        "flows flush --dry-run",
        "graph --format dot",
    ] {
        becomes(line, line);
    }
}

#[test]
fn words_that_are_not_utf8_pass_unchanged() {
    use std::os::unix::ffi::OsStringExt as _;
    let line = vec!["up".into(), OsString::from_vec(vec![b'a', 0xff])];
    assert_eq!(translate(line.clone()), Ok(line));
}

#[test]
fn short_and_other_names_of_commands_are_known() {
    becomes("ls", "list");
    becomes("rm red", "del red");
    becomes("create red", "add red");
    becomes("netns add red", "add red");
    becomes("deploy -t lab.toml", "up lab.toml");
    becomes("apply -f lab.toml", "up lab.toml");
    becomes("destroy --topo lab.toml", "down lab.toml");
    becomes("validate lab.toml", "check lab.toml");
    becomes("plan -t - --json", "plan - --json");
    becomes("down -f", "down -f");
    becomes("up -f --json", "up -f --json");
    becomes("nat --lab lecture", "nat lecture");
    becomes("down --lab=lecture", "down lecture");
    answered("down --lab", "`--lab` has no value");
    answered("status --lab --json", "`--lab` has no value");
    answered("plan --detailed-exitcode", "netns plan --exit-code");
    becomes("-j list", "--json list");
    becomes("up -d -f lab.toml", "up lab.toml");
    becomes("down -v", "down");
    becomes("destroy -t lab.toml --cleanup", "down lab.toml");
    answered("add cache --network back", "add one to the file of a lab");
    answered("exec -u nobody red id", "has no option `-u`");
    answered("addr web", "type `netns addr list web`");
    becomes("forward del tcp 127.0.0.1:8084", "forward del tcp 8084 --address 127.0.0.1");
    becomes(
        "masquerade add -s 10.0.0.0/24 ! -d 203.0.113.0/24 -o eth1",
        "masquerade add 10.0.0.0/24 --except 203.0.113.0/24 --uplink eth1",
    );
    becomes(
        "forward add --protocol tcp --port 8086 --target carol:8000",
        "forward add tcp 8086 carol:8000",
    );
    becomes("forward del 8084:80 db", "forward del tcp 8084");
    answered("deploy", "`deploy` needs a topology file: type `netns up FILE`");
    answered("apply --dry-run", "`apply` needs a topology file");
    becomes("deploy --help", "up --help");
    becomes("deploy -", "up -");
    becomes("up", "up");
    answered("deploy -t lab.toml --reconfigure", "type `netns down LAB`, then `netns up FILE`");
}

#[test]
fn an_option_of_ip_is_ignored_only_where_ip_has_it() {
    becomes("-s link", "link list");
    becomes("-br netns list", "list");
    answered("-s up", "`netns up` has no option `-s`");
    answered("-n red neigh", "type `netns show NAMESPACE`");
    answered("-s neigh", "type `netns show NAMESPACE`");
    answered("-n red up", "`netns up` does not take it");
}

#[test]
fn the_name_of_the_other_program_may_be_typed_or_left_out() {
    becomes("ip netns", "list");
    becomes("ip -br link", "link list");
    becomes("ip netns add red", "add red");
    becomes("docker exec -it red sh", "exec red sh");
    becomes("containerlab deploy -t lab.toml", "up lab.toml");
    becomes("-t nat -nvL", "nat");
    becomes("-nvL", "nat");
    answered(
        "-t nat -A POSTROUTING -s 10.0.0.0/24 -o eth1 -j MASQUERADE",
        "type `netns masquerade add 10.0.0.0/24 --uplink eth1`",
    );
    answered("top red", "type `netns ps NAME`");
    answered("trace", "type `netns log`");
    becomes("ps -a", "ps");
}

#[test]
fn a_forward_without_its_protocol_is_answered() {
    answered("forward del 9090", "type `netns forward del tcp 9090`");
    answered("forward add 9090 blue", "type `netns forward add tcp 9090 blue:PORT`");
    answered("forward add 9090 blue:80", "type `netns forward add tcp 9090 blue:80`");
    answered("run -p 8080:80 nginx", "type `netns forward add PORT:PORT NAMESPACE`");
    answered("exec -d red sleep 9", "type `netns exec NAME -- CMD &`");
}

#[test]
fn ip_address_lines_are_translated() {
    becomes("addr", "addr list");
    becomes("a", "addr list");
    becomes("-br a s", "addr list");
    becomes("-n red addr", "addr list red");
    becomes("-n red address show dev veth-red", "addr list red --dev veth-red");
    becomes("-n red addr show veth-red", "addr list red --dev veth-red");
    becomes("addr add 10.0.0.1/24 dev x", "addr add 10.0.0.1/24 x");
    becomes("-n red addr add 10.0.0.1/24 dev x --force", "addr add 10.0.0.1/24 red:x --force");
    becomes("-n red addr del 10.0.0.1/24 x", "addr del 10.0.0.1/24 red:x");
    answered(
        "-n red addr add 10.0.0.1/24 brd + dev x",
        "netns exec red -- ip addr add 10.0.0.1/24",
    );
    answered("-n red addr flush dev x", "netns exec red -- ip addr flush dev x");
    answered("addr show to 10.0.0.0/8", "no filter `to`");
    answered("addr add 10.0.0.1/24 dev", "`dev` has no equivalent here");
    becomes("addr add --dry-run 10.0.0.1/24 dev x", "addr add --dry-run 10.0.0.1/24 x");
    becomes("addr list dev", "addr list dev");
    becomes("addr list to", "addr list to");
    answered("-6 addr", "no IPv6");
}

#[test]
fn ip_link_lines_are_translated() {
    becomes("link", "link list");
    becomes("-n red l", "link list red");
    becomes("-n red link set dev x up", "link set red:x up");
    becomes("-n red link set x mtu 1400 up", "link set red:x up --mtu 1400");
    becomes("link set x master br0", "link set x --master br0");
    becomes("link set x nomaster", "link set x --no-master");
    becomes("link set x netns red", "link set x --netns red");
    becomes("-n red link del x", "link del red:x");
    becomes("link delete dev x", "link del x");
    becomes("link add br0 type bridge", "bridge add br0");
    becomes("-n host link add name br0 mtu 1400 type bridge", "bridge add host:br0 --mtu 1400");
    becomes("link add a type veth peer name b", "cable add a b");
    becomes("link add a netns red type veth peer b netns blue", "cable add red:a blue:b");
    becomes("-n red link add a type veth peer name b netns blue", "cable add red:a blue:b");
    becomes("link show type bridge --json", "bridge list --json");
    becomes("link add br0 up type bridge", "bridge add br0 --up");
    becomes("link add a mtu 1400 up type veth peer b", "cable add a b --up --mtu 1400");
    becomes(
        "-n host link add a master br0 type veth peer b",
        "cable add host:a host:b --bridge host:br0",
    );
    becomes("link set master up", "link set master up");
    becomes("link set dev dev up", "link set dev up");
    answered(
        "link add br0 type bridge vlan_filtering 1",
        "ip link add br0 type bridge vlan_filtering 1",
    );
    answered("link add a type veth peer b address 02:00:00:00:00:01", "ip link add a type veth");
    answered("link add a type veth peer b mtu 1300", "ip link add a type veth");
    answered("link show dev a type veth", "ip link show dev a type veth");
    answered("-n red link show up", "netns exec red -- ip link show up");
    answered("link add v type vxlan id 7", "ip link add v type vxlan id 7");
    answered("link add a type veth", "netns cable add a");
    answered("link set x name y", "`name` has no equivalent");
    answered("link add x", "needs a type");
}

#[test]
fn ip_route_lines_are_translated() {
    becomes("route", "route list");
    becomes("-n red r s", "route list red");
    becomes("-n red route show dev x", "route list red --dev x");
    becomes("route add default via 10.0.0.1", "route add default --via 10.0.0.1");
    becomes(
        "-n red route add 10.1.0.0/16 via 10.0.0.1 dev x metric 5",
        "route add red:10.1.0.0/16 --via 10.0.0.1 --dev x --metric 5",
    );
    becomes("-n red route del default", "route del red:default");
    answered("-n red route show default", "netns exec red -- ip route show default");
    answered("-n red route get 1.1.1.1", "netns exec red -- ip route get 1.1.1.1");
    answered("route replace default via 10.0.0.1", "ip route replace default via 10.0.0.1");
    answered("-n red route add default via 10.0.0.1 table 7", "`table` has no equivalent");
}

#[test]
fn bridge_lines_are_translated() {
    becomes("brctl addbr br0", "bridge add br0");
    becomes("-n host bridge addif br0 x", "bridge attach host:br0 host:x");
    becomes("brctl show", "bridge list");
    becomes("bridge link", "bridge list");
    becomes("bridge link show", "bridge list");
    answered("brctl show br9", "brctl show br9");
    answered("brctl stp br9 on", "brctl stp br9 on");
    answered("bridge link set dev a cost 5", "bridge link set dev a cost 5");
    becomes("-n red cable add a b --mtu 1400", "cable add red:a red:b --mtu 1400");
    answered("-n host bridge fdb show", "netns exec host -- bridge fdb show");
}

#[test]
fn exec_takes_the_options_of_docker_and_ip() {
    becomes("exec -it red bash", "exec red bash");
    becomes("-all exec ip a", "exec --all ip a");
    becomes("netns exec -a -- ip a", "exec --all -- ip a");
    becomes("-n red show", "show red");
    answered("-n red up", "does not take it");
    answered("-n", "needs the name");
    answered("-all list", "netns exec --all CMD");
}

#[test]
fn docker_ports_are_forwards() {
    becomes("forward add 8080:80 blue", "forward add tcp 8080 blue:80");
    becomes("forward add 5353:53/udp blue", "forward add udp 5353 blue:53");
    becomes("forward add -p 8080:80 blue", "forward add tcp 8080 blue:80");
    becomes(
        "forward add 127.0.0.1:8080:80 192.168.15.2 --lab x",
        "forward add tcp 8080 192.168.15.2:80 --lab x --address 127.0.0.1",
    );
    becomes("forward add tcp,udp 53:53 blue", "forward add tcp,udp 53 blue:53");
    becomes("forward add 8000-8009:9000-9009 blue", "forward add tcp 8000-8009 blue:9000");
    becomes("forward del 8080/udp", "forward del udp 8080");
    becomes("forward rm 8080:80", "forward del tcp 8080");
    becomes("forward ls", "forward list");
    becomes("forward add tcp 81 1-1:8080 --lab x", "forward add tcp 81 1-1:8080 --lab x");
    becomes("forward add 0.0.0.0:8080:80 blue", "forward add tcp 8080 blue:80");
    answered("forward add 8000-8009:80 blue", "not equally many ports");
    answered("forward add 8080:80", "netns forward add 8080:80 NAMESPACE");
    answered("forward add 8000-8009:9000-9001 blue", "not equally many ports");
}

#[test]
fn options_of_iptables_are_those_of_rules() {
    becomes(
        "masquerade add -s 10.0.0.0/24 -o eth1 -j MASQUERADE",
        "masquerade add 10.0.0.0/24 --uplink eth1",
    );
    becomes(
        "forward -A PREROUTING -p tcp --dport 8080 -j DNAT --to-destination 10.0.0.2:80",
        "forward add tcp 8080 10.0.0.2:80",
    );
    becomes(
        "forward add -p udp --dport 53:59 --to-destination 10.0.0.2:53 -s 10.9.0.0/16",
        "forward add udp 53-59 10.0.0.2:53 --from 10.9.0.0/16",
    );
    becomes("nat -t nat -nvL", "nat");
    becomes("nat -L POSTROUTING", "nat");
    becomes("nat list", "nat list");
    answered("nat -t filter -nvL", "`-t filter` has no equivalent");
    becomes(
        "forward -D PREROUTING -p tcp --dport 80 -j DNAT --to-destination 10.0.0.2",
        "forward del tcp 80",
    );
    answered("forward del -p tcp --dport 80 -s 10.0.0.1", "leave the source out");
    answered("masquerade add -s 10.0.0.0/25 -p tcp --dport 80 -j RETURN", "no `-p`");
    answered("masquerade add -s 10.0.0.0/25 -j RETURN", "`-j RETURN` has no equivalent");
    answered("masquerade add 10.99.0.0/24 -p tcp", "no `-p`");
    becomes("nat -L --json", "nat --json");
    answered("nat -F", "netns flows flush");
    answered("nat -A", "netns masquerade add");
    answered("forward add -i eth1 tcp 80 10.0.0.2:80", "no `-i`");
    answered(
        "iptables -t nat -A POSTROUTING -s 10.0.0.0/24 -o eth1 -j MASQUERADE",
        "type `netns masquerade add 10.0.0.0/24 --uplink eth1`",
    );
    answered(
        "iptables -t nat -D PREROUTING -p udp --dport 53 -j DNAT --to-destination 10.0.0.2",
        "type `netns forward del udp 53`",
    );
    answered("iptables -t nat -nL", "type `netns nat`");
    answered(
        "iptables -t nat -A POSTROUTING -s 172.17.0.0/16 ! -o docker0 -j MASQUERADE",
        "`! -o` has no equivalent",
    );
    answered(
        "iptables -t nat -A POSTROUTING -s 10.0.0.0/24 -j SNAT --to-source 1.2.3.4",
        "type `netns masquerade add 10.0.0.0/24 --to 1.2.3.4`",
    );
    answered(
        "iptables -t nat -A PREROUTING -d 1.2.3.4 -p tcp --dport 80 -j DNAT --to-destination 10.0.0.2:80",
        "type `netns forward add tcp 80 10.0.0.2:80 --address 1.2.3.4`",
    );
    answered("iptables -A INPUT -j DROP", "netns exec NAME -- iptables");
}

#[test]
fn conntrack_lines_are_flows() {
    becomes("conntrack -L", "flows");
    becomes("conntrack -F --dry-run", "flows flush --dry-run");
    becomes("flows list --json", "flows --json");
    becomes("flows --lab show", "flows --lab show");
    answered("conntrack -E", "netns watch");
    answered("conntrack -D", "netns flows flush");
    answered("conntrack -C", "netns nat");
}

#[test]
fn a_command_that_we_do_not_have_is_answered() {
    answered("run -d nginx", "netns up FILE");
    answered("inspect red", "netns show");
    answered("neigh", "netns show NAMESPACE");
    answered("ping 10.0.0.1", "netns exec NAME -- PROGRAM");
    answered("shell red", "netns exec NAME -- bash");
}
