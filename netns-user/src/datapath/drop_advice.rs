//! The advice about each drop reason: its usual cause, the standard or the fact of the kernel
//! behind it, and its remedy. `netns nat --json` shows it, and docs/drop-reasons.md is made of it.

use netns_common::abi::DropReason;
use schemars::JsonSchema;
use serde::Serialize;

/// The advice about a drop reason, in Markdown.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct DropAdvice {
    /// The usual cause, in words.
    pub cause: &'static str,
    /// The section of an RFC, or the fact of the kernel, behind the reason; `None`: it is a
    /// decision of this NAT.
    pub basis: Option<&'static str>,
    /// The command, the key or the measure that repairs the cause, in words.
    pub remedy: &'static str,
}

macro_rules! advice {
    ($($reason:ident: $cause:literal, $basis:expr, $remedy:literal;)+) => {
        /// The advice about a reason.
        pub const fn drop_advice(reason: DropReason) -> DropAdvice {
            match reason {
                $(DropReason::$reason => {
                    DropAdvice { cause: $cause, basis: $basis, remedy: $remedy }
                })+
            }
        }
    };
}

advice! {
    Malformed:
        "A program that builds packets itself, a damaged tunnel, or a packet behind two VLAN tags.",
        Some("RFC 1122 section 3.2.1: an invalid datagram is discarded."),
        "Find the sender: run `tcpdump -evv` at the interface in the namespace, and repair it.";
    Fragment:
        "The first fragment was lost, or came later on a kernel without \
         `CONFIG_NETFILTER_BPF_LINK`; or SCTP sent a packet larger than its path.",
        Some("RFC 4787 REQ-14: fragments pass in any order. Only the first one has the ports."),
        "Run `netns doctor`: it names the fragments that this kernel drops. Avoid fragments with a \
         smaller `mtu` of the sender's cable, or with `mss_clamp` of the masquerade.";
    UnsupportedProtocol:
        "A namespace sends DCCP, IPsec AH or HIP through a masquerade.",
        Some("RFC 3715 section 2.1: AH authenticates the addresses."),
        "Use ESP in UDP (RFC 3948) instead of AH. Or let the source leave untranslated: `routed` \
         of the uplink, or `except` of the masquerade.";
    UnrelatedIcmp:
        "A namespace reports an error about a connection that has expired, or answers a query that \
         nobody has sent through the NAT.",
        Some("RFC 5508 REQ-5: an error without a mapping is dropped."),
        "Nothing, if there are few. If the connections expire too early, raise their time under \
         `[nat.timeouts]`.";
    SpoofedSource:
        "The namespace routes for others, contains a bridge, or has an address that the topology \
         file does not name.",
        Some("RFC 2827 (BCP 38): ingress filtering."),
        "Add the address to the topology file, or set `source_check = false` for the namespace, \
         then run `netns up FILE`.";
    NoMasquerade:
        "No masquerade covers the source address at the uplink by which the packet would leave, or \
         the uplink has no address.",
        Some("The sender gets ICMP 3/13 (RFC 1812 section 5.2.7.1)."),
        "`netns masquerade add SOURCE --uplink UPLINK`. To let the source leave untranslated, add \
         it to `routed` of the uplink.";
    PortsExhausted:
        "Too many connections to one address and port of the outside.",
        Some("RFC 6888 REQ-11: a new connection is dropped when no port is left. RFC 5508 REQ-8: \
              its sender is told."),
        "Widen `ports` under `[nat]`, set `keep_parity` and `keep_class` to false, or divide the \
         sources among several addresses with `to` of the masquerades.";
    TableFull:
        "More connections than `flow_table`, and all of a sample are in use.",
        Some("RFC 6888 REQ-11: no mapping is deleted to make room."),
        "Raise `flow_table` under `[nat]`, then run `netns up FILE`: connections go on. \
         `netns flows` shows who has them.";
    InsideDestination:
        "A host outside has a route to the network inside, or forges packets.",
        Some("RFC 4787 section 5: the NAT filters unsolicited packets."),
        "Call an address of the router, with `netns forward add PROTOCOL PORT TARGET`. If the \
         network is to be reached directly, add it to `routed` of the uplink.";
    InsideSource:
        "A host outside forges the source, or a loop outside returns packets of the lab.",
        Some("RFC 2827 (BCP 38): ingress filtering."),
        "Look for two links between the lab and the network outside: `tcpdump -e` at the uplink \
         shows the Ethernet address of the sender.";
    Leak:
        "The router's stack sends a packet of the lab to a multicast address, or sends a packet \
         with an inside source itself.",
        None,
        "Bind programs of the router to an address of the uplink. Multicast needs a proxy on the \
         router: the NAT does not translate it.";
    TtlExceeded:
        "`traceroute` or `mtr`, whose packets expire on purpose; else a routing loop.",
        Some("RFC 1812 section 5.3.1: the sender gets ICMP 11/0."),
        "Nothing for `traceroute`. Else run `traceroute` towards the destination: routers that \
         repeat are the loop.";
    NoRoute:
        "The router has no route to the destination, or to the caller of a forward.",
        Some("The kernel's routing tables decide, with the rules of `ip rule`."),
        "Run `netns route list` and `netns exec ROUTER -- ip route get ADDRESS`. Add the route \
         with `netns route add`, with `gateway` of the uplink or with `routes` of the router.";
    RewriteFailed:
        "The kernel could not make the packet writable: it was short of memory.",
        Some("A helper of the kernel, as `bpf_skb_store_bytes`, returned an error."),
        "Look for failed allocations with `dmesg`. Report it if memory is left.";
    NoFlow:
        "A segment of a TCP connection that has expired or was flushed, or a reset to a port \
         without a connection.",
        Some("RFC 9293 section 3.10.7.1: a reset for no connection is discarded."),
        "Nothing, if there are few. If idle connections break, raise `tcp_established` under \
         `[nat.timeouts]`, or switch keep-alives on in the program.";
    Martian:
        "A forged source, a host whose address is not configured, or two hosts with the address of \
         the router.",
        Some("RFC 1812 section 5.3.7: packets with a martian source are discarded."),
        "Find the sender by its Ethernet address: run `tcpdump -en` at the interface. Give it an \
         address of its own.";
    FragmentFlood:
        "A source sends many datagrams whose first fragment is missing or late: an attack, or much \
         loss.",
        Some("RFC 4787 REQ-14: floods of fragments must do no harm. A source has 128 KiB."),
        "Avoid fragments: lower the MTU of the sender, or let it use path MTU discovery.";
    NoUplink:
        "The machine routes the packet to a VPN, to `docker0`, to a second network card or to a \
         bridge of another lab.",
        None,
        "Run `netns doctor FILE`: it names such interfaces, with the command that adds an uplink \
         to the file. Then add a masquerade for that uplink.";
    Ipv6:
        "A program in the namespace has switched IPv6 on again.",
        None,
        "Run `netns exec NAME -- sysctl net.ipv6.conf.all.disable_ipv6=1`, and use IPv4.";
    ChecksumOffset:
        "A program with a packet socket asks the kernel for a checksum at a wrong place.",
        Some("`virtio_net_hdr.csum_start` and `csum_offset`: the kernel writes the checksum there \
              when the packet leaves."),
        "Repair the program: the offsets must be those of the transport header.";
    BadIcmpChecksum:
        "A router on the path, or a forger, sends ICMP errors with wrong checksums.",
        Some("RFC 5508 REQ-3: such an error is dropped."),
        "Nothing, if there are few. Else find the router by the source address: run \
         `tcpdump -vv icmp` at the uplink.";
    IcmpRateLimit:
        "A flood of packets that are refused, or of forged \"fragmentation needed\" errors.",
        Some("RFC 1812 section 4.3.2.8: a router limits the rate of its errors."),
        "Look at the other reasons: the refused packets are counted there. Nothing else is lost.";
    ForgedTooBig:
        "A forger names an MTU below 68 bytes, to slow a connection down.",
        Some("RFC 791 section 3.2: each link carries 68 bytes. RFC 5927 section 7: the attack."),
        "Nothing: the connection goes on. Filter the sender upstream.";
    TooLarge:
        "The MTU of the cable is smaller than that of the path before it.",
        Some("RFC 1191: the sender gets ICMP 3/4 with the MTU, and sends smaller packets."),
        "Nothing, if the sender obeys. Else give the cable the same `mtu` as its uplink, or set \
         `mss_clamp = \"pmtu\"` for the masquerade.";
    Quota:
        "A namespace has as many connections as it may have; or, from outside, an uplink.",
        Some("RFC 6888 REQ-4: connections of one inside host are limited."),
        "`netns nat` shows the connections of each. Raise `quota` of the namespace, or under \
         `[nat]`, then run `netns up FILE`.";
    UnrepliedQuota:
        "A namespace scans the network or calls hosts that are down; from outside, a SYN flood.",
        Some("RFC 6888 REQ-4: connections of one inside host are limited."),
        "Stop the scan. Else raise `unreplied` under `[nat]`, or shorten `udp_unreplied` and \
         `tcp_opening` under `[nat.timeouts]`.";
    UnrepliedShare:
        "Several namespaces together have half of the flow table in connections without an answer.",
        Some("RFC 6888 REQ-4: connections of one inside host are limited."),
        "Find the senders: the column UNREPLIED of `netns nat`. Raise `flow_table`, or lower \
         `unreplied`, under `[nat]`.";
    Filtered:
        "A stranger calls the port of an endpoint-independent mapping.",
        Some("RFC 4787 section 5 and REQ-8: filtering."),
        "Nothing, if the caller is a stranger. Else add the rule again with another `filtering`: \
         `netns masquerade add SOURCE --mapping endpoint-independent --filtering \
         endpoint-independent`.";
    Resizing:
        "`netns up` was applying another `flow_table`.",
        None,
        "Nothing: the sender repeats its packet, and the connection begins.";
    OtherNatUnrecorded:
        "Docker, libvirt or podman have more connections at the uplink than an eighth of \
         `flow_table`, or one uses the port of a connection of the lab.",
        None,
        "Raise `flow_table` under `[nat]`. To keep ports apart, set `ports` under `[nat]` to a \
         range that the others do not use.";
    PortClosed:
        "Somebody has detached the cable from its bridge or switched the port or the bridge off, or \
         a spanning tree keeps the port closed.",
        Some("A bridge forwards nothing of a port that is not in the state forwarding."),
        "Run `netns status`: it names what was changed. `netns up FILE` restores it.";
    Evicted:
        "The table, a quota or the ports towards one remote were used up. The older connection was \
         over or unanswered.",
        Some("RFC 7857 section 2: a closed connection may keep its record for four minutes; here it \
              gives way under pressure."),
        "Nothing, if there are few. Else see `table-full`, `quota` and `ports-exhausted`.";
    TailCallFailed:
        "The lab was being taken down or rebuilt.",
        Some("The kernel allows 33 tail calls for a packet, and runs only programs that are in the \
              map."),
        "Nothing, if it happened during `netns up` or `netns down`. Else report it.";
    SpoofedMac:
        "The namespace contains a bridge, a macvlan or a virtual machine, or somebody has changed \
         the Ethernet address of its interface.",
        None,
        "Set `source_check = false` for the namespace. If the address was changed by hand, \
         `netns up FILE` restores it.";
    SpoofedArp:
        "The namespace announces an address that the topology file does not name, as keepalived or \
         a proxy does.",
        Some("RFC 826, RFC 5227."),
        "Set `source_check = false` for the namespace, or add the address to the topology file.";
    BadChecksum:
        "A damaged packet, or a program that builds packets itself.",
        Some("RFC 1812 section 5.2.2: such a packet is discarded."),
        "Run `tcpdump -vv` at the interface in the namespace: it reports bad checksums. Repair the \
         sender.";
    SourceRoute:
        "Somebody uses `traceroute -g`, or tries to get around the routing.",
        Some("RFC 7126 section 4.3: source routes are dropped."),
        "Leave the option out.";
    ProtocolTaken:
        "Two namespaces use one protocol without ports (GRE, ESP, IPIP) with the same remote.",
        Some("Only the addresses tell such packets apart, and both would have the same ones."),
        "Give one of them another external address: `to` of a masquerade. Or use the protocol in \
         UDP: ESP by RFC 3948, GRE by RFC 8086.";
    MartianDestination:
        "A program sends to 127.0.0.0/8 or 0.0.0.0/8 out of a namespace, by a packet socket or with \
         `route_localnet`.",
        Some("RFC 1122 section 3.2.1.3: such an address never leaves a host."),
        "Use the address of the namespace or of the router.";
    NoTimeToLive:
        "A program sets the time to live to 0, or a device does not drop what has expired.",
        Some("RFC 1122 section 3.2.1.7: such a packet must not be sent."),
        "Repair the sender: the time to live is 1 at least.";
}
