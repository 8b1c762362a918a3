//! Limits of open files, memory and output, and topology files that exceed them.

use std::{fmt::Write as _, fs, path::Path};

use netns_tests::{Output, Sandbox, lab, lab_is_up, lecture, netns_path, own};

/// Runs `netns ARGUMENTS`, which may end with redirections, in a shell after a setting such as
/// ulimit.
fn after(setting: &str, arguments: &str) -> Output {
    let script = format!("{setting}; exec \"$0\" {arguments}");
    let program = netns_path();
    own().command("sh", &["-c", &script, program.to_str().expect("a plain path")])
}

#[track_caller]
fn has_not_panicked(output: &Output) {
    assert!(!output.stderr.contains("panicked") && output.code() < 100, "{output}");
}

const COMMANDS: [&str; 24] = [
    "list",
    "status",
    "doctor",
    "graph",
    "show",
    "show red",
    "ps",
    "nat",
    "flows",
    "flows --json",
    "flows flush",
    "watch --once",
    "forward list",
    "addr list",
    "link list",
    "route list",
    "bridge list",
    "cable list",
    "plan",
    "up",
    "exec red -- true",
    "exec --isolate red -- true",
    "demo",
    "down",
];

#[test]
fn commands_report_when_the_limit_of_open_files_is_reached() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    for limit in [4, 12] {
        for command in COMMANDS {
            let output = after(&format!("ulimit -n {limit}"), command);
            output.fails_with(&["cannot open 32 files at once", "ulimit -n"]);
        }
    }
    // The failed command has changed nothing.
    after(":", "status").success();
}

#[test]
fn a_failed_write_to_standard_output_is_an_error_and_no_panic() {
    let _sandbox = Sandbox::new();
    lab_is_up();
    let readers = &COMMANDS[..18];
    for command in readers.iter().filter(|command| **command != "flows flush") {
        let output = after(":", &format!("{command} > /dev/full"));
        has_not_panicked(&output);
        assert!(output.stderr.contains("No space left"), "{output}");
        for streams in [">&-", "2>&-", "2> /dev/full", "<&- >&- 2>&-", "> /dev/full 2> /dev/full"] {
            has_not_panicked(&after(":", &format!("{command} {streams}")));
        }
    }
}

/// Expects that a file is refused with a gigabyte of memory, and with this error.
#[track_caller]
fn is_refused(file: &Path, parts: &[&str]) {
    let arguments = format!("check {}", file.display());
    after("ulimit -v 1000000", &arguments).fails_with(parts);
}

#[test]
fn a_file_that_exceeds_a_limit_is_refused_before_memory_is_allocated() {
    let _sandbox = Sandbox::new();
    let begin = || lab("big").router("gate").bridge("office", "10.0.0.254/8");
    let entry = |keys: &str| format!("[[namespace]]\nbridge = \"office\"\n{keys}\n");
    let refused = |text: &str, parts: &[&str]| is_refused(begin().text(text).write().path(), parts);

    for count in ["65537", "4294967296", "9223372036854775807", "-1", "0"] {
        let text = entry(&format!("name = \"x\"\ncount = {count}"));
        refused(&text, &["count", count, "use 1 to 65536"]);
    }
    let mut many = String::new();
    for number in 0..2000 {
        many += &entry(&format!("name = \"n{number}-\"\ncount = 65536"));
    }
    refused(&many, &["131072 are allowed"]);

    let long = "x".repeat(1_000_000);
    refused(&entry(&format!("name = \"{long}\"\ncount = 65536")), &["longer than 255"]);
    refused(
        &entry(&format!("name = \"{}\"\ncount = 65536", "{}".repeat(9999))),
        &["cannot name a namespace"],
    );
    let text = entry(&format!("name = \"y\"\ncount = 65536\nport = \"{long}\""));
    refused(&text, &["Linux allows 15"]);

    let mut routes = entry("name = \"x\"\ncount = 60000\nroutes = [");
    for number in 0..200 {
        let _ = write!(routes, "{{ to = \"10.9.{number}.0/24\", via = \"10.0.0.1\" }},");
    }
    refused(&(routes + "]"), &["131072 are allowed"]);
    let sizes = ["flow_table = 4294967295", "flow_table = 9223372036854775807", "quota = -1"];
    for size in sizes {
        refused(&format!("[nat]\n{size}"), &["use "]);
    }
    is_refused(Path::new("/dev/zero"), &["/dev/zero is larger than"]);
}

#[test]
fn a_large_invalid_file_is_refused_within_a_gigabyte_of_memory() {
    let _sandbox = Sandbox::new();
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("lab.toml");
    for piece in ["[", "\"", "é"] {
        fs::write(&file, piece.repeat(3_900_000 / piece.len())).expect("a file");
        let output = after("ulimit -v 1000000", &format!("check {}", file.display()));
        output.fails_with(&["lab.toml:1:"]);
    }
    // A valid file is still accepted.
    let good = lecture().write();
    after("ulimit -v 1000000", &format!("check {}", good.path().display())).success();
}
