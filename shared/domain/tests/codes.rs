//! The codes of faults are part of the interface: they never change.
#![allow(clippy::unwrap_used, reason = "a test may fail by panicking")]

use domain::agency_override::OVERRIDES_BYTES;
use domain::catalogue::Certainty;
use domain::division::{CurrentDivisionError, DivisionCodeError, Jurisdiction, JurisdictionError, Level};
use domain::free_text::FreeTextError;
use domain::identity_number::IdentityNumberError;
use domain::ids::IdError;
use domain::limits;
use domain::person::{AddressError, MobileNumberError, PersonNameError};

fn joined<const N: usize>(codes: [&str; N]) -> String {
    codes.join(" ")
}

#[test]
fn each_fault_of_a_text_has_its_code() {
    use FreeTextError::{Control, Empty, Invisible, NoLetter, Replacement, TooLong, Undefined};
    let all = [Empty, TooLong, Control, Replacement, Invisible, Undefined, NoLetter];
    let codes = "required too_long control_character replacement_character invisible_character undefined_character no_letter";
    assert_eq!(joined(all.map(FreeTextError::code)), codes);
    let codes = "address_empty address_too_long address_control_character replacement_character invisible_character \
        undefined_character no_letter";
    assert_eq!(joined(all.map(|error| AddressError(error).code())), codes);
}

#[test]
fn each_fault_of_a_person_has_its_code() {
    use PersonNameError::{Character, Dot, Empty, TooLong};
    let codes = "person_name_empty person_name_too_long person_name_character person_name_dot";
    assert_eq!(joined([Empty, TooLong, Character, Dot].map(PersonNameError::code)), codes);
    use MobileNumberError::{Length, NotDigits, Prefix};
    let codes = "mobile_number_length mobile_number_not_digits mobile_number_prefix";
    assert_eq!(joined([Length, NotDigits, Prefix].map(MobileNumberError::code)), codes);
}

#[test]
fn each_fault_of_an_identity_number_has_its_code() {
    use IdentityNumberError as Error;
    let all = [
        Error::Length,
        Error::NotDigits,
        Error::Province,
        Error::BirthDate,
        Error::BirthDateInFuture,
        Error::BirthDateTooEarly,
        Error::Sequence,
        Error::CheckCharacter,
    ];
    let codes = [
        "length",
        "not_digits",
        "province",
        "birth_date",
        "birth_date_in_future",
        "birth_date_too_early",
        "sequence",
        "check_character",
    ];
    assert_eq!(all.map(Error::code), codes.map(|code| format!("identity_number_{code}")));
}

#[test]
fn each_fault_of_an_id_has_its_code() {
    let all = [
        IdError::Application,
        IdError::Document,
        IdError::Event,
        IdError::Agency(JurisdictionError::Length),
        IdError::Tenant,
        IdError::Report,
        IdError::Subscription,
    ];
    let codes = "application_id document_id event_id agency_code tenant_id report_id subscription_id";
    assert_eq!(joined(all.map(IdError::code)), codes);
}

#[test]
fn each_fault_of_a_division_has_its_code() {
    use DivisionCodeError::{Length, NotDigits, Province};
    let codes = "division_code_length division_code_not_digits division_code_province";
    assert_eq!(joined([Length, NotDigits, Province].map(DivisionCodeError::code)), codes);
    use JurisdictionError as Error;
    let codes = "jurisdiction_length jurisdiction_not_digits jurisdiction_province";
    assert_eq!(joined([Error::Length, Error::NotDigits, Error::Province].map(Error::code)), codes);
    let all = [
        CurrentDivisionError::Code(Length),
        CurrentDivisionError::NotCounty,
        CurrentDivisionError::Abolished { successor: None },
        CurrentDivisionError::Unknown,
    ];
    let codes = "division_code_length division_not_county division_abolished unknown_division";
    assert_eq!(joined(all.map(CurrentDivisionError::code)), codes);
    let levels = ["15", "1501", "150102"].map(|text| text.parse::<Jurisdiction>().unwrap().level());
    assert_eq!(levels, [Level::Province, Level::City, Level::County]);
}

#[test]
fn each_certainty_has_its_name() {
    let names: Vec<&str> = Certainty::ALL.iter().map(|certainty| certainty.name()).collect();
    assert_eq!(names, ["source", "mirror", "unconfirmed"]);
}

/// A record that the limits admitted stays readable, and AWS has limits of its own, so none changes by accident.
#[test]
fn the_limits_that_are_computed_have_their_values() {
    assert_eq!((limits::ITEM_BYTES, limits::ITEM_BYTES_SOFT, limits::PROOF_BYTES), (409_600, 196_608, 2_048));
    assert_eq!((limits::OPENING_FILES, limits::DOCUMENT_BYTES, OVERRIDES_BYTES), (14, 20_971_520, 204_800));
}
