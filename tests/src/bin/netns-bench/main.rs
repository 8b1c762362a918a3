//! The benchmark: the same work through our NAT, through the kernel's own, through a router
//! without NAT and over a bare cable, in turn within one run.

use std::{
    fmt::Write as _,
    fs,
    io::Write as _,
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
    process::ExitCode,
    sync::mpsc,
    thread,
};

use anyhow::{Context as _, Result};
use clap::Parser as _;
use netns_tests::Sandbox;
use tempfile::NamedTempFile;

mod args;
mod cpu;
mod layout;
mod machine;
mod modes;
mod places;
mod programs;
mod progress;
mod record;
mod report;
mod rounds;
mod series;
mod statistics;
mod table;
mod tools;
mod tracking;
mod works;

fn main() -> ExitCode {
    match run(&args::Args::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(args: &args::Args) -> Result<()> {
    if args.list {
        tell(&args.catalogue(), "");
        return Ok(());
    }
    anyhow::ensure!(
        nix::unistd::geteuid().is_root(),
        "the benchmark makes namespaces and needs root: use `cargo xtask bench`, which runs it so"
    );
    // Made first: a run of minutes must not end with a file that cannot be written.
    let json = args.json.as_ref().map(Output::of).transpose()?;
    let report = args.report.as_ref().map(|folder| {
        fs::create_dir_all(folder).with_context(|| format!("cannot make {}", folder.display()))?;
        Output::of(folder.join("index.html"))
    });
    let report = report.transpose()?;
    cpu::choose()?;

    // Not all settings show in a namespace.
    let (settled, outside) = mpsc::channel();
    let machine = thread::spawn(move || outside.recv().map(|()| machine::Machine::now()));
    // Everything is in here, and goes with this process however it ends: also by Ctrl-C.
    let sandbox = Sandbox::new();
    sandbox.with_hurry();
    let record = rounds::measure(args, || {
        // Sent to a thread that waits for it.
        let _ = settled.send(());
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
    // Also when they could not be written: it is all that is left then.
    tell(&table::render(&record), if written.is_ok() { &files } else { "" });
    written
}

/// To whoever still listens: the files are written by now.
fn tell(text: &str, more: &str) {
    let mut out = std::io::stdout().lock();
    let _ = out.write_all(text.as_bytes()).and_then(|()| out.write_all(more.as_bytes()));
}

/// A file that is to be written in the end. What is there stays whole until then.
struct Output {
    file: PathBuf,
}

impl Output {
    fn of(file: impl AsRef<Path>) -> Result<Self> {
        // Also for one who has changed the mounts since. What a link leads to is written, not the link.
        let file = std::path::absolute(&file)?;
        let output = Self { file: fs::canonicalize(&file).unwrap_or(file) };
        anyhow::ensure!(!output.file.is_dir(), "{} is a folder", output.file.display());
        if output.is_replaced() {
            // Gone at once: a run that is interrupted leaves nothing.
            output.unfinished()?;
        }
        Ok(output)
    }

    /// A pipe or a device is written to as it is.
    fn is_replaced(&self) -> bool {
        self.file.is_file() || !self.file.exists()
    }

    /// A new file beside it, which goes unless it is finished.
    fn unfinished(&self) -> Result<NamedTempFile> {
        let folder = self.file.parent().context("a folder is no file")?;
        NamedTempFile::new_in(folder)
            .with_context(|| format!("cannot write {}", self.file.display()))
    }

    fn write(&self, text: &str) -> Result<()> {
        let told = || format!("cannot write {}", self.file.display());
        if !self.is_replaced() {
            return fs::write(&self.file, text).with_context(told);
        }
        let mut unfinished = self.unfinished()?;
        unfinished.write_all(text.as_bytes()).with_context(told)?;
        // As any new file, which a temporary one is not.
        let everybody = fs::Permissions::from_mode(0o644);
        unfinished.as_file().set_permissions(everybody).with_context(told)?;
        unfinished.persist(&self.file).map(drop).with_context(told)
    }
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
    fn a_file_stays_as_it_is_until_it_is_written_and_a_link_remains_one() {
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
    fn a_device_is_written_to_and_not_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let null = folder.path().join("null");
        mknod(&null, SFlag::S_IFCHR, Mode::S_IRWXU, makedev(1, 3)).unwrap();
        Output::of(&null).unwrap().write("text").unwrap();
        assert!(fs::metadata(&null).unwrap().file_type().is_char_device());
    }

    #[test]
    fn what_cannot_be_written_is_told_before_anything_is_measured() {
        let folder = tempfile::tempdir().unwrap();
        let told = |path| Output::of(path).err().map(|error| error.to_string());
        assert!(told(folder.path().to_owned()).unwrap().ends_with(" is a folder"));
        let nowhere = folder.path().join("missing/file");
        assert!(told(nowhere).unwrap().starts_with("cannot write "));
    }
}
