//! The program `netns`: reads its arguments and hands over to a command.

use std::{
    env,
    io::{self, Write as _},
    iter,
    os::unix::net::UnixDatagram,
    process::ExitCode,
};

use anyhow::Context as _;
use clap::{
    Parser,
    error::{ContextKind, ErrorKind},
};
use netns_user::{
    cli::{Cli, Command, WRONG_USAGE},
    commands, habits,
    output::{
        self, escaped,
        style::{BAD, paint},
    },
    tell,
    topology::TopologyError,
};

fn main() -> ExitCode {
    commands::completions::complete();
    let mut words = env::args_os();
    let program = words.next().unwrap_or_else(|| "netns".into());
    let words = match habits::translate(words.collect()) {
        Ok(words) => words,
        Err(answer) => {
            tell!("{} {}", paint(BAD, "error:"), escaped(&answer));
            return ExitCode::from(WRONG_USAGE);
        }
    };
    let Cli { json, command } = match Cli::try_parse_from(iter::once(program).chain(words)) {
        Ok(cli) => cli,
        Err(answer) => return say(answer),
    };
    match require_files().and_then(|()| run(&command, json)) {
        Ok(code) => code,
        Err(error) if is_closed_pipe(&error) => ExitCode::SUCCESS,
        Err(error) => {
            tell_error(&error);
            if let Some(note) = commands::refused::note(&error) {
                tell!("note: {note}");
            }
            ExitCode::FAILURE
        }
    }
}

/// Several errors at once have a line each. Those of a topology file have the lines of the file
/// below them, indented.
fn tell_error(error: &anyhow::Error) {
    let begin = paint(BAD, "error:");
    let Some(faults) = error.downcast_ref::<TopologyError>() else {
        return format!("{error:#}").lines().for_each(|line| tell!("{begin} {}", escaped(line)));
    };
    for line in faults.styled().lines() {
        match line.starts_with(' ') {
            true => tell!("{line}"),
            false => tell!("{begin} {}", escaped(line)),
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

/// Prints the answer of clap to the command line: help, or an error.
fn say(mut answer: clap::Error) -> ExitCode {
    if answer.kind() == ErrorKind::UnknownArgument {
        // "to pass '-f' as a value, use '-- -f'": a mistyped option is never meant as a value.
        answer.remove(ContextKind::Suggested);
    }
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
        Command::Identify(args) => commands::identify::run(args, json),
        Command::Pids(args) => commands::pids::run(args, json),
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
