//! The packages of `cargo xtask dist`, installed in an otherwise empty root.

use std::{
    collections::BTreeSet,
    env, fs,
    io::ErrorKind,
    path::{Path, PathBuf},
    process::Command,
};

use netns_tests::{Output, Sandbox, netns, own, run};
use nix::{
    mount::{MntFlags, MsFlags, mount, umount2},
    unistd::pivot_root,
};

/// The path of the program in the package.
const PROGRAM: &str = "/usr/bin/netns";

/// The folder with the packages that `cargo xtask test` makes.
fn packages() -> PathBuf {
    let folder = env::var_os("NETNS_DIST");
    folder.expect("NETNS_DIST names the folder of the packages: use `cargo xtask test`").into()
}

/// The only package whose file name has this ending.
fn package(end: &str) -> PathBuf {
    let folder = packages();
    let version = env!("CARGO_PKG_VERSION");
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{folder:?}: {error}"));
    let mut found = entries.map(|entry| entry.expect("an entry").path()).filter(|path| {
        let name = path.to_string_lossy();
        name.ends_with(end) && name.contains(version)
    });
    let package = found.next().unwrap_or_else(|| panic!("{folder:?} has no {version}…{end}"));
    assert_eq!(found.next(), None, "{folder:?} has two {version}…{end}");
    package
}

/// Runs a tool of the machine; the word `{}` stands for the path.
#[track_caller]
fn tool(program: &str, words: &str, path: &Path) -> Output {
    let path = path.to_str().expect("a plain path");
    let words: Vec<_> = words.split(' ').map(|word| word.replace("{}", path)).collect();
    own().command(program, &words.iter().map(String::as_str).collect::<Vec<_>>()).success()
}

/// All files below a folder, relative to it.
fn files_below(folder: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else {
                found.insert(path.strip_prefix(folder).expect("a path below").to_owned());
            }
        }
    }
    found
}

/// An empty root in which dpkg has installed the package.
fn installed() -> PathBuf {
    let root = Path::new("/run/root");
    fs::create_dir(root).expect("a folder in a new tmpfs");
    mount(Some("tmpfs"), root, Some("tmpfs"), MsFlags::empty(), Some("mode=755")).expect("a root");
    // The files that dpkg needs in an empty system.
    for folder in ["var/lib/dpkg/info", "var/lib/dpkg/updates"] {
        fs::create_dir_all(root.join(folder)).expect("a folder");
    }
    fs::write(root.join("var/lib/dpkg/status"), "").expect("an empty list of packages");
    let deb = package(".deb");
    let deb = deb.to_str().expect("a plain path");
    own().command("dpkg", &["--root=/run/root", "--log=/run/dpkg.log", "--install", deb]).success();
    root.to_owned()
}

/// Makes a folder the root of this thread's mounts, with the kernel's file systems and nothing else
/// of the machine. The end of the sandbox undoes it.
fn move_into(root: &Path) {
    for folder in ["proc", "sys", "dev", "old"] {
        fs::create_dir(root.join(folder)).expect("a mount point");
    }
    let none = MsFlags::empty();
    mount(Some("proc"), &root.join("proc"), Some("proc"), none, None::<&str>).expect("/proc");
    mount(Some("sysfs"), &root.join("sys"), Some("sysfs"), none, None::<&str>).expect("/sys");
    let cgroup = root.join("sys/fs/cgroup");
    mount(Some("cgroup2"), &cgroup, Some("cgroup2"), none, None::<&str>).expect("cgroups");
    // The standard input of programs that a test runs, and the source of the NAT's seed.
    for device in ["dev/null", "dev/urandom"] {
        let device = (Path::new("/").join(device), root.join(device));
        fs::write(&device.1, "").expect("a mount point");
        mount(Some(&device.0), &device.1, None::<&str>, MsFlags::MS_BIND, None::<&str>)
            .expect("a device");
    }
    pivot_root(root, &root.join("old")).expect("pivot_root");
    umount2("/old", MntFlags::MNT_DETACH).expect("the machine's files are out of sight");
    fs::remove_dir("/old").expect("an empty folder");
    env::set_current_dir("/").expect("/");
}

/// Runs the installed program.
#[track_caller]
fn here(arguments: &[&str]) -> Output {
    run(None, Command::new(PROGRAM).args(arguments).env_clear()).success()
}

#[test]
fn the_package_runs_the_lab_in_an_otherwise_empty_root() {
    let _sandbox = Sandbox::new();
    move_into(&installed());
    let entries = fs::read_dir("/").expect("/").map(|entry| entry.expect("an entry").file_name());
    let entries: BTreeSet<_> = entries.map(|name| name.to_string_lossy().into_owned()).collect();
    assert_eq!(entries, ["dev", "proc", "sys", "usr", "var"].map(str::to_owned).into());

    let version = format!("netns {}\n", env!("CARGO_PKG_VERSION"));
    assert_eq!(here(&["--version"]).stdout, version);
    here(&["up"]);
    here(&["status"]).shows(&["lecture", "red", "blue", "v-net-0", "ens3"]);
    assert_eq!(here(&["exec", "red", "--", PROGRAM, "--version"]).stdout, version);
    here(&["show", "red"]).shows(&["192.168.15.1/24"]);
    here(&["down"]);
    assert_eq!(here(&["list", "--json"]).json(), serde_json::json!([]));
    // The checks send their packets by themselves, so that they hold here too.
    here(&["demo"]).shows(&["checks passed"]);
}

