#![doc = include_str!("../README.md")]

/// How to do what, and why it is so: for who embeds this, runs it or writes an adapter. All its code is
/// compiled, and what can be run is run.
pub mod manual {
    #![doc = "1. [`threats`]: who attacks, and what happens then"]
    #![doc = "2. [`defaults`]: every setting, with the reason for its default"]
    #![doc = "3. [`axum`]: embed it in a service"]
    #![doc = "4. [`adapter`]: write an adapter, and prove it"]
    #![doc = "5. [`unit_tests`]: test your service"]
    #![doc = "6. [`lambda`]: deploy it to AWS Lambda"]
    #![doc = "7. [`migrate`]: bring the users of Firebase and Django along"]
    #![doc = "8. [`cookbook`]: fourteen things that are asked for in the first week"]

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
