//! What people bring from other tools: each line of docs/habits.md is typed, and does the same as
//! our own line beside it, or is answered by what to type.

mod table;

use std::{fs, process::Command};

use netns_tests::{Running, Sandbox, lab_is_up, lecture, netns, netns_line, netns_path, own};
use table::{Answer, HABITS, Habit};

const DOCUMENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/habits.md");
const BEGIN: &str = "<!-- habits:begin -->\n";
const END: &str = "<!-- habits:end -->\n";

/// The lecture's lab beside a namespace, a cable and a bridge that were made by hand, in a folder
/// with the lecture's file.
fn with_lab(work: impl FnOnce(&str)) {
    let _sandbox = Sandbox::new();
    lab_is_up();
    for line in ["add green", "cable add a b", "bridge add br0", "cable add green:c green:d"] {
        netns_line(line).success();
    }
    let file = lecture().write();
    work(file.path().to_str().expect("a plain path"));
}

/// The words of a line, with the lecture's file in the place of lab.toml.
fn words<'a>(line: &'a str, file: &'a str) -> Vec<&'a str> {
    let words = line.split_whitespace();
    words.map(|word| if word == "lab.toml" { file } else { word }).collect()
}

#[test]
fn each_habit_does_the_same_as_our_own_line() {
    with_lab(|file| {
        for Habit { typed, answer, .. } in HABITS {
            let Answer::Same(ours) = answer else { continue };
            let run = |line: &str| {
                let mut line = words(line, file);
                // What would change something is only planned, so that the lab stays as it is.
                if netns(&[line.as_slice(), &["--help"]].concat()).stdout.contains("--dry-run") {
                    line.push("--dry-run");
                }
                netns(&line).success()
            };
            let (habit, own_line) = (run(typed), run(ours));
            assert_eq!(habit.stdout, own_line.stdout, "netns {typed}\nnetns {ours}");
        }
    });
}

#[test]
fn a_habit_without_an_equivalent_says_what_to_type() {
    with_lab(|file| {
        for Habit { typed, answer, .. } in HABITS {
            let Answer::Says(told) = answer else { continue };
            netns(&words(typed, file)).fails_with_code(2, &[told]);
        }
    });
}

#[test]
fn the_document_has_every_habit() {
    let text = fs::read_to_string(DOCUMENT).expect("docs/habits.md");
    let (before, rest) = text.split_once(BEGIN).expect("the line before the tables");
    let (_, after) = rest.split_once(END).expect("the line behind the tables");
    let wanted = format!("{before}{BEGIN}{}{END}{after}", tables());
    if std::env::var_os("NETNS_WRITE_DOCS").is_some() {
        fs::write(DOCUMENT, &wanted).expect("docs/habits.md");
    }
    assert!(
        fs::read_to_string(DOCUMENT).expect("docs/habits.md") == wanted,
        "docs/habits.md differs from the code: run `cargo xtask docs`"
    );
}

/// A table for each tool.
fn tables() -> String {
    let mut text = String::new();
    let mut tool = "";
    for habit in HABITS {
        if habit.tool != tool {
            tool = habit.tool;
            text +=
                &format!("\n## {tool}\n\n| there | here | the same as |\n| --- | --- | --- |\n");
        }
        let answer = match habit.answer {
            Answer::Same(ours) => format!("`netns {ours}`"),
            Answer::Says(told) => format!("an error: {told}"),
        };
        let code = |text: &str| text.replace('|', "\\|");
        text += &format!(
            "| `{}` | `netns {}` | {} |\n",
            code(habit.there),
            code(habit.typed),
            code(&answer)
        );
    }
    text + "\n"
}

#[test]
fn a_topology_is_read_from_standard_input() {
    with_lab(|file| {
        let program = netns_path();
        let program = program.display();
        let script = |line: &str| format!("'{program}' {line} < '{file}'");
        let shell = |line: &str| own().command("sh", &["-c", &script(line)]);
        shell("check -").success().shows(&["lab \"lecture\""]);
        shell("up -").success().shows(&["already up"]);
        shell("down -").success().shows(&["lab \"lecture\" is down"]);
        own()
            .command(
                "sh",
                &["-c", &format!("echo x = 1 | {}", script("check -").replace('<', "#"))],
            )
            .fails_with(&["<stdin>:1:1"]);
    });
}

#[test]
fn the_environment_names_the_lab() {
    with_lab(|_| {
        let shell = |line: &str| {
            let program = netns_path();
            let program = program.display();
            own().command("sh", &["-c", &format!("NETNS_LAB=other '{program}' {line}")])
        };
        for line in ["nat", "flows", "forward list", "status", "watch --once", "log --count 1"] {
            shell(line).fails_with(&["lab \"other\" is not up"]);
        }
        shell("nat lecture").success();
        shell("forward list --lab lecture").success();
        shell("down").success().shows(&["lab \"other\" is not up: nothing to do"]);
    });
}

