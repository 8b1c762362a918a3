//! The programs in the kernel, compared with the model.
//!
//! The object is loaded and configured as for a lab, in a namespace with the same routes as the
//! model's table, and each packet goes through both.

mod budget;
mod flow_table_contention;
mod kernel_and_model;
mod random_packets;

use std::time::Duration;

use aya::sys::{Stats, enable_stats};
use budget::Budget;
use kernel_and_model::Both;
use netns_common::{
    abi::programs,
    datapath::{Exit, Verdict},
    model::{Datagram, Hook, address, flags, ipv4},
};
use netns_tests::{Sandbox, programs::router};
use netns_user::datapath::probe::{self, Verified};
use nix::sys::utsname::uname;

#[test]
fn the_kernel_accepts_every_program_within_its_budget() {
    let _sandbox = Sandbox::new();
    let names = uname().expect("the kernel's release");
    let release = names.release().to_string_lossy();
    let mut without_program: Vec<_> = Budget::all().map(|budget| budget.program).collect();
    for program in probe::each_program().expect("an object that the kernel accepts") {
        let Verified { name, instructions, time, .. } = program.expect("a program");
        let budget = Budget::of(&name).unwrap_or_else(|| panic!("{name} has no budget"));
        let budget = budget.on(&release);
        let instructions = instructions.expect("kernel 5.16");
        println!("{name}: {instructions} instructions verified of {budget}, {time:?}");
        assert!(instructions <= budget, "{name}: {instructions}, more than {budget} instructions");
        without_program.retain(|program| *program != name);
    }
    assert!(without_program.is_empty(), "no such programs: {without_program:?}");
}

#[test]
fn a_verifier_budget_is_tight_only_on_the_reference_kernel() {
    let of = |release| Budget::of("mss_clamp").expect("a budget").on(release);
    let elsewhere = of("7.0.0");
    assert!(of("6.18.44-fc-v669") < elsewhere);
    assert_eq!(of("6.18.4"), elsewhere);
    assert_eq!(of("6.12.117+deb13-cloud-amd64"), elsewhere);
}

/// Also prints run times, without a limit: the benchmark judges speed.
#[test]
fn an_established_flow_is_forwarded_in_both_directions() {
    const ROUNDS: u32 = 2_000;
    let (_sandbox, places) = router();
    let mut both = Both::new(&places, 4096);
    let request = ipv4(address::RED, address::FAR).dont_fragment().tcp(40_000, 443, flags::SYN);
    let request = request.frame(places.red_mac, places.bridge.mac, places.red_port);
    let (verdict, outside) = both.run(Hook::FromNamespace, &request, &|| "request".to_owned());
    let egress = Exit::Neighbour { link: places.uplink.index, next_hop: address::LAN };
    assert_eq!(verdict, Verdict::Redirect(egress));
    let answer = Datagram::answer_to(&outside).expect("an answer");
    let answer = answer.frame(places.lan_mac, places.uplink.mac, places.uplink.index);
    let (verdict, _) = both.run(Hook::FromUplink, &answer, &|| "answer".to_owned());
    assert_eq!(verdict, Verdict::Redirect(Exit::Peer { cable: places.red_port }));
    // An established connection: these packets do not change its state.
    let request = ipv4(address::RED, address::FAR).dont_fragment().tcp(40_000, 443, flags::ACK);
    let request = request.frame(places.red_mac, places.bridge.mac, places.red_port);
    both.run(Hook::FromNamespace, &request, &|| "established".to_owned());
    let answer = ipv4(address::FAR, address::HOST).tcp(443, 40_000, flags::ACK);
    let answer = answer.frame(places.lan_mac, places.uplink.mac, places.uplink.index);

    let statistics = enable_stats(Stats::RunTime).expect("statistics");
    // Only packets without DF need a new IP ID.
    let fragile = ipv4(address::RED, address::FAR).tcp(40_000, 443, flags::ACK);
    let fragile = fragile.frame(places.red_mac, places.bridge.mac, places.red_port);
    let ways = [
        (Hook::FromNamespace, programs::FROM_NAMESPACE, &request),
        (Hook::FromNamespace, programs::FROM_NAMESPACE, &fragile),
        (Hook::FromUplink, programs::FROM_UPLINK, &answer),
    ];
    for (hook, name, packet) in ways {
        let (count_before, time_before) = both.kernel().run_time(name);
        for _ in 0..ROUNDS {
            assert_eq!(both.kernel().run(hook, packet).action, 7);
        }
        let (count, time) = both.kernel().run_time(name);
        let each = (time - time_before) / u32::try_from(count - count_before).unwrap_or(1);
        println!("{name}: {each:?} a packet");
        assert!(each > Duration::ZERO);
    }
    drop(statistics);
    assert_eq!(both.flow_count(), 1);
}
