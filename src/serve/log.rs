use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// What the server has to tell whoever runs it, a line each. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Log(UnboundedSender<String>);

impl Log {
    /// A log, and the end at which it is read.
    #[must_use]
    pub fn channel() -> (Self, UnboundedReceiver<String>) {
        let (sender, receiver) = unbounded_channel();
        (Self(sender), receiver)
    }

    /// Tells something.
    pub fn say(&self, text: impl Into<String>) {
        // Nobody may be left to read it.
        let _ = self.0.send(text.into());
    }
}
