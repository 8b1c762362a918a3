//! Runs other programs, and reads and writes kernel settings, in namespaces.

use std::{
    fs,
    process::{Command, Output},
};

use anyhow::{Context as _, Result, ensure};
use netns_tests::enter;

/// The value of /proc/sys/net/KEY in a namespace.
pub(crate) fn get(namespace: &str, key: &str) -> Result<String> {
    let path = format!("/proc/sys/net/{key}");
    let text = enter(Some(namespace), || fs::read_to_string(&path));
    Ok(text.with_context(|| format!("cannot read {path}"))?.trim().to_owned())
}

/// Sets /proc/sys/net/KEY in a namespace.
pub(crate) fn set(namespace: &str, key: &str, value: &str) -> Result<()> {
    let path = format!("/proc/sys/net/{key}");
    enter(Some(namespace), || fs::write(&path, value))
        .with_context(|| format!("cannot set {path} to {value}"))
}

/// Runs a tool in a namespace.
pub(crate) fn tool(namespace: &str, program: &str, arguments: &str) -> Result<()> {
    let mut command = Command::new(program);
    command.args(arguments.split(' '));
    enter(Some(namespace), || finish(&mut command))
}

pub(crate) fn ip(arguments: &str) -> Result<()> {
    finish(Command::new("ip").args(arguments.split(' ')))
}

/// Runs a command that must succeed.
pub(crate) fn finish(command: &mut Command) -> Result<()> {
    output(command).map(|_| ())
}

/// The output of a command that must succeed.
pub(crate) fn output(command: &mut Command) -> Result<Output> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command.output().map_err(|error| not_started(&program, error))?;
    let stderr = String::from_utf8_lossy(&output.stderr);
    let first = stderr.lines().find(|line| !line.trim().is_empty()).unwrap_or("no message");
    ensure!(output.status.success(), "{program}: {}", first.trim());
    Ok(output)
}

/// The error for a program that cannot be started. For a missing program it names the package.
pub(crate) fn not_started(program: &str, error: std::io::Error) -> anyhow::Error {
    if error.kind() == std::io::ErrorKind::NotFound {
        return anyhow::anyhow!("there is no {program}: install {}", package(program));
    }
    anyhow::Error::new(error).context(format!("cannot start {program}"))
}

/// The Debian package of a tool.
pub(crate) fn package(program: &str) -> &'static str {
    match program {
        "nft" => "Debian's package nftables",
        "ip" => "Debian's package iproute2",
        "iperf3" => "Debian's package iperf3",
        "ethtool" => "Debian's package ethtool",
        "iptables-nft" | "iptables-legacy" | "iptables-nft-restore" | "iptables-legacy-restore" => {
            "Debian's package iptables"
        }
        _ => "it",
    }
}
