//! The command line, as clap parses it.
//!
//! Only types and parsers: this folder uses the types of `net` and `rules`, and does nothing.

mod address;
mod bridge;
mod cable;
mod changing;
mod graph;
mod interface;
mod lab;
mod lab_choice;
mod link;
mod namespace;
mod nat;
mod packaging;
mod protocols;
mod route;
mod watch;

use clap::{Parser, Subcommand};

pub use address::{AddrArgs, AddrChange, AddressArgs};
pub use bridge::{
    BridgeAction, BridgeAddArgs, BridgeArgs, BridgeAttachArgs, BridgeDelArgs, BridgeDetachArgs,
    BridgeListArgs,
};
pub use cable::{CableAction, CableAddArgs, CableArgs, CableDelArgs, CableListArgs};
pub use changing::{Changing, Forcing};
pub use graph::{GraphArgs, GraphFormat};
pub use interface::{Destination, NewInterface};
pub use lab::{
    CheckArgs, DemoArgs, DoctorArgs, DownArgs, PlanArgs, SchemaArgs, StatusArgs, UpArgs,
};
pub use lab_choice::{LabArgument, LabOptions, or_of_environment};
pub use link::{LinkArgs, LinkChange, LinkDelArgs, LinkSetArgs, LinkState};
pub use namespace::{
    AddArgs, DelArgs, ExecArgs, IdentifyArgs, ListArgs, NetnsArgs, PidsArgs, PsArgs, ShowArgs,
};
pub use nat::{
    ForwardAddArgs, ForwardArgs, ForwardChange, ForwardDelArgs, ListenArgs, MasqueradeAddArgs,
    MasqueradeArgs, MasqueradeChange, MasqueradeRuleArgs, RuleListArgs,
};
pub use packaging::{CompletionsArgs, ManPagesArgs, Shell};
pub use protocols::Protocols;
pub use route::{RouteAddArgs, RouteArgs, RouteChange, RouteDelArgs};
pub use watch::{FlowsArgs, FlowsChange, LogArgs, NatArgs, WatchArgs};

/// Places an option behind those of the command itself.
const LAST: usize = 100;

/// The exit code for a command line that is no command, as clap has it.
pub const WRONG_USAGE: u8 = 2;

const EXIT_CODES: &str = "\
The command lines of ip, iptables, conntrack, docker and containerlab work too, or the error says
what to type: docs/habits.md.

Exit codes: 0 success, 1 failure, 2 wrong usage; `exec` returns the code of its command.";

/// Network labs on one Linux machine: namespaces, cables, bridges, a router, and NAT in eBPF
/// instead of iptables.
#[derive(Debug, Parser)]
#[command(name = "netns", version, about, long_about, arg_required_else_help = true)]
#[command(after_help = EXIT_CODES)]
pub struct Cli {
    /// Show results as JSON
    #[arg(long, global = true, display_order = LAST)]
    pub json: bool,
    #[command(subcommand)]
    pub command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    Demo(DemoArgs),
    Up(UpArgs),
    Plan(PlanArgs),
    Down(DownArgs),
    Status(StatusArgs),
    Doctor(DoctorArgs),
    Graph(GraphArgs),
    Check(CheckArgs),
    Schema(SchemaArgs),
    Add(AddArgs),
    Del(DelArgs),
    List(ListArgs),
    Exec(ExecArgs),
    Identify(IdentifyArgs),
    Pids(PidsArgs),
    Ps(PsArgs),
    Show(ShowArgs),
    Cable(CableArgs),
    Bridge(BridgeArgs),
    Addr(AddrArgs),
    Link(LinkArgs),
    Route(RouteArgs),
    Masquerade(MasqueradeArgs),
    Forward(ForwardArgs),
    Nat(NatArgs),
    Flows(FlowsArgs),
    Log(LogArgs),
    Watch(WatchArgs),
    Completions(CompletionsArgs),
    #[command(hide = true)]
    ManPages(ManPagesArgs),
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn clap_accepts_the_definitions() {
        Cli::command().debug_assert();
    }

    #[test]
    fn every_command_has_help_with_an_example() {
        for command in Cli::command().get_subcommands() {
            let name = command.get_name();
            assert!(command.get_long_about().is_some(), "{name}");
            let after = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(after.contains(&format!("  netns {name}")), "{name}: {after}");
        }
    }

    #[test]
    fn commands_that_show_something_have_a_json_option() {
        let mut cli = Cli::command();
        cli.build();
        for (name, expected) in [("list", true), ("ps", true), ("exec", false)] {
            let help = cli.find_subcommand_mut(name).unwrap().render_long_help().to_string();
            assert_eq!(help.contains("--json\n"), expected, "{help}");
        }
    }

    #[test]
    fn exec_leaves_the_options_of_its_command_alone() {
        for line in ["netns exec red -- ls -l --json", "netns exec red ls -l --json"] {
            let cli = Cli::try_parse_from(line.split(' ')).unwrap();
            let Command::Exec(args) = cli.command else { panic!("not exec") };
            assert_eq!(args.command, ["ls", "-l", "--json"]);
            assert!(!cli.json);
        }
    }
}