#[test]
fn a_dynamically_linked_program_does_not_run_in_the_empty_root() {
    let _sandbox = Sandbox::new();
    let root = installed();
    // Bash is dynamically linked on every system that the tests run on.
    let bash = own().command("bash", &["-c", "type -P bash"]).success().stdout;
    fs::copy(bash.trim_end(), root.join("usr/bin/bash")).expect("a copy");
    move_into(&root);
    here(&["--version"]);
    let result = Command::new("/usr/bin/bash").arg("--version").output();
    let error = result.expect_err("there is no library for it");
    assert_eq!(error.kind(), ErrorKind::NotFound, "{error}");
}

#[test]
fn every_command_has_a_manual_page() {
    let _sandbox = Sandbox::new();
    let root = installed();
    let pages: BTreeSet<_> = fs::read_dir(root.join("usr/share/man/man1"))
        .expect("the manual pages")
        .map(|entry| entry.expect("an entry").file_name().into_string().expect("a plain name"))
        .collect();
    let mut expected = BTreeSet::from(["netns.1.gz".to_owned()]);
    name_pages(&[], &mut expected);
    assert!(expected.contains("netns-forward-add.1.gz"), "{expected:#?}");
    assert_eq!(pages, expected);

    let page = root.join("usr/share/man/man1/netns-forward-add.1.gz");
    let page = tool("gzip", "--decompress --stdout {}", &page).stdout;
    assert!(page.contains(".SH EXAMPLES\n.nf\nnetns forward add tcp 80 192.168.15.2:80"), "{page}");
}

/// Adds the names of the manual pages of all commands below `path`, as `--help` lists them.
fn name_pages(path: &[&str], pages: &mut BTreeSet<String>) {
    let help = netns(&[path, &["--help"]].concat()).success().stdout;
    let commands = help.lines().skip_while(|line| *line != "Commands:").skip(1);
    for line in commands.take_while(|line| !line.is_empty()) {
        // A continuation line is indented more.
        let Some(line) = line.strip_prefix("  ").filter(|line| !line.starts_with(' ')) else {
            continue;
        };
        let name = line.split(' ').next().expect("a name");
        if name != "help" {
            let path = [path, &[name]].concat();
            pages.insert(format!("netns-{}.1.gz", path.join("-")));
            name_pages(&path, pages);
        }
    }
}

#[test]
fn the_package_puts_completions_where_shells_look() {
    let _sandbox = Sandbox::new();
    let root = installed();
    for file in ["zsh/vendor-completions/_netns", "fish/vendor_completions.d/netns.fish"] {
        let script = fs::read_to_string(root.join("usr/share").join(file)).expect(file);
        assert!(script.contains("NETNS_COMPLETE"), "{file}: {script}");
    }
    // The completion as bash runs it.
    let script = root.join("usr/share/bash-completion/completions/netns");
    let complete = "source \"$0\"; PATH=$1:$PATH; COMP_WORDS=(netns forward a); COMP_CWORD=2; \
                    _netns_complete netns a forward; echo \"${COMPREPLY[@]}\"";
    let script = script.to_str().expect("a plain path");
    let programs = root.join("usr/bin").display().to_string();
    let offered = own().command("bash", &["-c", complete, script, &programs]).success();
    assert_eq!(offered.stdout, "add\n", "{offered}");
}

#[test]
fn the_archive_has_the_same_files_as_the_package() {
    let _sandbox = Sandbox::new();
    let root = installed();
    fs::create_dir("/run/archive").expect("a folder in a new tmpfs");
    tool(
        "tar",
        "--extract --strip-components=1 --directory=/run/archive --file={}",
        &package(".tar.gz"),
    );
    let archive = Path::new("/run/archive");
    let packed = files_below(&root.join("usr"));
    assert!(packed.contains(Path::new("bin/netns")), "{packed:#?}");
    // Only Debian has a separate folder for completions of zsh.
    let unpacked = |path: &PathBuf| match path.strip_prefix("share/zsh/vendor-completions") {
        Ok(name) => Path::new("share/zsh/site-functions").join(name),
        Err(_) => path.clone(),
    };
    assert_eq!(files_below(archive), packed.iter().map(unpacked).collect());
    let version = run(None, Command::new(archive.join("bin/netns")).arg("--version"));
    version.success().shows(&[env!("CARGO_PKG_VERSION")]);
    for path in &packed {
        let ours = fs::read(archive.join(unpacked(path))).expect("a file");
        let theirs = fs::read(root.join("usr").join(path)).expect("a file");
        assert!(ours == theirs, "{} differs", path.display());
    }
}

#[test]
fn the_checksums_match_the_files() {
    let _sandbox = Sandbox::new();
    let folder = packages();
    let sums = fs::read_to_string(folder.join("SHA256SUMS")).expect("SHA256SUMS");
    let named: BTreeSet<_> = sums.lines().filter_map(|line| line.split("  ").nth(1)).collect();
    for file in [package(".deb"), package(".tar.gz"), folder.join("netns")] {
        let name = file.file_name().expect("a name").to_str().expect("a plain name");
        assert!(named.contains(name), "{name} is not in\n{sums}");
    }
    env::set_current_dir(&folder).expect("the folder of the packages");
    tool("sha256sum", "--check --strict {}", &folder.join("SHA256SUMS"));
}
