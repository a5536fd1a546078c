use std::sync::Mutex;

use auth_domain::ports::EventSink;
use auth_domain::{AuthEvent, EventKind};

use super::locked;

/// Keeps every event, for tests to read.
#[derive(Debug, Default)]
pub struct MemoryEvents {
    events: Mutex<Vec<AuthEvent>>,
}

impl MemoryEvents {
    /// A sink without events.
    pub fn new() -> Self {
        Self::default()
    }

    /// Every event so far, oldest first.
    pub fn all(&self) -> Vec<AuthEvent> {
        locked(&self.events).clone()
    }

    /// The kind of every event so far, oldest first.
    pub fn kinds(&self) -> Vec<EventKind> {
        locked(&self.events).iter().map(|event| event.kind).collect()
    }
}

impl EventSink for MemoryEvents {
    fn record(&self, event: AuthEvent) {
        locked(&self.events).push(event);
    }
}
