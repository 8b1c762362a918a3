//! How long the CPUs were busy.

use std::{fs, sync::OnceLock, time::Instant};

use anyhow::{Context as _, Result};
use nix::{
    sched::{CpuSet, sched_getaffinity, sched_setaffinity},
    unistd::{Pid, SysconfVar, sysconf},
};

use crate::statistics::as_f64;

/// The places of client and server among the CPUs that there are for them.
pub(crate) const CLIENT: usize = 0;
pub(crate) const SERVER: usize = 1;

/// The CPUs that this process may use.
static CHOSEN: OnceLock<Vec<usize>> = OnceLock::new();

/// Looks which CPUs there are for client and server. To be called before any thread is kept on one.
pub(crate) fn choose() -> Result<()> {
    let may = sched_getaffinity(Pid::from_raw(0)).context("cannot read the CPU affinity")?;
    let all = (0..CpuSet::count()).filter(|cpu| may.is_set(*cpu).unwrap_or(false)).collect();
    // Once is as good as twice.
    let _ = CHOSEN.set(all);
    Ok(())
}

/// The number of the CPU in a place; of the first, where there is no other.
pub(crate) fn number(place: usize) -> usize {
    let all = CHOSEN.get().map_or(&[][..], Vec::as_slice);
    all.get(place).or(all.first()).copied().unwrap_or(0)
}

/// Does `work` and returns with its result the time that all CPUs together were not idle, in
/// seconds: of senders, receivers and of what the kernel does between them.
pub(crate) fn busy_during<T>(work: impl FnOnce() -> Result<T>) -> Result<(T, f64)> {
    let idle = idle_ticks()?;
    let begin = Instant::now();
    let result = work()?;
    let wall = begin.elapsed().as_secs_f64() * as_f64(count()? as u64);
    let ticks = sysconf(SysconfVar::CLK_TCK)?.context("the kernel has no ticks")?;
    let idle = as_f64(idle_ticks()? - idle) / as_f64(u64::try_from(ticks)?);
    // A tick more or less on each is how exact it is.
    anyhow::ensure!(idle < wall * 1.1 + 0.1, "CPUs were idle for {idle} s of {wall} s");
    Ok((result, (wall - idle).max(0.0)))
}

/// Time that all CPUs had nothing to do, or that another machine on the same hardware took.
fn idle_ticks() -> Result<u64> {
    let text = stat()?;
    let line = text.lines().next().unwrap_or_default();
    let field = |index| {
        let text = line.split_whitespace().nth(index)?;
        text.parse::<u64>().ok()
    };
    // idle, iowait and steal (proc_stat(5)).
    let fields = (field(4), field(5), field(8));
    let (Some(idle), Some(waiting), Some(stolen)) = fields else {
        anyhow::bail!("/proc/stat begins with {line:?}");
    };
    Ok(idle + waiting + stolen)
}

/// How many CPUs there are, whether or not this process may use them: those that are counted.
pub(crate) fn count() -> Result<usize> {
    let is_cpu = |line: &&str| {
        line.strip_prefix("cpu").is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
    };
    Ok(stat()?.lines().filter(is_cpu).count())
}

fn stat() -> Result<String> {
    fs::read_to_string("/proc/stat").context("cannot read /proc/stat")
}

/// Keeps the calling thread on the CPU in a place.
pub(crate) fn pin(place: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(number(place))?;
    sched_setaffinity(Pid::from_raw(0), &set).context("cannot choose a CPU")
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::busy_during;

    #[test]
    fn a_thread_that_works_makes_a_cpu_busy() {
        let work = || {
            let begin = Instant::now();
            while begin.elapsed() < Duration::from_millis(300) {}
            Ok(())
        };
        let ((), seconds) = busy_during(work).unwrap();
        assert!(seconds > 0.2, "{seconds}");
    }
}
