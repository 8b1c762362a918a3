//! Building the program such that it needs no library of the system.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result};

use crate::{
    build::Profile,
    ebpf_object, step,
    toolchain::{host, rustc},
    workspace::{FEATURES, Workspace, check, output_of},
};

/// Builds a program statically for this machine's architecture and returns its path.
pub(crate) fn build(
    workspace: &Workspace,
    profile: Profile,
    package: &str,
    program: &str,
) -> Result<PathBuf> {
    ebpf_object::ensure(workspace)?;
    if let Profile::Debug = profile
        && has_static_c_library()
    {
        return link_again(workspace, package, program);
    }
    let target = ensure_target()?;
    let mut cargo = workspace.cargo("build");
    cargo.args(["--package", package, "--bin", program, "--target", &target]);
    let folder = match profile {
        Profile::Debug => "debug",
        Profile::Release => {
            cargo.arg("--release");
            "release"
        }
    };
    // For this target only: the build scripts are programs of the host. It is no variable
    // either, which the build of the eBPF programs would inherit. What is stripped in the end
    // need not be made first.
    let flags = ["target-feature=+crt-static", "strip=symbols", "debuginfo=0"]
        .map(|flag| format!("\"-C{flag}\""));
    cargo.arg("--config").arg(format!("target.{target}.rustflags=[{}]", flags.join(",")));
    check(&mut cargo)?;
    Ok(workspace.target().join(target).join(folder).join(program))
}

/// Links a debug build once more, statically with glibc. Most of what it is linked from is that of the other
/// verbs, in the same set of features; what the tests' dependencies want with more of them is compiled
/// once more, since cargo has no set of these for a single program.
fn link_again(workspace: &Workspace, package: &str, program: &str) -> Result<PathBuf> {
    let mut cargo = workspace.cargo("rustc");
    cargo.args(["--package", package, "--bin", program]).args(FEATURES);
    check(cargo.args(["--", "-Ctarget-feature=+crt-static", "-Cstrip=symbols"]))?;
    // The next build puts its own in that place.
    let folder = workspace.target().join("debug");
    let aside = folder.join("static").join(program);
    let copied = fs::create_dir_all(folder.join("static"))
        .and_then(|()| fs::copy(folder.join(program), &aside));
    copied.with_context(|| format!("cannot write {}", aside.display()))?;
    Ok(aside)
}

/// Whether the C compiler knows where a static C library is. Of a file that it does not find it says
/// no more than the name.
fn has_static_c_library() -> bool {
    let answer = Command::new("cc").arg("--print-file-name=libc.a").output();
    answer.is_ok_and(|answer| answer.stdout.starts_with(b"/"))
}

/// The musl target, its standard library installed if need be; else the host's own.
fn ensure_target() -> Result<String> {
    let host = host()?;
    let musl = musl_of(&host);
    if is_installed(&musl)? {
        return Ok(musl);
    }
    if let Ok(rustup) = which::which("rustup") {
        let what = format!("setup: installing with rustup: the standard library for {musl}");
        let added = step::run(&what, Command::new(rustup).args(["target", "add", &musl]));
        if added.is_ok() && is_installed(&musl)? {
            return Ok(musl);
        }
    }
    eprintln!(
        "dist: this Rust has no standard library for {musl}, so glibc is linked statically \
         instead. The program is one static file all the same. For musl, install it with \
         `rustup target add {musl}`, or from your distribution (Fedora: rust-std-static-{musl}; \
         Arch Linux: rust-musl)"
    );
    Ok(host)
}

/// The target of the same architecture with musl: x86_64-unknown-linux-gnu has
/// x86_64-unknown-linux-musl.
fn musl_of(host: &str) -> String {
    host.replacen("-linux-gnu", "-linux-musl", 1)
}

/// Whether the compiler has a standard library for a target.
fn is_installed(target: &str) -> Result<bool> {
    let folder = output_of(rustc().args(["--print", "target-libdir", "--target", target]))?;
    let folder = String::from_utf8(folder)?;
    // A folder that is not there has no library.
    let files = fs::read_dir(Path::new(folder.trim())).into_iter().flatten().flatten();
    Ok(files.into_iter().any(|file| file.file_name().to_string_lossy().starts_with("libstd-")))
}

#[cfg(test)]
mod tests {
    use super::musl_of;

    #[test]
    fn every_linux_host_has_its_musl_target() {
        let pairs = [
            ("x86_64-unknown-linux-gnu", "x86_64-unknown-linux-musl"),
            ("armv7-unknown-linux-gnueabihf", "armv7-unknown-linux-musleabihf"),
            ("aarch64-unknown-linux-musl", "aarch64-unknown-linux-musl"),
        ];
        for (host, musl) in pairs {
            assert_eq!(musl_of(host), musl);
        }
    }
}
