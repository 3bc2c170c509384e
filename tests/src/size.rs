//! The short and the full form of the tests.

/// The environment variable that selects the form.
pub const VARIABLE: &str = "TONGBAN_TESTS";

/// Whether the tests run in their full form: every case, as `.ci/run` runs them. The short form makes the same
/// assertions on fewer cases.
///
/// # Panics
/// The variable has another value than `short` or `full`.
#[must_use]
pub fn is_full() -> bool {
    match std::env::var(VARIABLE).as_deref() {
        Err(std::env::VarError::NotPresent) | Ok("" | "short") => false,
        Ok("full") => true,
        Ok(other) => panic!("{VARIABLE} must be `short` or `full`, not `{other}`"),
        Err(error) => panic!("{VARIABLE}: {error}"),
    }
}

/// The first value in the full form, the second in the short one.
#[must_use]
pub fn full_or_short<T>(full: T, short: T) -> T {
    if is_full() { full } else { short }
}
