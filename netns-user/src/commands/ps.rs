//! `netns ps [NAME]`: the processes in namespaces, as the machine sees them.

use std::{collections::BTreeMap, process::ExitCode, time::Duration};

use anyhow::Context;
use nix::unistd::{Uid, User};
use procfs::{
    Current, Uptime,
    process::{self, Process},
    ticks_per_second,
};
use schemars::JsonSchema;
use serde::Serialize;

use super::print;
use crate::{
    cli::PsArgs,
    inhabitants::network_of,
    lab,
    net::netns::{self, Identity},
    output::{duration, table},
    processes::{command_of, status_of},
};

/// A process in a namespace.
#[derive(Clone, Debug, Serialize, JsonSchema)]
pub(super) struct Row {
    /// The network namespace that it is in.
    namespace: String,
    /// Its number in the PID namespace of `netns`.
    pid: i32,
    /// Its number in its own PID namespace; `None`: it is in the same one as `netns`.
    pid_inside: Option<i32>,
    /// The name of its effective user, or the number of one without a name.
    user: String,
    /// Seconds since its start.
    age_seconds: u64,
    /// Its command line.
    command: String,
}

/// Shows the processes in a namespace, or in all of them.
///
/// # Errors
/// When there is no such namespace or /proc cannot be read.
pub fn run(args: &PsArgs, json: bool) -> anyhow::Result<ExitCode> {
    lab::require_root()?;
    let mut namespaces: BTreeMap<Identity, Vec<String>> = BTreeMap::new();
    match &args.name {
        Some(name) => {
            namespaces.insert(netns::identity(name)?, vec![name.clone()]);
        }
        None => {
            for name in netns::list()? {
                // A file that is not, or no longer, a namespace has no processes.
                if let Ok(identity) = netns::identity(&name) {
                    namespaces.entry(identity).or_default().push(name);
                }
            }
        }
    }
    let rows = read(&namespaces)?;
    print(json, &rows, |rows| render(rows, args.name.as_deref()))?;
    Ok(ExitCode::SUCCESS)
}

/// All processes in these namespaces, by namespace and number.
fn read(namespaces: &BTreeMap<Identity, Vec<String>>) -> anyhow::Result<Vec<Row>> {
    let uptime = Uptime::current().context("cannot read /proc/uptime")?.uptime;
    let mut users = Users::default();
    let mut rows = Vec::new();
    // A process that cannot be read has just ended, or is about to.
    for process in process::all_processes().context("cannot read /proc")?.flatten() {
        let Some(names) = network_of(&process).and_then(|identity| namespaces.get(&identity))
        else {
            continue;
        };
        let Ok(row) = describe(&process, uptime, &mut users) else { continue };
        rows.extend(names.iter().map(|name| Row { namespace: name.clone(), ..row.clone() }));
    }
    rows.sort_by(|a, b| (&a.namespace, a.pid).cmp(&(&b.namespace, b.pid)));
    Ok(rows)
}

/// The row of a process, without the name of its namespace.
fn describe(process: &Process, uptime: f64, users: &mut Users) -> procfs::ProcResult<Row> {
    let status = status_of(process)?;
    let stat = process.stat()?;
    let started = Duration::from_secs(stat.starttime / ticks_per_second());
    let uptime = Duration::try_from_secs_f64(uptime).unwrap_or_default();
    // Its number in each of its PID namespaces, ours first.
    let numbers = status.nspid.unwrap_or_default();
    Ok(Row {
        namespace: String::new(),
        pid: process.pid(),
        pid_inside: numbers.get(1..).and_then(<[i32]>::last).copied(),
        user: users.name(status.euid),
        age_seconds: uptime.saturating_sub(started).as_secs(),
        command: command_of(process)?,
    })
}

/// A cache of the names of users.
#[derive(Debug, Default)]
struct Users(BTreeMap<u32, String>);

impl Users {
    /// A user without a name is shown by number.
    fn name(&mut self, uid: u32) -> String {
        let ask = || match User::from_uid(Uid::from_raw(uid)) {
            Ok(Some(user)) => user.name,
            Ok(None) | Err(_) => uid.to_string(),
        };
        self.0.entry(uid).or_insert_with(ask).clone()
    }
}

fn render(rows: &[Row], only: Option<&str>) -> String {
    let cells = rows.iter().map(|row| {
        let namespace = only.is_none().then(|| row.namespace.clone());
        let others = [
            row.pid.to_string(),
            row.pid_inside.map_or_else(|| "-".into(), |pid| pid.to_string()),
            row.user.clone(),
            age(row.age_seconds),
            row.command.clone(),
        ];
        namespace.into_iter().chain(others).collect::<Vec<_>>()
    });
    let headers = ["NAMESPACE", "PID", "PID INSIDE", "USER", "AGE", "COMMAND"];
    let headers = &headers[usize::from(only.is_some())..];
    let mut text = table(headers, cells);
    if rows.is_empty() {
        text += &match only {
            Some(name) => format!("there is no process in namespace {name}\n"),
            None => "there is no process in a named namespace\n".to_owned(),
        };
    }
    text
}

/// In whole seconds, which is how precisely the start is known.
fn age(seconds: u64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        _ => duration(Duration::from_secs(seconds)),
    }
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::MetadataExt as _};

    use super::*;

    fn row(namespace: &str, pid: i32, pid_inside: Option<i32>, command: &str) -> Row {
        Row {
            namespace: namespace.into(),
            pid,
            pid_inside,
            user: "root".into(),
            age_seconds: 75,
            command: command.into(),
        }
    }

    #[test]
    fn the_namespace_is_named_where_there_may_be_several() {
        let rows = [row("blue", 9, None, "sh -c a"), row("red", 4711, Some(1), "x")];
        assert_eq!(
            render(&rows, None),
            "\
NAMESPACE   PID  PID INSIDE  USER    AGE  COMMAND
blue          9  -           root  1m15s  sh -c a
red        4711  1           root  1m15s  x
"
        );
        assert!(render(&rows, Some("red")).starts_with(" PID  PID INSIDE"));
    }

    #[test]
    fn a_namespace_without_processes_is_reported() {
        assert_eq!(
            render(&[], Some("red")),
            "PID  PID INSIDE  USER  AGE  COMMAND\nthere is no process in namespace red\n"
        );
        assert!(render(&[], None).ends_with("there is no process in a named namespace\n"));
    }

    #[test]
    fn this_process_is_in_its_own_namespace() {
        let file = fs::metadata("/proc/self/ns/net").unwrap();
        let here = BTreeMap::from([((file.dev(), file.ino()), vec!["here".to_owned()])]);
        let own = i32::try_from(std::process::id()).unwrap();
        let rows = read(&here).unwrap();
        let row = rows.iter().find(|row| row.pid == own).unwrap();
        assert!(row.command.starts_with(&std::env::args().next().unwrap()), "{row:?}");
        assert_eq!(row.user, Users::default().name(nix::unistd::geteuid().as_raw()));
    }
}
