//! A thread that lives in namespaces of its own and does there what it is asked.
//!
//! Namespaces belong to threads: a socket opened or a program started by this thread belongs to its network, mounts
//! and process numbers, whoever uses it afterwards. The work itself must not start threads (a thread that has asked
//! for a new process namespace cannot).

use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{Builder, JoinHandle};

type Job = Box<dyn FnOnce() + Send>;

/// The thread; it ends, and its namespaces with it, when this is dropped.
#[derive(Debug)]
pub(super) struct Worker {
    jobs: Option<Sender<Job>>,
    thread: Option<JoinHandle<()>>,
}

impl Worker {
    /// Starts the thread, which first goes into its namespaces with `enter`.
    pub(super) fn start<E: Send + From<io::Error> + 'static>(
        name: &str,
        enter: impl FnOnce() -> Result<(), E> + Send + 'static,
    ) -> Result<Self, E> {
        let (jobs, todo) = channel::<Job>();
        let thread = Builder::new().name(name.to_owned()).spawn(move || work(&todo))?;
        let worker = Self {
            jobs: Some(jobs),
            thread: Some(thread),
        };
        worker.run(enter)?;
        Ok(worker)
    }

    /// Does `work` on the thread and answers with its result; a panic goes on in the caller.
    pub(super) fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> T {
        let (answer, answered) = channel();
        let job = Box::new(move || {
            // The receiver waits below, so the answer always finds it.
            let _ = answer.send(catch_unwind(AssertUnwindSafe(work)));
        });
        let sent = self.jobs.as_ref().is_some_and(|jobs| jobs.send(job).is_ok());
        match answered.recv() {
            Ok(Ok(value)) => value,
            Ok(Err(panic)) => resume_unwind(panic),
            Err(_) => unreachable!("the thread outlives its handle and catches panics (job sent: {sent})"),
        }
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if let Some(thread) = self.thread.take() {
            // It cannot have panicked: `run` hands panics to the caller.
            let _ = thread.join();
        }
    }
}

fn work(todo: &Receiver<Job>) {
    for job in todo {
        job();
    }
}
