//! Sessions through the whole service.
#![expect(clippy::expect_used, clippy::unwrap_used, reason = "tests")]

mod attacks;
mod histories;
mod model;
