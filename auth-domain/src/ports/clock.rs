use crate::Timestamp;

/// The only source of time.
pub trait Clock: Send + Sync {
    /// The time by the wall clock. May stand still and may go back; nobody may rely on its order.
    fn now(&self) -> Timestamp;
}
