//! Adapters of [`auth_domain`] that need nothing but this process, or a mail server of one's own.

mod mail_queue;
pub mod memory;
mod system;
mod tracing_events;

pub use mail_queue::{Drained, LocalMailQueue, MailWorker};
pub use system::{OsEntropy, SystemClock};
pub use tracing_events::TracingEvents;
