//! The benchmark: the same workloads through our NAT, through the kernel's own, through a router
//! without NAT and over a bare cable, in turn within one run.

use std::{
    convert::Infallible,
    env,
    fmt::Write as _,
    fs,
    io::Write as _,
    process::{Command, ExitCode},
    sync::mpsc,
    thread,
};

use anyhow::{Context as _, Result};
use clap::Parser as _;
use netns_tests::Sandbox;

mod args;
mod cpu;
mod init;
mod lab_file;
mod machine;
mod modes;
mod network;
mod networks;
mod output;
mod programs;
mod progress;
mod readme;
mod record;
mod report;
mod rounds;
mod series;
mod statistics;
mod text_table;
mod tools;
mod topology;
mod tracking;
mod workloads;

use output::Output;

fn main() -> ExitCode {
    if std::process::id() == 1 {
        measure_in_guest();
    }
    match run(&args::Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

/// As the first process of a virtual machine it starts itself once more, and then powers the
/// machine off. On Linux 7.3, other threads of the first process see none of the file systems that
/// it has mounted.
fn measure_in_guest() -> Infallible {
    init::prepare();
    let arguments = env::args_os().skip(1);
    if let Err(error) = Command::new("/proc/self/exe").args(arguments).status() {
        eprintln!("error: cannot start the benchmark: {error}");
    }
    init::kernel_is_content();
    init::power_off()
}

fn run(args: &args::Args) -> Result<()> {
    if args.list {
        print(&args.catalogue(), "");
        return Ok(());
    }
    anyhow::ensure!(
        nix::unistd::geteuid().is_root(),
        "the benchmark makes namespaces and needs root: use `cargo xtask bench`, which runs it so"
    );
    let json = args.json.as_ref().map(Output::of).transpose()?;
    let report = args.report.as_ref().map(|folder| {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        Output::of(folder.join("index.html"))
    });
    let report = report.transpose()?;
    let readme = args.readme.as_deref().map(readme::Readme::of).transpose()?;
    cpu::choose()?;

    // A namespace does not show all settings, so a thread that stays outside reads them.
    let (modes_built, wait_for_modes) = mpsc::channel();
    let machine = thread::spawn(move || wait_for_modes.recv().map(|()| machine::Machine::now()));
    // All networks are made in here. The kernel removes them when this process ends, also by
    // Ctrl-C.
    let sandbox = Sandbox::new();
    sandbox.with_rcu_expedited();
    let record = rounds::measure(args, || {
        // The thread waits for this message, so it is still there.
        let _ = modes_built.send(());
        machine.join().ok().and_then(Result::ok).unwrap_or_default()
    })?;
    drop(sandbox);

    let mut files = String::new();
    let mut written = Ok(());
    let texts = [serde_json::to_string_pretty(&record)? + "\n", report::html(&record)];
    for (output, text) in [json, report].into_iter().zip(texts) {
        if let Some(output) = output {
            writeln!(files, "{}", output.file.display())?;
            written = written.and(output.write(&text));
        }
    }
    if let Some(readme) = &readme {
        written = written.and(readme.write(&record));
    }
    // Printed even if the files could not be written: the table is then all that is left.
    print(&text_table::render(&record), if written.is_ok() { &files } else { "" });
    written
}

/// Prints two texts. A closed standard output is no error: the files are written by now.
fn print(text: &str, more: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.write_all(more.as_bytes()));
}

#[cfg(test)]
mod tests {
    use std::{
        fs,
        os::unix::fs::{FileTypeExt as _, symlink},
    };

    use nix::sys::stat::{Mode, SFlag, makedev, mknod};

    use super::Output;

    #[test]
    fn a_file_keeps_its_old_content_until_it_is_written_and_a_link_stays_a_link() {
        let folder = tempfile::tempdir().unwrap();
        let [file, link] = ["file", "link"].map(|name| folder.path().join(name));
        fs::write(&file, "before").unwrap();
        symlink(&file, &link).unwrap();
        let output = Output::of(&link).unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "before");
        output.write("after").unwrap();
        assert_eq!(fs::read_to_string(&file).unwrap(), "after");
        assert!(link.is_symlink());
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 2, "nothing else is left");
    }

    #[test]
    fn a_device_is_written_to_and_not_replaced_by_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let null = folder.path().join("null");
        mknod(&null, SFlag::S_IFCHR, Mode::S_IRWXU, makedev(1, 3)).unwrap();
        Output::of(&null).unwrap().write("text").unwrap();
        assert!(fs::metadata(&null).unwrap().file_type().is_char_device());
    }

    #[test]
    fn an_output_that_cannot_be_written_is_an_error_before_anything_is_measured() {
        let folder = tempfile::tempdir().unwrap();
        let error = |path| Output::of(path).err().map(|error| error.to_string());
        assert!(error(folder.path().to_owned()).unwrap().ends_with(" is a folder"));
        let nowhere = folder.path().join("missing/file");
        assert!(error(nowhere).unwrap().starts_with("cannot write "));
    }
}
