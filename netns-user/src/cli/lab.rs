//! Labs as a whole.

use std::path::PathBuf;

use clap::Args;

use super::Changing;

/// Show the lecture's lab at work
///
/// Builds the lecture's lab, draws it, checks one after another what the lecture promises and
/// shows the rules with their counters. On a terminal it stays with a live view until Ctrl-C.
/// The lab is torn down in any case.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  netns demo
  netns demo --json    the checks with their outcome

Exit codes: 0 only when every check held; 130 when interrupted before that.")]
pub struct DemoArgs {}

/// Build a lab, or change one that is up
///
/// Builds the lab that a topology file (TOML) describes. It lives on without a process until
/// `netns down`. When the lab is up already, what differs from the file is added, changed or
/// removed, and all else keeps its connections. When something fails half-way, everything is
/// as it was before.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  netns up                      the lecture's lab: red and blue on a bridge, behind a router
  netns up my.toml              the lab of a file
  netns up my.toml --dry-run    what it would do, as commands of ip, sysctl and iptables
  netns up --via-stack          tcpdump and netfilter in the router see what is translated")]
pub struct UpArgs {
    /// The topology file; without it, the lecture's lab
    pub file: Option<PathBuf>,
    /// Send translated packets through the kernel's stack, whatever the file says
    ///
    /// As `via_stack = true` under [nat]: tcpdump on the bridges and netfilter see the packets.
    #[arg(long)]
    pub via_stack: bool,
    #[command(flatten)]
    pub changing: Changing,
}

/// Show what `up` would do
///
/// Shows what `netns up` with the same file would add, change and remove, and changes nothing.
/// What belongs to a namespace that is added is told with it; parts that are missing from a lab
/// that is up are added again. Addresses, routes and cables that were added by hand stay; NAT
/// rules that are not in the file are removed.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  netns plan my.toml
  netns plan my.toml --json    the same as data, with the commands that it stands for")]
pub struct PlanArgs {
    /// The topology file; without it, the lecture's lab
    pub file: Option<PathBuf>,
    /// Send translated packets through the kernel's stack, whatever the file says
    ///
    /// As `via_stack = true` under [nat]: tcpdump on the bridges and netfilter see the packets.
    #[arg(long)]
    pub via_stack: bool,
    /// Show each part, also of many namespaces
    #[arg(long)]
    pub all: bool,
}

/// Take a lab down
///
/// Takes down all that belongs to a lab, past whatever is gone already, and reports all that
/// could not be taken down. A lab that is not up is no error. A lab whose record is lost is
/// taken down as far as its pins, and the addresses of its links, are known as its own. Processes
/// in its namespaces are named, and live on unless --kill ends them.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  netns down                      the only lab that is up
  netns down lecture              the lab of that name
  netns down my.toml              the lab that was built from a file
  netns down --all --kill         every lab, with the processes in them
  netns down my.toml --dry-run    also what `up my.toml --dry-run | sh` has made")]
pub struct DownArgs {
    /// Name of the lab, or its topology file; may be left out when only one lab is up
    pub lab: Option<String>,
    /// Take down every lab that netns has made
    #[arg(long, conflicts_with = "lab")]
    pub all: bool,
    /// End the processes in the lab's namespaces: with SIGTERM, and after 3 seconds with SIGKILL
    #[arg(long)]
    pub kill: bool,
    #[command(flatten)]
    pub changing: Changing,
}

/// Show labs and whether they are as their files say
///
/// Shows each lab that is up with its namespaces, uplinks, bridges, cables, datapath and rules,
/// and what of them is missing, switched off or changed by hand. `netns up` mends what belongs to
/// the lab. Ends with 1 when something is not as the file says.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  netns status            every lab that is up
  netns status lecture    one of them")]
pub struct StatusArgs {
    /// Name of the lab; without it, all labs
    pub lab: Option<String>,
    /// Show each part, also of labs with many
    #[arg(long)]
    pub all: bool,
}

/// Tell whether labs will work on this machine
///
/// Looks at the kernel, rights, settings, firewalls, routes and other managers of interfaces, and
/// tells of each what was found (✓ good, ! in part or not for every lab, ✗ does not work), what it
/// means, and the command that mends it. With a file: only what matters to that lab. Nothing is
/// changed.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  netns doctor             this machine, for labs in general
  netns doctor my.toml     this machine, for the lab of a file

Exit codes: 0 when nothing is at fault, 1 when something is.")]
pub struct DoctorArgs {
    /// The topology file; without it, what matters to any lab
    pub file: Option<PathBuf>,
    /// Leave out what takes time: whether the kernel takes the eBPF programs
    #[arg(long)]
    pub quick: bool,
}

/// Check a topology file
///
/// Reads a topology file and says what is wrong with it, each fault with its line and column,
/// or what the lab consists of. Nothing is built, and no rights are needed.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  netns check my.toml
  netns check my.toml --json    {valid, problems: [{line, column, message}]}

Exit codes: 0 when the file is free of faults, else 1.")]
pub struct CheckArgs {
    /// The topology file
    pub file: PathBuf,
}

/// Print the JSON Schema of topology files
///
/// Prints the schema (draft 2020-12) of topology files. Editors check and complete TOML by it.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  netns schema > netns.schema.json

An editor with Taplo takes it from the first line of a topology file:
  #:schema ./netns.schema.json")]
pub struct SchemaArgs {}
