//! Runs the same work on several threads.

use std::{
    num::NonZero,
    panic::resume_unwind,
    sync::{Mutex, PoisonError},
    thread,
};

/// The number of threads that can run at once.
pub(crate) fn cpus() -> usize {
    thread::available_parallelism().map_or(1, NonZero::get)
}

/// Runs `work` on `count` threads and returns all results. When all have ended, a panic is passed
/// on.
pub(crate) fn on_threads<T: Send>(count: usize, work: impl Fn() -> T + Sync) -> Vec<T> {
    thread::scope(|scope| {
        let workers: Vec<_> = (0..count).map(|_| scope.spawn(&work)).collect();
        let join = |worker: thread::ScopedJoinHandle<'_, _>| worker.join();
        let ends = workers.into_iter().map(join);
        ends.map(|end| end.unwrap_or_else(|cause| resume_unwind(cause))).collect()
    })
}

/// Items that several threads take one by one, each once.
#[derive(Debug)]
pub(crate) struct WorkQueue<I>(Mutex<I>);

impl<I: Iterator> WorkQueue<I> {
    pub(crate) fn new(items: impl IntoIterator<IntoIter = I>) -> Self {
        Self(Mutex::new(items.into_iter()))
    }

    /// The next item.
    pub(crate) fn take(&self) -> Option<I::Item> {
        // A thread that panicked has taken its item, and the panic reaches the caller of
        // [`on_threads`].
        self.0.lock().unwrap_or_else(PoisonError::into_inner).next()
    }

    /// Drops all items that are left: the other threads end with the item that they have.
    pub(crate) fn abandon(&self) {
        while self.take().is_some() {}
    }
}

#[cfg(test)]
mod tests {
    use std::{
        iter,
        panic::catch_unwind,
        sync::{
            Barrier,
            atomic::{AtomicU32, Ordering},
        },
    };

    use super::*;

    #[test]
    fn all_threads_run_at_once_and_each_has_a_result() {
        let (all, next) = (Barrier::new(5), AtomicU32::new(0));
        let mut numbers = on_threads(5, || {
            all.wait();
            next.fetch_add(1, Ordering::Relaxed)
        });
        numbers.sort_unstable();
        assert_eq!(numbers, [0, 1, 2, 3, 4]);
    }

    #[test]
    fn each_item_of_a_queue_is_taken_once_and_none_after_it_is_abandoned() {
        let queue = WorkQueue::new(0..1000);
        let mut taken: Vec<i32> =
            on_threads(4, || iter::from_fn(|| queue.take()).collect::<Vec<_>>()).concat();
        taken.sort_unstable();
        assert_eq!(taken, (0..1000).collect::<Vec<_>>());
        let queue = WorkQueue::new(0..3);
        assert_eq!(queue.take(), Some(0));
        queue.abandon();
        assert_eq!(queue.take(), None);
    }

    #[test]
    fn a_panic_of_one_thread_reaches_the_caller() {
        let caught = catch_unwind(|| on_threads(3, || panic!("from within")));
        assert_eq!(caught.unwrap_err().downcast_ref::<&str>(), Some(&"from within"));
    }
}
