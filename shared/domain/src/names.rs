//! Names that the catalogue defines: services, cases of a service, kinds of document.
//!
//! Each name is interned when the catalogue is parsed, so the types are `Copy`. `catalogue.rs` turns text into a name
//! and refuses a name that the process's catalogue does not know.

use std::fmt;

use serde::{Serialize, Serializer};

/// Stores a name for the rest of the process. A process parses one catalogue and a test binary a few, so this is
/// bounded.
pub(crate) fn keep(name: String) -> &'static str {
    Box::leak(name.into_boxed_str())
}

macro_rules! names {
    ($($(#[$doc:meta])+ $type:ident;)+) => {$(
        $(#[$doc])+
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type(&'static str);

        impl $type {
            /// Creates a name while a catalogue is parsed.
            pub(crate) fn of(name: &'static str) -> Self {
                $type(name)
            }

            /// Stable wire name in snake case.
            #[must_use]
            pub fn name(self) -> &'static str {
                self.0
            }
        }

        impl fmt::Display for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.0)
            }
        }

        impl fmt::Debug for $type {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(self.0)
            }
        }

        impl Serialize for $type {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.0)
            }
        }
    )+};
}

names! {
    /// A service of the hub.
    Service;
    /// A case of a service. The applicant's age or a member of the form chooses the case.
    When;
    /// A kind of document.
    DocumentKind;
}
