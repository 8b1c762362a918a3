//! The same work on several threads.

use std::{num::NonZero, panic::resume_unwind, thread};

/// As many as can run at once.
pub(crate) fn cpus() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

/// Runs `work` on so many threads and returns what each came to; passes a panic on when all have ended.
pub(crate) fn on_threads<T: Send>(count: usize, work: impl Fn() -> T + Sync) -> Vec<T> {
    thread::scope(|scope| {
        let workers: Vec<_> = (0..count).map(|_| scope.spawn(&work)).collect();
        let join = |worker: thread::ScopedJoinHandle<'_, _>| worker.join();
        let ends = workers.into_iter().map(join);
        ends.map(|end| end.unwrap_or_else(|cause| resume_unwind(cause))).collect()
    })
}

#[cfg(test)]
mod tests {
    use std::{
        panic::catch_unwind,
        sync::{
            Barrier,
            atomic::{AtomicU32, Ordering},
        },
    };

    use super::*;

    #[test]
    fn all_run_at_once_and_each_has_a_result() {
        let (all, next) = (Barrier::new(5), AtomicU32::new(0));
        let mut numbers = on_threads(5, || {
            all.wait();
            next.fetch_add(1, Ordering::Relaxed)
        });
        numbers.sort_unstable();
        assert_eq!(numbers, [0, 1, 2, 3, 4]);
    }

    #[test]
    fn a_panic_of_one_reaches_the_caller() {
        let caught = catch_unwind(|| on_threads(3, || panic!("from within")));
        assert_eq!(caught.unwrap_err().downcast_ref::<&str>(), Some(&"from within"));
    }
}
