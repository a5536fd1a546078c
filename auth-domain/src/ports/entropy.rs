use crate::PortError;

/// The only source of randomness.
pub trait Entropy: Send + Sync {
    /// Fills all of `bytes` from a generator of cryptographic quality. Concurrent callers get
    /// independent bytes.
    ///
    /// # Errors
    /// When the generator fails; `bytes` is then not to be used, and nothing is issued.
    fn fill(&self, bytes: &mut [u8]) -> Result<(), PortError>;
}
