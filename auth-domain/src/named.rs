//! Enums whose variants have names for logs, metrics and dashboards.

/// What a name in an event means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct NameDescription {
    /// The name.
    pub name: &'static str,
    /// What it says, as its documentation does.
    pub meaning: &'static str,
}

/// An enum whose variants have a stable name each. One without documentation does not compile: the
/// documentation is also the table that the list of events is written from.
macro_rules! named {
    (
        $(#[$of_enum:meta])*
        pub enum $type:ident {
            $($(#[doc = $meaning:literal])+ $variant:ident = $name:literal,)+
        }
    ) => {
        $(#[$of_enum])*
        #[non_exhaustive]
        pub enum $type {
            $($(#[doc = $meaning])+ $variant,)+
        }

        impl $type {
            /// Every name, for tables and their tests.
            pub const TABLE: &[$crate::NameDescription] = &[$($crate::NameDescription {
                name: $name,
                meaning: concat!($($meaning),+).trim_ascii_start(),
            },)+];

            /// The stable name, in lower case with underscores.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$variant => $name,)+
                }
            }
        }
    };
}
pub(crate) use named;
