//! Processes in namespaces: `exec --isolate` and `ps`.

use std::{
    fs,
    io::Write as _,
    path::Path,
    process::{Command, Stdio},
};

use netns_tests::{
    DEADLINE, Machine, Running, Sandbox, eventually, inside, netns, netns_path, own,
};
use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde_json::Value;

fn red() -> Sandbox {
    let sandbox = Sandbox::new();
    netns(&["add", "red"]).success();
    sandbox
}

fn start_isolated(script: &str) -> Running {
    let mut command = Command::new(netns_path());
    Running::start(None, command.args(["exec", "--isolate", "red", "--", "bash", "-c", script]))
}

fn isolated(script: &str) -> netns_tests::Output {
    netns(&["exec", "--isolate", "red", "--", "sh", "-c", script])
}

/// The rows of `netns ps red`.
fn rows() -> Vec<Value> {
    netns(&["ps", "red", "--json"]).json().as_array().expect("a list").clone()
}

/// The host's PID of the process in red with this command line.
fn pid_of(command: &str) -> i32 {
    let rows = rows();
    let row = rows.iter().find(|row| row["command"] == command);
    let row = row.unwrap_or_else(|| panic!("no {command:?} in {rows:#?}"));
    row["pid"].as_i64().and_then(|pid| pid.try_into().ok()).expect("a number")
}

#[test]
fn an_isolated_command_sees_itself_and_no_other() {
    let _sandbox = red();
    for options in ["aux", "-ef"] {
        let output = netns(&["exec", "--isolate", "red", "--", "ps", options]).success();
        let lines: Vec<_> = output.stdout.lines().skip(1).collect();
        assert_eq!(lines.len(), 2, "{output}");
        assert!(lines[0].ends_with("netns-init"), "{output}");
        assert!(lines[1].ends_with(&format!("ps {options}")), "{output}");
        let numbers = lines.iter().map(|line| line.split_whitespace().nth(1));
        assert_eq!(numbers.collect::<Vec<_>>(), [Some("1"), Some("2")], "{output}");
    }
    // Without the option a command sees all processes.
    let output = netns(&["exec", "red", "--", "ps", "-e"]).success();
    assert!(output.stdout.lines().count() > 3, "{output}");
}

#[test]
fn an_isolated_command_has_proc_and_sys_of_its_namespace() {
    let _sandbox = red();
    inside("red")
        .command("ip", &["link", "add", "veth7", "type", "veth", "peer", "veth8"])
        .success();
    let own_number =
        isolated("readlink /proc/self; tail -n +3 /proc/self/net/dev; ls /sys/class/net");
    let own_number = own_number.success().shows(&["veth7:", "lo:", "\nveth7\n"]);
    assert!(own_number.stdout.starts_with("3\n"), "{own_number}");
    // Mounts on the old /proc are not visible, and the machine's /proc is unchanged.
    own().command("mount", &["-t", "tmpfs", "none", "/proc/sys"]).success();
    isolated("cat /proc/sys/net/ipv4/ip_forward").success().shows(&["0"]);
    own().command("umount", &["/proc/sys"]).success();
    assert!(Path::new("/proc/self/fd").exists());
}

#[test]
fn exec_isolate_ends_with_the_status_of_its_command() {
    let _sandbox = red();
    let before = Machine::now();
    for code in [0, 1, 7, 255] {
        let output = isolated(&format!("exit {code}"));
        assert_eq!(output.code(), code, "{output}");
    }
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGKILL, Signal::SIGPIPE] {
        let number = signal as i32;
        let output = isolated(&format!("kill -{number} $$"));
        assert_eq!(output.code(), 128 + number, "{output}");
    }
    let run = |command| netns(&["exec", "--isolate", "red", "--", command]);
    run("no-such-program").fails_with_code(127, &["no-such-program"]);
    run("/etc/passwd").fails_with_code(126, &["/etc/passwd"]);
    netns(&["exec", "--isolate", "blue", "--", "true"]).fails_with(&["no namespace \"blue\""]);
    before.is_unchanged();
}

#[test]
fn standard_input_reaches_an_isolated_command() {
    let _sandbox = red();
    let mut command = Command::new(netns_path());
    command.args(["exec", "--isolate", "red", "--", "tr", "a-z", "A-Z"]);
    let mut child =
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("the program");
    child.stdin.take().expect("a pipe").write_all(b"hello\n").expect("a reader");
    let output = child.wait_with_output().expect("its end");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "HELLO\n");
}

#[test]
fn signals_reach_an_isolated_command() {
    let _sandbox = red();
    for signal in [Signal::SIGTERM, Signal::SIGHUP, Signal::SIGINT, Signal::SIGUSR1] {
        let name = signal.as_str().trim_start_matches("SIG");
        let script = format!(
            "trap 'echo caught; exit 9' {name}; echo ready; sleep 1000 >/dev/null 2>&1 & wait"
        );
        let mut running = start_isolated(&script);
        running.wait_for("ready");
        running.signal(signal);
        running.wait_for("caught");
        let (status, ..) = running.finish();
        assert_eq!(status.code(), Some(9));
        assert!(rows().is_empty(), "left behind: {:#?}", rows());
    }
}

#[test]
fn no_process_outlives_exec_isolate() {
    let _sandbox = red();
    for signal in [Signal::SIGKILL, Signal::SIGTERM, Signal::SIGHUP] {
        // The second process ignores SIGTERM and SIGHUP, and is no child of the command.
        let script = "(setsid sh -c 'trap \"\" TERM HUP; echo ready; while :; do sleep 1000; done' \
                      </dev/null 2>/dev/null &); exec sleep 1000";
        let mut running = start_isolated(script);
        running.wait_for("ready");
        eventually("the command runs", DEADLINE, || {
            rows().iter().any(|row| row["command"] == "sleep 1000")
        });
        assert!(rows().len() >= 3, "{:#?}", rows());
        running.signal(signal);
        let (status, ..) = running.finish();
        assert!(!status.success());
        // After SIGKILL the kernel ends the processes, which takes a moment.
        eventually("all are gone", DEADLINE, || rows().is_empty());
    }
}