#[test]
fn plan_has_an_exit_code_for_pending_changes() {
    with_lab(|file| {
        netns(&["plan", file, "--exit-code"]).success();
        netns_line("forward add tcp 8080 192.168.15.2:80").success();
        netns(&["plan", file]).success();
        netns(&["plan", file, "--exit-code"]).fails_with_code(3, &[]);
    });
}

#[test]
fn a_forward_for_several_protocols_is_made_whole_or_not_at_all() {
    with_lab(|_| {
        netns_line("forward add udp 53 192.168.15.2:53").success();
        netns_line("forward add tcp,udp 53 192.168.15.1:53").fails_with(&["udp 53"]);
        assert!(!netns_line("forward list").success().stdout.contains("tcp    any:53"));
        netns_line("forward add TCP,udp 5353 192.168.15.1:53").success();
        netns_line("forward add tcp 9090 blue:90").success().shows(&["192.168.15.2:90"]);
        netns_line("forward add tcp 9091 bleu:90").fails_with(&["did you mean \"blue\"?"]);
        netns_line("forward add tcp 9091 lan:90").fails_with(&["the name \"lan\""]);
        netns_line("forward add tcp 9091 [fd00::1]:90").fails_with_code(2, &["no IPv6 yet"]);
        let list = netns_line("forward list").success();
        list.shows(&["tcp    any:5353", "udp    any:5353"]);
        netns_line("forward del tcp,udp 5353").success();
        assert!(!netns_line("forward list").success().stdout.contains("5353"));
    });
}

#[test]
fn interfaces_are_moved_and_deleted_as_with_ip() {
    with_lab(|_| {
        netns_line("link set a netns green").success();
        netns_line("-n green link set a up mtu 1400").success();
        netns_line("link set b master br0").success();
        netns_line("bridge list").success().shows(&["br0", "b (closed)"]);
        netns_line("link set b nomaster").success();
        netns_line("-n green link set c netns green").fails_with(&["is in", "already"]);
        netns_line("link set br0 netns green").fails_with(&["br0 is a bridge"]);
        netns_line("link set b netns gren").fails_with(&["did you mean \"green\"?"]);
        netns_line("-n host link set veth-red-br netns green").fails_with(&["belongs to lab"]);
        netns_line("-n green link del a").success();
        netns_line("link del br0").success();
        netns_line("link del lo").fails_with(&["lo is the loopback interface"]);
    });
}

#[test]
fn a_command_runs_in_every_namespace() {
    with_lab(|_| {
        let all = netns_line("exec --all -- cat /proc/sys/net/ipv4/ip_forward").success();
        let forwards: Vec<&str> = all.stdout.lines().collect();
        assert_eq!(forwards, ["0", "0", "1", "0", "0"], "{all}");
        let heads =
            ["blue", "green", "host", "lan", "red"].map(|name| format!("namespace {name}:"));
        assert!(heads.iter().all(|head| all.stderr.contains(head.as_str())), "{all}");
        let failed = netns_line("exec --all test -e /sys/class/net/veth-red");
        assert_eq!(failed.code(), 1, "{failed}");
    });
}

#[test]
fn processes_are_found_by_namespace_and_namespaces_by_process() {
    with_lab(|_| {
        let mut sleeper =
            Running::start(Some("red"), Command::new("sh").args(["-c", "echo $$; exec sleep 60"]));
        let pid = sleeper.wait_for("").trim().to_owned();
        netns(&["identify", &pid]).success().shows(&["red\n"]);
        assert_eq!(netns_line("pids red").success().stdout, format!("{pid}\n"));
        netns_line("pids rde").fails_with(&["did you mean \"red\"?"]);
        netns_line("identify 999999999").fails_with(&["no process 999999999"]);
        netns_line("exec red true").success();
        netns_line("exec rde true").fails_with(&["did you mean \"red\"?"]);
        netns_line("exec red").fails_with_code(2, &["the command is missing"]);
    });
}

#[test]
fn deleting_an_interface_as_a_namespace_says_what_deletes_it() {
    with_lab(|_| {
        netns_line("del br0").fails_with(&["br0 is an interface", "netns link del br0"]);
        netns_line("del v-net-0").fails_with(&["host:v-net-0 is an interface"]);
        netns_line("del gren").fails_with(&["did you mean \"green\"?"]);
    });
}

#[test]
fn a_mistyped_option_is_not_offered_as_a_value() {
    let _sandbox = Sandbox::new();
    let told = netns_line("down -f").fails_with_code(2, &["unexpected argument '-f'"]);
    assert!(!told.stderr.contains("-- -f"), "{told}");
}
