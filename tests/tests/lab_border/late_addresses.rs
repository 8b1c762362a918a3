//! Addresses that are added to an uplink after `netns up` work without another `up`.

use netns_tests::{UdpEcho, inside, ip, netns, stream_whole, with_each_router};

use super::{EXTERNAL, ping_in_fragments, seen_by};

#[test]
fn a_forward_may_name_an_address_that_is_added_to_the_uplink_later() {
    with_each_router(|router, sandbox| {
        router.lab(sandbox).up().success();
        let _server = inside("red").web_server("10.1.0.2", 80, "from red");
        ip(&router.place(), "addr add 192.168.1.20/24 dev wan");
        let rule = ["forward", "add", "tcp", "8080", "10.1.0.2:80", "--address", "192.168.1.20"];
        netns(&rule).success();
        for from in [inside("outside"), inside("blue"), router.place()] {
            from.curl("http://192.168.1.20:8080/").success().shows(&["from red"]);
        }
        // The rule applies only to that address.
        let other = ["-sS", "-m20", "http://192.168.1.10:8080/"];
        inside("outside").command("curl", &other).fails_with_code(7, &[]);
    });
}

#[test]
fn a_forward_of_all_addresses_covers_an_address_added_later() {
    with_each_router(|router, sandbox| {
        router.lab(sandbox).forward("tcp", 8080, "10.1.0.2:80").up().success();
        let _server = inside("red").web_server("10.1.0.2", 80, "from red");
        ip(&router.place(), "addr add 192.168.1.20/24 dev wan");
        for from in [inside("outside"), inside("blue")] {
            from.curl("http://192.168.1.20:8080/").success().shows(&["from red"]);
        }
        // Connections of the router itself send no packet to learn from; the next command updates
        // the addresses.
        netns(&["status"]).success();
        router.place().curl("http://192.168.1.20:8080/").success().shows(&["from red"]);
    });
}

#[test]
fn a_masquerade_may_use_an_address_that_is_added_to_the_uplink_later() {
    with_each_router(|router, sandbox| {
        router.lab(sandbox).up().success();
        ip(&router.place(), "addr add 192.168.1.20/24 dev wan");
        let add = ["masquerade", "add", "10.1.0.0/24", "--uplink", "wan", "--to", "192.168.1.20"];
        netns(&add).success();
        let (red, outside) = (inside("red"), inside("outside"));
        let leaks = outside.listen_for_leaks("eth0");
        let echo = UdpEcho::start("outside", "8.8.8.8:5353");
        assert_eq!(seen_by(&echo, &red, "8.8.8.8:5353").ip().to_string(), "192.168.1.20");
        ping_in_fragments("red", "8.8.8.8");
        let caller = stream_whole((&red, "8.8.8.8:7000"), (&outside, "8.8.8.8:7000"), 2);
        assert_eq!(caller.ip().to_string(), "192.168.1.20");
        leaks.were_none();
    });
}

#[test]
fn an_uplink_that_changes_its_address_masquerades_with_the_new_one() {
    with_each_router(|router, sandbox| {
        router.lab(sandbox).masquerade("10.1.0.0/24", "wan").up().success();
        let echo = UdpEcho::start("outside", "8.8.8.8:5353");
        let red = inside("red");
        assert_eq!(seen_by(&echo, &red, "8.8.8.8:5353").ip().to_string(), EXTERNAL);
        let leaks = inside("outside").listen_for_leaks("eth0");
        let place = router.place();
        // As a DHCP client changes it.
        ip(&place, "addr del 192.168.1.10/24 dev wan");
        ip(&place, "addr add 192.168.1.30/24 dev wan");
        ip(&place, "route add default via 192.168.1.1");
        assert_eq!(seen_by(&echo, &red, "8.8.8.8:5353").ip().to_string(), "192.168.1.30");
        ping_in_fragments("red", "8.8.8.8");
        leaks.were_none();
    });
}
