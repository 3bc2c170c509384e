//! Names, mobile numbers and addresses of persons. All are personal data: `Debug` is redacted, `Display` is missing,
//! and no error contains the input.

use std::str::FromStr;

use thiserror::Error;

use crate::text::personal_text;

/// Characters of a name.
const NAME_CHARACTERS: usize = 50;
/// Characters of an address.
const ADDRESS_CHARACTERS: usize = 200;
/// 间隔号, the dot between the parts of a name that was transcribed into Chinese.
const MIDDLE_DOT: char = '·';

/// A name as in the household register: 1 to 50 characters, in any script.
///
/// A name begins with a letter. It has letters of all scripts, the signs of Tibetan and Mongolian writing, spaces,
/// middle dots, hyphens, apostrophes and full stops. Input methods type different dots, and other systems treat names
/// that differ only in the dot as two persons, so every look-alike becomes U+00B7. Runs of spaces (张 三) become one
/// space.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct PersonName(String);

/// Why a text is not a valid [`PersonName`]. Never contains the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum PersonNameError {
    /// The text is empty or white space.
    #[error("a name is required")]
    Empty,
    /// The name has more than 50 characters.
    #[error("a name must have at most 50 characters")]
    TooLong,
    /// The name has a digit, a control character or another sign that names do not have, or does not begin with a
    /// letter.
    #[error(
        "a name must begin with a letter and have only letters, spaces, middle dots, hyphens, apostrophes and full stops"
    )]
    Character,
}

impl PersonNameError {
    /// Stable code of the problem.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            PersonNameError::Empty => "person_name_empty",
            PersonNameError::TooLong => "person_name_too_long",
            PersonNameError::Character => "person_name_character",
        }
    }
}

impl FromStr for PersonName {
    type Err = PersonNameError;

    fn from_str(text: &str) -> Result<Self, PersonNameError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(PersonNameError::Empty);
        }
        let mut name = String::new();
        // Stops early, because the text may have any length.
        let mut length = 0;
        for character in text.chars() {
            let character = match character {
                ' ' | '\u{3000}' | '\u{a0}' if name.ends_with(' ') => continue,
                ' ' | '\u{3000}' | '\u{a0}' => ' ',
                '\u{387}' | '\u{2022}' | '\u{2027}' | '\u{2219}' | '\u{22c5}' | '\u{30fb}' | '\u{ff65}' => {
                    MIDDLE_DOT
                }
                other => other,
            };
            if !(character.is_alphabetic() || (length > 0 && joins(character))) {
                return Err(PersonNameError::Character);
            }
            length += 1;
            if length > NAME_CHARACTERS {
                return Err(PersonNameError::TooLong);
            }
            name.push(character);
        }
        Ok(PersonName(name))
    }
}

/// Whether a name may have this character, which is not a letter, after its first letter.
fn joins(character: char) -> bool {
    matches!(
        character,
        ' ' | MIDDLE_DOT | '-' | '\'' | '’' | '.'
        // combining accents, as some keyboards send them
        | '\u{300}'..='\u{36f}'
        // Tibetan: syllable mark (also unbreakable), tsa-phru, halanta
        | '\u{f0b}' | '\u{f0c}' | '\u{f39}' | '\u{f84}'
        // Mongolian: variation selectors, vowel separator, and the narrow space before a suffix
        | '\u{180b}'..='\u{180f}' | '\u{202f}'
    )
}

/// A mobile number of mainland China: 11 digits that begin with 13 to 19. The parser removes `+86`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MobileNumber(String);

/// Why a text is not a valid [`MobileNumber`]. Never contains the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum MobileNumberError {
    /// The number does not have 11 characters.
    #[error("a mobile number must have 11 digits")]
    Length,
    /// The number has characters other than digits.
    #[error("a mobile number must have digits only")]
    NotDigits,
    /// The number is not a mobile number of mainland China.
    #[error("a mobile number must begin with 13 to 19")]
    Prefix,
}

impl MobileNumberError {
    /// Stable code of the problem.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            MobileNumberError::Length => "mobile_number_length",
            MobileNumberError::NotDigits => "mobile_number_not_digits",
            MobileNumberError::Prefix => "mobile_number_prefix",
        }
    }
}

impl FromStr for MobileNumber {
    type Err = MobileNumberError;

    fn from_str(text: &str) -> Result<Self, MobileNumberError> {
        let text = text.trim();
        let digits = match text.strip_prefix("+86") {
            Some(rest) => rest.strip_prefix([' ', '-']).unwrap_or(rest),
            None => text,
        };
        if digits.chars().count() != 11 {
            return Err(MobileNumberError::Length);
        }
        match digits.as_bytes() {
            bytes if !bytes.iter().all(u8::is_ascii_digit) => Err(MobileNumberError::NotDigits),
            [b'1', b'3'..=b'9', ..] => Ok(MobileNumber(digits.to_owned())),
            [..] => Err(MobileNumberError::Prefix),
        }
    }
}

/// A postal address in one line: 1 to 200 characters.
///
/// Control characters, line breaks and marks that change the writing direction are refused, so that an officer reads
/// the address in its stored order.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address(String);

/// Why a text is not a valid [`Address`]. Never contains the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum AddressError {
    /// The text is empty or white space.
    #[error("an address is required")]
    Empty,
    /// The address has more than 200 characters.
    #[error("an address must have at most 200 characters")]
    TooLong,
    /// The address has a control character, a line break or a direction mark.
    #[error("an address must be one line without control characters and direction marks")]
    ControlCharacter,
}

