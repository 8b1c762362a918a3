//! Builds static programs.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context as _, Result, ensure};

use crate::{
    architecture::Architecture,
    build::Profile,
    ebpf_object, step,
    toolchain::{host, rustc},
    workspace::{FEATURES, Workspace, check, output_of},
};

/// A program that is built without shared libraries.
#[derive(Clone, Copy, Debug)]
pub(crate) struct StaticProgram<'a> {
    pub(crate) workspace: &'a Workspace,
    pub(crate) profile: Profile,
    pub(crate) package: &'a str,
    pub(crate) name: &'a str,
}

impl StaticProgram<'_> {
    /// Builds it for this machine's architecture and returns its path: with musl, but a debug build
    /// as quickly as possible.
    pub(crate) fn build(self) -> Result<PathBuf> {
        match self.profile {
            Profile::Debug => self.build_quickly(),
            Profile::Release => self.build_for(&ensure_target()?),
        }
    }

    /// Builds it for this machine's architecture: from the crates of the other verbs if the static
    /// glibc of this system is there, else with musl.
    pub(crate) fn build_quickly(self) -> Result<PathBuf> {
        if has_static_c_library() { self.link_again() } else { self.build_for(&ensure_target()?) }
    }

    /// Builds it for another architecture, with musl. Rust's own linker and start files are used,
    /// so no C compiler for that architecture is needed.
    pub(crate) fn build_foreign(self, architecture: Architecture) -> Result<PathBuf> {
        let target = architecture.musl();
        ensure!(
            add_target(target)?,
            "this Rust has no standard library for {target}: install it with `rustup target add \
             {target}`"
        );
        self.build_for(target)
    }

    fn build_for(self, target: &str) -> Result<PathBuf> {
        ebpf_object::ensure(self.workspace)?;
        let mut cargo = self.workspace.cargo("build");
        cargo.args(["--package", self.package, "--bin", self.name, "--target", target]);
        cargo.args(self.profile.arguments());
        // Set for this target only, since build scripts run on the host, and not as a variable,
        // which the build of the eBPF programs would inherit. Debug information would be stripped
        // anyway.
        let mut flags = vec!["target-feature=+crt-static", "strip=symbols", "debuginfo=0"];
        if !target.starts_with(env::consts::ARCH) {
            flags.extend(["linker=rust-lld", "link-self-contained=yes"]);
        }
        let flags: Vec<String> = flags.iter().map(|flag| format!("\"-C{flag}\"")).collect();
        cargo.arg("--config").arg(format!("target.{target}.rustflags=[{}]", flags.join(",")));
        check(&mut cargo)?;
        let folder = self.workspace.target().join(target).join(self.profile.folder());
        Ok(folder.join(self.name))
    }

    /// Links a build again, statically with glibc. It reuses most crates of the other verbs, which
    /// have the same features. Crates that the tests use with more features are compiled again,
    /// since cargo cannot select those features for a single program.
    fn link_again(self) -> Result<PathBuf> {
        ebpf_object::ensure(self.workspace)?;
        let mut cargo = self.workspace.cargo("rustc");
        cargo.args(["--package", self.package, "--bin", self.name]).args(FEATURES);
        cargo.args(self.profile.arguments());
        check(cargo.args(["--", "-Ctarget-feature=+crt-static", "-Cstrip=symbols"]))?;
        // A copy, since the next build overwrites the original.
        let folder = self.workspace.target().join(self.profile.folder());
        let aside = folder.join("static").join(self.name);
        let copied = fs::create_dir_all(folder.join("static"))
            .and_then(|()| fs::copy(folder.join(self.name), &aside));
        copied.with_context(|| format!("cannot write {}", aside.display()))?;
        Ok(aside)
    }
}

/// Whether the C compiler finds a static C library. If it does not, it prints only the name.
fn has_static_c_library() -> bool {
    let answer = Command::new("cc").arg("--print-file-name=libc.a").output();
    answer.is_ok_and(|answer| answer.stdout.starts_with(b"/"))
}

/// The musl target, whose standard library is installed if necessary, else the target of the host.
fn ensure_target() -> Result<String> {
    let host = host()?;
    let musl = musl_of(&host);
    if add_target(&musl)? {
        return Ok(musl);
    }
    eprintln!(
        "dist: this Rust has no standard library for {musl}, so glibc is linked statically \
         instead. The program is still one static file. To use musl, install its library with \
         `rustup target add {musl}` or from your distribution (Fedora: rust-std-static-{musl}; \
         Arch Linux: rust-musl)"
    );
    Ok(host)
}

/// Installs the standard library of a target with rustup, if it is missing. Returns whether it is
/// there.
fn add_target(target: &str) -> Result<bool> {
    if is_installed(target)? {
        return Ok(true);
    }
    let Ok(rustup) = which::which("rustup") else { return Ok(false) };
    let what = format!("setup: installing with rustup: the standard library for {target}");
    let added = step::run(&what, Command::new(rustup).args(["target", "add", target]));
    Ok(added.is_ok() && is_installed(target)?)
}

/// The musl target of the same architecture: x86_64-unknown-linux-gnu becomes
/// x86_64-unknown-linux-musl.
fn musl_of(host: &str) -> String {
    host.replacen("-linux-gnu", "-linux-musl", 1)
}

/// Whether the compiler has a standard library for a target.
fn is_installed(target: &str) -> Result<bool> {
    let folder = output_of(rustc().args(["--print", "target-libdir", "--target", target]))?;
    let folder = String::from_utf8(folder)?;
    // A folder that does not exist has no library.
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
