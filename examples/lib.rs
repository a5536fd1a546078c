#![doc = include_str!("../README.md")]

/// How to do what, and why it is so: for who embeds this, runs it or writes an adapter. All its code is
/// compiled, and what can be run is run.
///
/// 1. [`threats`](manual::threats): who attacks, and what happens then
/// 2. [`defaults`](manual::defaults): every setting, with the reason for its default
/// 3. [`axum`](manual::axum): embed it in a service
/// 4. [`adapter`](manual::adapter): write an adapter, and prove it
/// 5. [`unit_tests`](manual::unit_tests): test your service
/// 6. [`lambda`](manual::lambda): deploy it to AWS Lambda
/// 7. [`migrate`](manual::migrate): bring the users of Firebase and Django along
/// 8. [`cookbook`](manual::cookbook): fifteen things that are asked for in the first week
pub mod manual {
    #[doc = include_str!("manual/adapter.md")]
    pub mod adapter {}
    #[doc = include_str!("manual/axum.md")]
    pub mod axum {}
    #[doc = include_str!("manual/cookbook.md")]
    pub mod cookbook {}
    #[doc = include_str!("manual/defaults.md")]
    pub mod defaults {}
    #[doc = include_str!("manual/lambda.md")]
    pub mod lambda {}
    #[doc = include_str!("manual/migrate.md")]
    pub mod migrate {}
    #[doc = include_str!("manual/threats.md")]
    pub mod threats {}
    #[doc = include_str!("manual/unit_tests.md")]
    pub mod unit_tests {}
}
