//! Stable codes for parse errors of field values.

use domain::division::{CurrentDivisionError, Division, DivisionCodeError, JurisdictionError};
use domain::identity_number::IdentityNumberError;
use domain::ids::IdError;
use domain::person::{AddressError, MobileNumberError, PersonNameError};

use platform::documents::{ChecksumError, MediaTypeError};
use platform::store::CursorError;

/// An error with a stable code. Clients match on the code, and the table of texts has a row for it.
pub trait Coded {
    /// The code, for example `mobile_number_length`.
    fn code(&self) -> &'static str;

    /// The division to name instead, when the value is an abolished one.
    fn successor(&self) -> Option<Division> {
        None
    }
}

impl Coded for CurrentDivisionError {
    fn code(&self) -> &'static str {
        CurrentDivisionError::code(*self)
    }

    fn successor(&self) -> Option<Division> {
        CurrentDivisionError::successor(*self)
    }
}

macro_rules! coded {
    ($($error:ty),+ $(,)?) => {$(
        impl Coded for $error {
            fn code(&self) -> &'static str {
                <$error>::code(*self)
            }
        }
    )+};
}

coded!(
    AddressError,
    DivisionCodeError,
    IdError,
    IdentityNumberError,
    JurisdictionError,
    MobileNumberError,
    PersonNameError,
);

impl Coded for MediaTypeError {
    fn code(&self) -> &'static str {
        "media_type"
    }
}

impl Coded for ChecksumError {
    fn code(&self) -> &'static str {
        "checksum"
    }
}

impl Coded for CursorError {
    fn code(&self) -> &'static str {
        "cursor"
    }
}
