//! The program `netns`: reads its arguments and hands over to a command.

use std::{
    io::{self, Write as _},
    os::unix::net::UnixDatagram,
    process::ExitCode,
};

use anyhow::Context as _;
use clap::Parser;
use netns_user::{
    cli::{Cli, Command},
    commands,
    output::{
        self, escaped,
        style::{BAD, paint},
    },
    tell,
};

fn main() -> ExitCode {
    let Cli { json, command } = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(answer) => return say(&answer),
    };
    match require_files().and_then(|()| run(&command, json)) {
        Ok(code) => code,
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            // Several errors at once have a line each.
            for line in format!("{error:#}").lines() {
                tell!("{} {}", paint(BAD, "error:"), escaped(line));
            }
            if let Some(note) = commands::refused::note(&error) {
                tell!("note: {note}");
            }
            ExitCode::FAILURE
        }
    }
}

/// Files and sockets that a command can have open at once, at least. Where they run out later than
/// here, some libraries panic.
const FILES: usize = 32;

/// That so many can be opened.
fn require_files() -> anyhow::Result<()> {
    let files: io::Result<Vec<UnixDatagram>> =
        (0..FILES).map(|_| UnixDatagram::unbound()).collect();
    let refused = || format!("cannot open {FILES} files at once: raise the limit (`ulimit -n`)");
    files.map(drop).with_context(refused)
}

/// What clap answers to the command line: help, or what is wrong with it.
fn say(answer: &clap::Error) -> ExitCode {
    let text = answer.render().ansi().to_string();
    if answer.use_stderr() {
        tell!("{}", text.trim_end_matches('\n'));
    } else {
        let mut out = output::stdout();
        // As with clap's own printing: help that nobody reads is no failure.
        let _ = out.write_all(text.as_bytes()).and_then(|()| out.flush());
    }
    u8::try_from(answer.exit_code()).map_or(ExitCode::FAILURE, ExitCode::from)
}

fn run(command: &Command, json: bool) -> anyhow::Result<ExitCode> {
    match command {
        Command::Demo(_) => commands::demo::run(json),
        Command::Plan(args) => commands::plan::run(args, json),
        Command::Up(args) => commands::up::run(args, json),
        Command::Down(args) => commands::down::run(args, json),
        Command::Doctor(args) => commands::doctor::run(args, json),
        Command::Status(args) => commands::status::run(args, json),
        Command::Graph(args) => commands::graph::run(args, json),
        Command::Check(args) => commands::check::run(args, json),
        Command::Schema(_) => commands::schema::run(),
        Command::Add(args) => commands::add::run(args, json),
        Command::Del(args) => commands::del::run(args, json),
        Command::List(_) => commands::list::run(json),
        Command::Exec(args) => commands::exec::run(args),
        Command::Ps(args) => commands::ps::run(args, json),
        Command::Show(args) => commands::show::run(args, json),
        Command::Cable(args) => commands::cable::run(args, json),
        Command::Bridge(args) => commands::bridge::run(args, json),
        Command::Addr(args) => commands::address::run(args, json),
        Command::Link(args) => commands::link::run(args, json),
        Command::Route(args) => commands::route::run(args, json),
        Command::Masquerade(args) => commands::masquerade::run(args, json),
        Command::Forward(args) => commands::forward::run(args, json),
        Command::Nat(args) => commands::nat::run(args, json),
        Command::Flows(args) => commands::flows::run(args, json),
        Command::Log(args) => commands::log::run(args, json),
        Command::Watch(args) => commands::watch::run(args, json),
        Command::Completions(args) => commands::completions::run(args),
        Command::ManPages(args) => commands::man_pages::run(args),
    }
}

/// Whoever read our output has seen enough, like `head`.
fn is_closed_pipe(error: &anyhow::Error) -> bool {
    let io = error.downcast_ref::<io::Error>();
    io.is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}
