//! Help, version, completions, and the exit codes of usage errors.

use std::{collections::BTreeSet, os::unix::process::CommandExt as _, process::Command};

use netns_tests::{Sandbox, inside, lab_is_up, netns, netns_path, run};

/// Every command.
const COMMANDS: &[&[&str]] = &[
    &["up"],
    &["plan"],
    &["down"],
    &["doctor"],
    &["status"],
    &["graph"],
    &["schema"],
    &["check"],
    &["add"],
    &["del"],
    &["list"],
    &["exec"],
    &["identify"],
    &["pids"],
    &["ps"],
    &["show"],
    &["cable", "add"],
    &["cable", "del"],
    &["cable", "list"],
    &["bridge", "add"],
    &["bridge", "del"],
    &["bridge", "attach"],
    &["bridge", "detach"],
    &["bridge", "list"],
    &["addr", "add"],
    &["addr", "del"],
    &["addr", "list"],
    &["link", "set"],
    &["link", "del"],
    &["link", "list"],
    &["route", "add"],
    &["route", "del"],
    &["route", "list"],
    &["masquerade", "add"],
    &["masquerade", "del"],
    &["masquerade", "list"],
    &["forward", "add"],
    &["forward", "del"],
    &["forward", "list"],
    &["nat"],
    &["flows"],
    &["flows", "flush"],
    &["log"],
    &["demo"],
    &["watch"],
    &["completions"],
];

#[test]
fn every_command_has_help_with_an_example() {
    for &command in COMMANDS {
        let help = netns(&[command, &["--help"]].concat()).success();
        let example = format!("netns {}", command.join(" "));
        let help = help.shows(&["Usage:", "Example", &example]);
        let shown = help.stdout.lines().skip_while(|line| !line.starts_with("Example")).skip(1);
        let examples: Vec<&str> = shown.take_while(|line| line.starts_with(' ')).collect();
        let title = if examples.len() == 1 { "Example:" } else { "Examples:" };
        assert!(help.stdout.lines().any(|line| line == title), "{help}");
        // The explanations of examples are aligned in one column.
        let columns: BTreeSet<_> =
            examples.iter().filter_map(|line| line.rfind("   ").map(|at| at + 3)).collect();
        assert!(columns.len() <= 1 || command == ["nat"], "{columns:?}: {help}");
    }
}

#[test]
fn help_lists_global_options_after_those_of_the_command() {
    for command in [&["up"][..], &["status"], &["graph"], &["flows"], &["masquerade", "add"]] {
        let help = netns(&[command, &["-h"]].concat()).success();
        let place = |option| help.stdout.find(option).expect("an option");
        let options = help.stdout.lines().filter_map(|line| line.split("--").nth(1));
        let first = options.map(|line| line.split(' ').next().unwrap_or_default());
        let before = first.take_while(|name| *name != "json").count();
        assert!(before >= 1 && place("--json") < place("--help"), "{help}");
    }
}

#[test]
fn help_lists_every_command_and_no_other() {
    let overview = netns(&["--help"]).success();
    let lines = overview.stdout.lines().skip_while(|line| *line != "Commands:").skip(1);
    let shown: BTreeSet<_> = lines
        .take_while(|line| !line.is_empty())
        // Continuation lines are indented more.
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .collect();
    let expected: BTreeSet<_> = COMMANDS.iter().map(|command| command[0]).collect();
    assert_eq!(shown, expected, "{overview}");
}

#[test]
fn help_of_exec_has_no_json_option() {
    let help = netns(&["exec", "--help"]).success().shows(&["--isolate"]);
    assert!(!help.stdout.contains("--json"), "{help}");
    netns(&["ps", "--help"]).success().shows(&["--json"]);
}

#[test]
fn netns_without_a_command_prints_help_and_fails() {
    let output = netns(&[]);
    assert_eq!(output.status.code(), Some(2), "{output}");
    assert!(output.stderr.contains("Usage:"), "{output}");
}

#[test]
fn an_unknown_command_is_a_usage_error() {
    netns(&["pu"]).fails_with_code(2, &["unrecognized subcommand 'pu'", "Usage:"]);
}

#[test]
fn an_unknown_option_is_a_usage_error() {
    netns(&["up", "--frobnicate"]).fails_with_code(2, &["--frobnicate", "Usage:"]);
}

#[test]
fn a_missing_argument_is_a_usage_error() {
    netns(&["add"]).fails_with_code(2, &["NAME"]);
    netns(&["exec", "red"]).fails_with_code(2, &["the command is missing"]);
    netns(&["forward", "add"]).fails_with_code(2, &["Usage:"]);
}

#[test]
fn help_and_version_need_no_root() {
    let folder = tempfile::Builder::new().prefix("netns").tempdir_in("/tmp").expect("a folder");
    let executable = || std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(folder.path(), executable()).expect("a mode");
    // Copied by another process: a file that this process has written may still be open for writing
    // in a child of another test, and such a file cannot be executed.
    let path = folder.path().join("netns");
    run(None, Command::new("cp").arg(netns_path()).arg(&path)).success();
    std::fs::set_permissions(&path, executable()).expect("a mode");
    for argument in ["--help", "--version"] {
        let mut command = Command::new(&path);
        run(None, command.uid(65_534).gid(65_534).arg(argument)).success();
    }
}