impl AddressError {
    /// Stable code of the problem.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            AddressError::Empty => "address_empty",
            AddressError::TooLong => "address_too_long",
            AddressError::ControlCharacter => "address_control_character",
        }
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(AddressError::Empty);
        }
        if text.chars().nth(ADDRESS_CHARACTERS).is_some() {
            return Err(AddressError::TooLong);
        }
        if text.chars().any(|character| character.is_control() || breaks_the_line(character)) {
            return Err(AddressError::ControlCharacter);
        }
        Ok(Address(text.to_owned()))
    }
}

/// Line and paragraph separators, and marks that embed, override or isolate a writing direction.
fn breaks_the_line(character: char) -> bool {
    matches!(character, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

personal_text!(PersonName: PersonNameError, MobileNumber: MobileNumberError, Address: AddressError);

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn name(text: &str) -> Result<String, PersonNameError> {
        text.parse::<PersonName>().map(|name| name.as_str().to_owned())
    }

    #[test]
    fn names_of_all_scripts_parse() {
        for text in [
            "张三",
            "王〇",
            "𠮷田",
            "迪丽娜尔·艾合买提",
            "ᠪᠠᠲᠤ",
            "ᠪᠠᠲᠤ\u{202f}ᠶᠢᠨ",
            "བཀྲ་ཤིས་",
            "ئالىم",
            "Anna-Maria O'Neill Jr.",
            "Zoe\u{308}",
            "ꆈꌠ",
        ] {
            assert_eq!(name(text), Ok(text.to_owned()), "{text}");
        }
    }

    #[test]
    fn names_have_one_canonical_form() {
        for dot in ['·', '•', '‧', '∙', '⋅', '・', '･', '\u{387}'] {
            assert_eq!(name(&format!("阿依{dot}古丽")), Ok("阿依·古丽".to_owned()));
        }
        assert_eq!(name("\t张　 三\n"), Ok("张 三".to_owned()));
    }

    #[test]
    fn bad_names_are_refused() {
        use PersonNameError::{Character, Empty, TooLong};
        for (text, error) in [
            ("", Empty),
            (" \u{3000}\n", Empty),
            ("张3", Character),
            ("张３", Character),
            ("张\n三", Character),
            ("张\u{202e}三", Character),
            ("张\u{0}", Character),
            ("·张三", Character),
            ("\u{301}a", Character),
            ("张🙂", Character),
            ("张�", Character),
            ("张<b>", Character),
        ] {
            assert_eq!(name(text), Err(error), "{text:?}");
        }
        assert!(name(&"张".repeat(50)).is_ok());
        assert_eq!(name(&"张".repeat(51)), Err(TooLong));
    }

    #[test]
    fn mobile_numbers_lose_their_country_code() {
        for text in ["13800000000", "+8613800000000", "+86 13800000000", "+86-13800000000", " 13800000000 "] {
            let parsed: MobileNumber = text.parse().expect("a mobile number");
            assert_eq!(parsed.as_str(), "13800000000");
        }
        use MobileNumberError::{Length, NotDigits, Prefix};
        for (text, error) in [
            ("", Length),
            ("1380000000", Length),
            ("+8513800000000", Length),
            ("1380000000a", NotDigits),
            ("１３８００００００００", NotDigits),
            ("12800000000", Prefix),
            ("04710000000", Prefix),
        ] {
            assert_eq!(text.parse::<MobileNumber>(), Err(error), "{text}");
        }
    }

    #[test]
    fn addresses_are_one_line() {
        let parsed: Address = " 呼和浩特市新城区示例街1号 2-301 ".parse().expect("an address");
        assert_eq!(parsed.as_str(), "呼和浩特市新城区示例街1号 2-301");
        use AddressError::{ControlCharacter, Empty, TooLong};
        for (text, error) in [
            ("", Empty),
            ("\n", Empty),
            ("a\nb", ControlCharacter),
            ("a\u{2028}b", ControlCharacter),
            ("a\u{202e}b", ControlCharacter),
            ("a\u{7f}b", ControlCharacter),
        ] {
            assert_eq!(text.parse::<Address>(), Err(error), "{text:?}");
        }
        assert!("街".repeat(200).parse::<Address>().is_ok());
        assert_eq!("街".repeat(201).parse::<Address>(), Err(TooLong));
    }

    #[test]
    fn debug_output_is_redacted() {
        let name: PersonName = "张三".parse().expect("a name");
        let mobile: MobileNumber = "13800000000".parse().expect("a mobile number");
        let address: Address = "示例街1号".parse().expect("an address");
        let shown = format!("{name:?} {mobile:?} {address:#?}");
        assert_eq!(shown, "PersonName([redacted]) MobileNumber([redacted]) Address([redacted])");
        let error = serde_json::from_str::<PersonName>("\"张3三\"").expect_err("no name");
        assert!(!error.to_string().contains('张'), "{error}");
        let error = serde_json::from_str::<MobileNumber>("13800000000").expect_err("a number");
        assert!(!error.to_string().contains("138"), "{error}");
    }

    proptest! {
        /// An accepted text parses again, unchanged, so an agency can parse everything that the hub stores.
        #[test]
        fn accepted_texts_are_stable(text in "\\PC{0,60}|[张三 ·•\u{3000}a.-]{0,60}|\\+86 ?1[0-9]{10}") {
            if let Ok(first) = text.parse::<PersonName>() {
                prop_assert!((1..=50).contains(&first.as_str().chars().count()));
                prop_assert_eq!(first.as_str().parse(), Ok(first.clone()));
            }
            if let Ok(first) = text.parse::<MobileNumber>() {
                prop_assert_eq!(first.as_str().parse(), Ok(first.clone()));
            }
            if let Ok(first) = text.parse::<Address>() {
                let json = serde_json::to_string(&first).expect("JSON");
                prop_assert_eq!(serde_json::from_str::<Address>(&json).expect("an address"), first);
            }
        }
    }
}
