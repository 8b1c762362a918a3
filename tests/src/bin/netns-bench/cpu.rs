//! How long the CPUs were busy.

use std::{fs, time::Instant};

use anyhow::{Context as _, Result};
use nix::{
    sched::{CpuSet, sched_setaffinity},
    unistd::{Pid, SysconfVar, sysconf},
};

use crate::statistics::as_f64;

/// Does `work` and returns with its result the time that all CPUs together were not idle, in
/// seconds: of senders, receivers and of what the kernel does between them.
pub(crate) fn busy_during<T>(work: impl FnOnce() -> Result<T>) -> Result<(T, f64)> {
    let idle = idle_ticks()?;
    let begin = Instant::now();
    let result = work()?;
    let wall = begin.elapsed().as_secs_f64() * as_f64(count()? as u64);
    let ticks = sysconf(SysconfVar::CLK_TCK)?.context("the kernel has no ticks")?;
    let idle = as_f64(idle_ticks()? - idle) / as_f64(u64::try_from(ticks)?);
    Ok((result, (wall - idle).max(0.0)))
}

/// Time that all CPUs had nothing to do, or that another machine on the same hardware took.
fn idle_ticks() -> Result<u64> {
    let text = fs::read_to_string("/proc/stat").context("cannot read /proc/stat")?;
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

fn count() -> Result<usize> {
    Ok(std::thread::available_parallelism()?.get())
}

/// Keeps the calling thread on a CPU; on the first, where there is no other.
pub(crate) fn pin(cpu: usize) -> Result<()> {
    let mut set = CpuSet::new();
    set.set(cpu)?;
    if sched_setaffinity(Pid::from_raw(0), &set).is_ok() {
        return Ok(());
    }
    let mut first = CpuSet::new();
    first.set(0)?;
    sched_setaffinity(Pid::from_raw(0), &first).context("cannot choose a CPU")
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
