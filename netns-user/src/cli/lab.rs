//! The arguments of the commands on whole labs.

use std::path::PathBuf;

use clap::Args;

use super::Changing;

/// Build the lecture's lab, check it and show it at work
///
/// Builds the lecture's lab, draws it, runs its checks one after another and shows the rules with
/// their counters. On a terminal, a live view follows until Ctrl-C. The lab is always taken down at
/// the end.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  netns demo
  netns demo --json    the checks and their results

Exit codes: 0 when every check passed, 130 when interrupted, else 1.")]
pub struct DemoArgs {}

/// Build a lab, or change one that is up
///
/// Builds the lab that a topology file (TOML) describes. The lab stays up, without a daemon, until
/// `netns down`. If the lab is already up, only the differences from the file are applied; the
/// connections of the unchanged parts continue. If a step fails, all changes are undone.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  netns up                      the lecture's lab: red and blue on a bridge, behind a router
  netns up my.toml              the lab of a file
  netns up my.toml --dry-run    print the equivalent ip, sysctl and iptables commands
  netns up --via-stack          let tcpdump and netfilter in the router see translated packets")]
pub struct UpArgs {
    /// The topology file, or - for standard input; by default, the lecture's lab
    pub file: Option<PathBuf>,
    /// Send translated packets through the kernel's network stack, even if the file does not
    ///
    /// The same as `via_stack = true` under [nat] in the file: tcpdump on the bridges and netfilter
    /// see the packets.
    #[arg(long)]
    pub via_stack: bool,
    #[command(flatten)]
    pub changing: Changing,
}

/// Show what `up` would do
///
/// Shows the objects that `netns up` would add, change and remove for the same file. Nothing is
/// changed. The row of a new namespace includes its cables, addresses and routes; --all lists them
/// one by one. Missing parts of a lab that is up are shown as added. `up` keeps addresses, routes
/// and cables that were added by hand, but removes NAT rules that are not in the file.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  netns plan my.toml
  netns plan my.toml --json         the same as data, with the equivalent commands
  netns plan my.toml --exit-code    for scripts

Exit codes: 0 success, 1 failure; with --exit-code 3 when `up` would change something.")]
pub struct PlanArgs {
    /// The topology file, or - for standard input; by default, the lecture's lab
    pub file: Option<PathBuf>,
    /// Send translated packets through the kernel's network stack, even if the file does not
    ///
    /// The same as `via_stack = true` under [nat] in the file: tcpdump on the bridges and netfilter
    /// see the packets.
    #[arg(long)]
    pub via_stack: bool,
    /// Show every part, even if there are many
    #[arg(long)]
    pub all: bool,
    /// Exit with code 3 if `up` would change something
    #[arg(long)]
    pub exit_code: bool,
}

/// Take a lab down
///
/// Removes everything that belongs to a lab, even if parts of it are already gone, and reports what
/// could not be removed. A lab that is not up is no error. If the record of a lab is lost, netns
/// recognises its parts by the pinned eBPF maps and the Ethernet addresses. Processes in the lab's
/// namespaces are listed; they keep running unless --kill ends them.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  netns down                      the only lab that is up
  netns down lecture              the lab of that name
  netns down my.toml              the lab of a file
  netns down --all --kill         every lab and the processes in them
  netns down my.toml --dry-run    commands that also undo `netns up my.toml --dry-run | sh`")]
pub struct DownArgs {
    /// Name of the lab, or its topology file; by default, $NETNS_LAB, or the only lab that is up
    pub lab: Option<String>,
    /// Take down every lab
    #[arg(long, conflicts_with = "lab")]
    pub all: bool,
    /// End the processes in the lab's namespaces with SIGTERM, and after 3 seconds with SIGKILL
    #[arg(long)]
    pub kill: bool,
    #[command(flatten)]
    pub changing: Changing,
}

/// Show labs and their differences from the topology files
///
/// Shows the namespaces, uplinks, bridges, cables, datapath and rules of each lab that is up. Parts
/// that are missing, down or changed by hand are marked; `netns up` repairs them.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  netns status            every lab that is up
  netns status lecture    one of them
  netns status my.toml    the lab of a file

Exit codes: 0 when no part of a lab is missing, off or changed, else 1. Rules that `netns forward`
or `netns masquerade` changed are shown and are no fault.")]
pub struct StatusArgs {
    /// Name of the lab, or its topology file; by default, $NETNS_LAB, or all labs
    pub lab: Option<String>,
    /// Show every part, even if there are many
    #[arg(long)]
    pub all: bool,
}

/// Check whether labs work on this machine
///
/// Checks the kernel, privileges, settings, firewalls, routes and network managers. For each it
/// prints the result (✓ works, ! works only in part or not for every lab, ✗ does not work), the
/// consequence, and a command that repairs it or shows more. With a file, only checks that concern
/// that lab are made. Nothing is changed.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  netns doctor             for labs in general
  netns doctor my.toml     for the lab of a file

Exit codes: 0 when there is no ✗, else 1.")]
pub struct DoctorArgs {
    /// The topology file, or - for standard input; by default, labs in general are meant
    pub file: Option<PathBuf>,
    /// Skip the slow check: whether the kernel's verifier accepts the eBPF programs
    #[arg(long)]
    pub quick: bool,
}

/// Check a topology file
///
/// Reads a topology file and prints every error with its line and column and the line itself, or a
/// summary of the lab. Of more than a hundred errors, the rest is counted. Nothing is built, and
/// root is not needed.
#[derive(Debug, Args)]
#[command(after_help = "\
Examples:
  netns check my.toml
  netns check my.toml --json    {valid, problems: [{line, column, message}]}, all of them

Exit codes: 0 when the file has no errors, else 1.")]
pub struct CheckArgs {
    /// The topology file, or - for standard input
    pub file: PathBuf,
}

/// Print the JSON Schema of topology files
///
/// Prints the schema (draft 2020-12) of topology files. Editors use it to check and complete TOML.
#[derive(Debug, Args)]
#[command(after_help = "\
Example:
  netns schema > netns.schema.json

For an editor with Taplo, name the schema in the first line of a topology file:
  #:schema ./netns.schema.json")]
pub struct SchemaArgs {}
