//! What the programs of this folder share: a load generator, a look at processes, the example server.

pub mod bare_pool;
pub mod example_server;
pub mod load;
pub mod plot;
pub mod process;
pub mod statistics;
