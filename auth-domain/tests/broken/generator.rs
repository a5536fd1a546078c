use auth_domain::ports::Entropy;
use auth_domain::{PortError, PortErrorKind};

use super::random;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum EntropyFault {
    FailsOnNothing,
    FillsOneBlock,
    FillsSevenBits,
    StandsStill,
    StopsShort,
}

use EntropyFault::*;

/// Each law, and the faults that it catches.
pub(crate) const CAUGHT: &[(&str, &[EntropyFault])] = &[
    ("two_fills_differ", &[StandsStill]),
    ("every_byte_is_filled", &[StopsShort, FillsSevenBits]),
    ("every_length_is_filled", &[FailsOnNothing, FillsOneBlock]),
];

pub(crate) struct Generator {
    fault: Option<EntropyFault>,
}

impl Generator {
    pub(crate) const fn new(fault: Option<EntropyFault>) -> Self {
        Self { fault }
    }
}

impl Entropy for Generator {
    fn fill(&self, bytes: &mut [u8]) -> Result<(), PortError> {
        if bytes.is_empty() && self.fault == Some(FailsOnNothing) {
            return Err(PortError::new(PortErrorKind::Rejected, "toy.fill"));
        }
        let length = match self.fault {
            Some(StopsShort) => bytes.len().saturating_sub(1),
            Some(FillsOneBlock) => bytes.len().min(64),
            _ => bytes.len(),
        };
        for byte in &mut bytes[..length] {
            *byte = match self.fault {
                Some(StandsStill) => 4,
                Some(FillsSevenBits) => random().to_le_bytes()[0] & 0x7f,
                _ => random().to_le_bytes()[0],
            };
        }
        Ok(())
    }
}
