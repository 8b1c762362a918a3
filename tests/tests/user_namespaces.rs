//! Commands as root of a user namespace, which has network namespaces of its own but no eBPF.

use netns_tests::{Output, Sandbox, netns_path, own};

/// Runs a shell script as root of a new user namespace, with an empty /run/netns. `$N` is the
/// program under test.
#[track_caller]
fn as_contained_root(script: &str) -> Output {
    let script = format!(
        "set -e; N={}; mount -t tmpfs none /run; mkdir /run/netns; {script}",
        netns_path().display()
    );
    let unshare = ["--user", "--map-root-user", "--net", "--mount", "sh", "-c", &script];
    own().command("unshare", &unshare)
}

#[test]
fn exec_works_in_a_user_namespace_as_that_of_ip_does() {
    let sandbox = Sandbox::new();
    sandbox.with_rcu_expedited();
    let script = "ip netns add x; $N add y; for i in x y; do
        ip netns exec $i true; $N exec $i -- true
        $N exec $i -- ls /sys/class/net; $N exec --isolate $i -- ls /sys/class/net; done";
    let output = as_contained_root(script).success();
    assert_eq!(output.stdout.lines().filter(|line| *line == "lo").count(), 4, "{output}");
}

#[test]
fn commands_of_the_network_work_in_a_user_namespace() {
    let sandbox = Sandbox::new();
    sandbox.with_rcu_expedited();
    let script = "ip netns add x; $N add y; $N cable add x:a y:b; $N addr add 10.0.0.1/24 x:a
        $N bridge add y:br0=10.0.0.2/24; $N bridge attach --help >/dev/null
        $N link set x:a up; $N link set y:b up; ip -n y link set dev b master br0
        $N link set y:br0 up; $N route add x:default --via 10.0.0.2; $N route list x; $N list
        $N exec x -- ping -c1 -W20 10.0.0.2; $N route del x:default; $N cable del x:a; $N del y";
    as_contained_root(script).success().shows(&["x:default", "10.0.0.1/24", " 0% packet loss"]);
}

#[test]
fn up_in_a_user_namespace_says_that_it_needs_root_of_the_machine() {
    let _sandbox = Sandbox::new();
    let parts = ["eBPF", "user namespace", "root of the machine", "`netns doctor`"];
    let output =
        as_contained_root("$N up || { ls /run/netns /run >&2; exit 1; }").fails_with(&parts);
    assert!(!output.stderr.contains("netns-labs"), "{output}\nexpected nothing to be left");
}