#[test]
fn an_orphan_of_an_isolated_command_is_reaped() {
    let _sandbox = red();
    // The shell has waited for the orphan's parent, so the init is its parent now.
    let script = "orphan=$(sleep 1000 >/dev/null & echo $!); grep PPid /proc/$orphan/status; \
                  kill $orphan; until ! test -e /proc/$orphan; do sleep 0.02; done; echo reaped";
    isolated(script).success().shows(&["PPid:\t1\n", "reaped"]);
}

#[test]
fn ctrl_c_interrupts_an_isolated_command_without_a_handler() {
    let _sandbox = red();
    let terminal = "\
import os, pty, sys
pid, master = pty.fork()
if pid == 0:
    os.execv(sys.argv[1], sys.argv[1:])
said = b''
while b'ready' not in said:
    said += os.read(master, 100)
os.write(master, b'\\x03')
print('ended by', os.WTERMSIG(os.waitpid(pid, 0)[1]))
";
    let program = netns_path();
    let program = program.to_str().expect("a plain path");
    // `exec`: a waiting shell would end its child by itself.
    let script = "echo ready; exec sleep 1000";
    let command = [program, "exec", "--isolate", "red", "--", "sh", "-c", script];
    let arguments = [&["-c", terminal][..], &command].concat();
    own().command("python3", &arguments).success().shows(&["ended by 2"]);
}

#[test]
fn the_host_sees_an_isolated_process_under_another_pid() {
    let _sandbox = red();
    let mut running = start_isolated("echo inside $$; exec sleep 1234");
    running.wait_for("inside 2");
    eventually("the command runs", DEADLINE, || {
        rows().iter().any(|row| row["command"] == "sleep 1234")
    });
    let pid = pid_of("sleep 1234");
    let line = fs::read_to_string(format!("/proc/{pid}/cmdline")).expect("the host's number");
    assert_eq!(line, "sleep\x001234\0");
    let row = rows().into_iter().find(|row| row["pid"] == pid).expect("the row");
    assert_eq!((&row["pid_inside"], &row["user"]), (&2.into(), &"root".into()), "{row:#}");
    let init = rows().into_iter().find(|row| row["pid_inside"] == 1).expect("the init");
    assert_eq!(init["command"], "netns-init");
    let text = netns(&["ps", "red"]).success().shows(&["PID INSIDE", "sleep 1234"]);
    assert!(!text.stdout.contains("NAMESPACE"), "{text}");
    // With that PID it can be killed like any process.
    kill(Pid::from_raw(pid), Signal::SIGTERM).expect("a process of that number");
    let (status, ..) = running.finish();
    assert_eq!(std::os::unix::process::ExitStatusExt::signal(&status), Some(15));
}

#[test]
fn ps_shows_the_processes_of_each_namespace() {
    let _sandbox = red();
    netns(&["add", "blue"]).success();
    netns(&["ps"]).success().shows(&["NAMESPACE", "there is no process in a named namespace"]);
    netns(&["ps", "red"]).success().shows(&["COMMAND", "there is no process in namespace red"]);
    assert!(rows().is_empty());
    let _in_red = inside("red").start("sleep", &["1111"]);
    let long = format!("2222 {}", "0 ".repeat(200));
    let arguments: Vec<_> = long.split_whitespace().collect();
    let _in_blue = inside("blue").start("sleep", &arguments);
    let _outside = own().start("sleep", &["3333"]);
    eventually("all have started", DEADLINE, || {
        netns(&["ps"]).success().stdout.matches("  sleep ").count() == 2
    });
    let text = netns(&["ps"]).success();
    assert!(!text.stdout.contains("3333"), "{text}");
    // In a pipe no column is truncated.
    assert!(text.stdout.contains(long.trim_end()), "{text}");
    assert!(rows().iter().all(|row| row["pid_inside"].is_null()), "{:#?}", rows());
    let blue = netns(&["ps", "blue"]).success();
    assert!(blue.stdout.contains("2222") && !blue.stdout.contains("1111"), "{blue}");
    netns(&["ps", "green"]).fails_with(&["no namespace \"green\""]);
    fs::write("/run/netns/dead", "").expect("a file");
    netns(&["ps", "dead"]).fails_with(&["dead", "is no namespace, only a file"]);
    netns(&["ps"]).success().shows(&["1111"]);
}

#[test]
fn twenty_isolated_commands_do_not_see_each_other() {
    let _sandbox = red();
    let before = Machine::now();
    let mut all: Vec<_> = (0..20)
        .map(|number| {
            start_isolated(&format!("echo ready; set -- /proc/[0-9]*; echo $#; exit {number}"))
        })
        .collect();
    for (number, mut running) in all.drain(..).enumerate() {
        running.wait_for("ready");
        let (status, stdout, stderr) = running.finish();
        assert_eq!(status.code(), i32::try_from(number).ok(), "{stderr}");
        // Only the init and the shell.
        assert_eq!(stdout, "ready\n2\n");
    }
    before.is_unchanged();
}

#[test]
fn exec_enters_a_namespace_from_within_itself() {
    let _sandbox = Sandbox::new();
    netns(&["add", "red"]).success();
    let netns_path = netns_path();
    let program = netns_path.to_str().expect("a plain path");
    for option in [&[][..], &["--isolate"]] {
        let again = [&["exec", "red", "--", program, "exec"], option, &["red", "true"]].concat();
        netns(&again).success();
    }
}
