//! Names that the catalogue's data defines: services, cases of a service, kinds of document.
//!
//! Each type is a name that a catalogue was read with, so it is `Copy`. `catalogue.rs` turns text into a name and refuses
//! a name that the process's catalogue does not know.

use std::fmt;

use serde::{Serialize, Serializer};

/// Keeps a name for the rest of the process. A process reads one catalogue, a test binary a handful, so this is bounded.
pub(crate) fn keep(name: String) -> &'static str {
    Box::leak(name.into_boxed_str())
}

macro_rules! names {
    ($($(#[$doc:meta])+ $type:ident;)+) => {$(
        $(#[$doc])+
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $type(&'static str);

        impl $type {
            /// Takes a name from a catalogue that is being read.
            pub(crate) fn of(name: &'static str) -> Self {
                $type(name)
            }

            /// The stable wire name, in snake case.
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
    /// A service the hub handles.
    Service;
    /// A case of a service: chosen by the applicant's age or by a member of the form.
    When;
    /// A kind of document.
    DocumentKind;
}
