//! The library of the tests: a sandbox that plays the machine, the program under test, and the
//! foreign tools that judge it.

mod border;
mod capture;
mod enter;
mod environment;
mod floods;
mod flow_table;
mod host_state;
// musl does not describe the answers of ptrace(2) that it reads.
#[cfg(target_env = "gnu")]
mod killer;
mod machine;
mod netfilter;
mod pings;
mod program;
pub mod programs;
mod providers;
mod rules;
mod running;
mod sandbox;
mod seccomp;
mod stun;
mod terminal;
mod tools;
mod topology;
mod traffic;
mod udp;
mod wait;
mod wire;
mod xdp;

pub use border::{Leaks, RouterKind, ip, link_to_outside, with_each_router};
pub use capture::Capture;
pub use enter::{enter, inside, own, try_enter};
pub use environment::number;
pub use floods::connections_survive_floods;
pub use flow_table::FlowTable;
pub use host_state::{assert_same_state, host_state, ipv4_of_link, is_link_up, ports_settle};
#[cfg(target_env = "gnu")]
pub use killer::{Killed, kill_at};
pub use machine::Machine;
pub use netfilter::{netfilter_lab, netfilter_rule};
pub use pings::Pings;
pub use program::{Output, is_killed_after, lab_is_up, netns, netns_line, netns_path, run};
pub use providers::{lead_to_the_second, servers_of_both, two_providers};
pub use rules::{count, dropped, flows, forward_add, forward_del, masquerade, nat};
pub use running::Running;
pub use sandbox::{RCU_EXPEDITED, Sandbox};
pub use seccomp::{BPF_LINK_CREATE, refuse_bpf};
pub use stun::StunServer;
pub use terminal::Terminal;
pub use tools::{Inside, WebServer};
pub use topology::{
    LabFile, lab, lab_file, lab_on_machine, lecture, outside, town, town_with_networks,
};
pub use traffic::{
    Stream, UdpEcho, accept, connect_from, exchange, receive_stream, send_stream, stream_whole,
};
pub use udp::{ask, ask_at, ask_echo, receive, receive_bytes, receives_nothing};
pub use wait::{DEADLINE, SILENCE, eventually};
pub use wire::{Wire, bind_to_index, bind_to_interface, ignore_outgoing, mac_of, set};
pub use xdp::{Xdp, XdpAction};
