use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

/// What is known about this process and its brokers.
#[derive(Debug, Default)]
pub struct Health {
    /// A broker was reached once.
    reached: AtomicBool,
    /// A broker is reached now.
    reachable: AtomicBool,
    /// The process was told to end.
    stopping: AtomicBool,
}

impl Health {
    /// Notes whether a broker could be reached; tells whether that is news.
    pub fn saw_broker(&self, reachable: bool) -> bool {
        let first = reachable && !self.reached.swap(true, Relaxed);
        self.reachable.swap(reachable, Relaxed) != reachable || first
    }

    /// Notes that the process was told to end.
    pub fn stop(&self) {
        self.stopping.store(true, Relaxed);
    }

    /// The process is of use: a broker was reached once. An outage of the brokers later is nothing that a new process
    /// would make better.
    #[must_use]
    pub fn is_healthy(&self) -> bool {
        self.reached.load(Relaxed)
    }

    /// Events can be taken now.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        self.is_reachable() && !self.stopping.load(Relaxed)
    }

    /// A broker is reached now.
    #[must_use]
    pub fn is_reachable(&self) -> bool {
        self.reachable.load(Relaxed)
    }
}