/// The completion script for a shell, in a file.
fn completions(shell: &str) -> tempfile::NamedTempFile {
    let script = netns(&["completions", shell]).success();
    let file = tempfile::NamedTempFile::new().expect("a file");
    std::fs::write(file.path(), script.stdout).expect("the script");
    file
}

/// The completions that bash offers for the last of these words, as bash splits a line.
fn bash_offers(words: &[&str]) -> Vec<String> {
    let file = completions("bash");
    // `complete -p` prints the function that bash calls with the command and the last two words.
    let complete = "source \"$0\"; COMP_WORDS=(\"$@\"); COMP_CWORD=$(($# - 1)); \
                    function=$(complete -p netns | sed 's/.*-F \\([^ ]*\\) .*/\\1/'); \
                    $function netns \"${@: -1}\" \"${@: -2:1}\"; \
                    printf '%s\\n' \"${COMPREPLY[@]}\"";
    let mut bash = Command::new("bash");
    bash.args(["--norc", "-c", complete]).arg(file.path()).args(words).env("PATH", path());
    run(None, &mut bash).success().stdout.lines().map(str::to_owned).collect()
}

/// The search path, with the tested program before any other.
fn path() -> String {
    let folder = netns_path().parent().expect("a folder").display().to_string();
    format!("{folder}:{}", std::env::var("PATH").expect("a search path"))
}

#[test]
fn bash_completes_commands_options_and_values() {
    let all = bash_offers(&["netns", ""]);
    for command in COMMANDS {
        assert!(all.iter().any(|offered| offered == command[0]), "{command:?} of {all:?}");
    }
    assert_eq!(bash_offers(&["netns", "mas"]), ["masquerade"]);
    assert_eq!(bash_offers(&["netns", "forward", "a"]), ["add"]);
    assert_eq!(bash_offers(&["netns", "watch", "--on"]), ["--once"]);
    assert_eq!(bash_offers(&["netns", "completions", "z"]), ["zsh"]);
}

#[test]
fn bash_completes_what_exists() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    netns(&["forward", "add", "udp", "5353", "192.168.15.1:53"]).success();
    for (words, offered) in [
        (&["netns", "exec", "r"][..], &["red"][..]),
        (&["netns", "show", "b"], &["blue"]),
        (&["netns", "link", "set", "red", ":", "v"], &["veth-red"]),
        (&["netns", "link", "set", "red", ":"], &["lo", "veth-red"]),
        (&["netns", "bridge", "attach", "host", ":", "v-"], &["v-net-0"]),
        (&["netns", "addr", "list", "red", "--dev", "veth-r"], &["veth-red", "veth-red-br"]),
        (&["netns", "nat", "l"], &["lecture"]),
        (&["netns", "flows", "--lab", ""], &["lecture"]),
        (&["netns", "nat", "--router", ""], &["host"]),
        (&["netns", "masquerade", "add", "--uplink", ""], &["ens3"]),
        (&["netns", "masquerade", "del", "1"], &["192.168.15.0/24"]),
        (&["netns", "forward", "del", "udp", "5"], &["5353"]),
        (&["netns", "forward", "add", "tcp", "80", "b"], &["blue:"]),
    ] {
        assert_eq!(bash_offers(words), offered, "{words:?}");
    }
}

#[test]
fn bash_is_offered_no_name_that_it_would_run() {
    let _sandbox = Sandbox::new();
    netns(&["add", "red"]).success();
    for name in ["$(id)", ";id", "*", "good"] {
        inside("red").command("ip", &["link", "add", name, "type", "bridge"]).success();
    }
    assert_eq!(bash_offers(&["netns", "link", "del", "red", ":"]), ["good", "lo"]);
}

#[test]
fn bash_completes_files_where_files_are_due() {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("town.toml"), "").expect("a file");
    let begin = folder.path().join("to").display().to_string();
    let whole = folder.path().join("town.toml").display().to_string();
    for command in ["up", "plan", "check", "doctor", "down", "graph"] {
        assert_eq!(bash_offers(&["netns", command, &begin]), [whole.as_str()], "{command}");
    }
    assert_eq!(bash_offers(&["netns", "graph", "-o", &begin]), [whole.as_str()]);
    let script = std::fs::read_to_string(completions("bash").path()).expect("the script");
    assert!(script.contains("-o default"), "the arguments of `exec` may be files: {script}");
    std::fs::write(folder.path().join("town two.toml"), "").expect("a file");
    let begin = folder.path().join("town").display().to_string();
    let spaced = folder.path().join(r"town\ two.toml").display().to_string();
    let offered = bash_offers(&["netns", "up", &begin]);
    assert!(offered.contains(&spaced) && offered.contains(&whole), "{offered:?}");
}

/// Each shell that is installed reads its script without an error.
#[test]
fn each_shell_reads_its_script_and_gets_every_command() {
    for (shell, check) in [("bash", "-n"), ("zsh", "-n"), ("fish", "--no-execute")] {
        let file = completions(shell);
        let is_here = Command::new(shell).arg("--version").output().is_ok();
        assert!(is_here || shell != "bash", "there is no bash");
        if is_here {
            run(None, Command::new(shell).arg(check).arg(file.path())).success();
        }
        let mut ask = Command::new(netns_path());
        ask.args(["--", "netns", ""]).env("NETNS_COMPLETE", shell).env("_CLAP_COMPLETE_INDEX", "1");
        let told = run(None, &mut ask).success();
        for command in COMMANDS {
            assert!(told.stdout.contains(command[0]), "{shell}: {command:?}: {told}");
        }
    }
}
