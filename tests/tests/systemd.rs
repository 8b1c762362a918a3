//! The units of docs/systemd: systemd accepts them, and their commands build a lab and take it
//! down.

use std::{fs, path::Path, process::Command};

use netns_tests::{Output, Sandbox, lecture, netns, netns_line, netns_path, own, run};

const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/systemd");
const UNIT: &str = "netns-lab@.service";

fn example(name: &str) -> String {
    let path = Path::new(EXAMPLES).join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The unit with the tested program, since `netns` is not installed here.
fn unit() -> String {
    let program = netns_path().display().to_string();
    example(UNIT).replace("=netns ", &format!("={program} "))
}

/// What systemd says of a service in a lab, whose drop-in has this text.
fn verify(drop_in: &str) -> Output {
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).expect("a file");
    write(UNIT, &unit());
    write("netns-lab@town.service", &unit());
    write("web.service", "[Service]\nExecStart=/bin/sleep 1\n");
    fs::create_dir(folder.path().join("web.service.d")).expect("a folder");
    write("web.service.d/lab.conf", drop_in);
    let mut analyze = Command::new("systemd-analyze");
    analyze.args(["verify", "--man=no", "./netns-lab@town.service", "./web.service"]);
    run(None, analyze.current_dir(folder.path()))
}

#[test]
fn systemd_accepts_the_units() {
    let told = verify(&example("web-in-lab.conf")).success();
    assert_eq!((told.stdout.as_str(), told.stderr.as_str()), ("", ""), "{told}");
    let misspelt = example("web-in-lab.conf").replace("NetworkNamespacePath", "NamespacePath");
    assert!(verify(&misspelt).stderr.contains("NamespacePath"));
}

#[test]
fn the_commands_of_the_unit_build_a_lab_change_it_and_take_it_down() {
    let _sandbox = Sandbox::new();
    fs::create_dir("/etc/netns-labs").expect("a folder");
    let file = lecture().write();
    fs::copy(file.path(), "/etc/netns-labs/lecture.toml").expect("a copy");
    let unit = unit();
    let execute = |key: &str| {
        let line = unit.lines().find_map(|line| line.strip_prefix(&format!("{key}=")));
        let line = line.unwrap_or_else(|| panic!("the unit has no {key}")).replace("%i", "lecture");
        let (program, words) = line.split_once(' ').expect("arguments");
        own().command(program, &words.split(' ').collect::<Vec<_>>()).success()
    };
    execute("ExecStart").shows(&["lab \"lecture\" is up"]);
    let text = fs::read_to_string("/etc/netns-labs/lecture.toml").expect("the file");
    let text =
        text + "\n[[forward]]\nprotocol = \"tcp\"\nport = 8080\ntarget = \"192.168.15.2:80\"\n";
    fs::write("/etc/netns-labs/lecture.toml", text).expect("the file");
    execute("ExecReload").shows(&["lab \"lecture\" is changed"]);
    netns_line("nat").success().shows(&["any:8080"]);
    execute("ExecStop").shows(&["lab \"lecture\" is down"]);
    netns(&["status"]).success().shows(&["no lab is up"]);
}
