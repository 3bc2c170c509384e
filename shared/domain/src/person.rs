//! Names, mobile numbers and addresses of persons. All are personal data: `Debug` is redacted, `Display` is missing,
//! and no error contains the input.

use std::str::FromStr;

use thiserror::Error;
use unicode_normalization::UnicodeNormalization as _;
use unicode_properties::{GeneralCategoryGroup, UnicodeGeneralCategory as _};

use crate::free_text::{FreeText, FreeTextError, is_filler, is_han, trimmed};
use crate::text::{personal_text, stored_text};

/// Characters of a name.
const NAME_CHARACTERS: usize = 50;
/// Characters of an address.
const ADDRESS_CHARACTERS: usize = 200;
/// 间隔号, the dot between the parts of a name that was transcribed into Chinese.
const MIDDLE_DOT: char = '·';
/// The narrow space before a suffix of a Mongolian word.
const SUFFIX_SPACE: char = '\u{202f}';
/// Characters of a mobile number with a country code and separators, at most.
const MOBILE_CHARACTERS: usize = 32;

/// A name as in the household register: 1 to 50 characters, in any script.
///
/// A name begins with a letter. It has letters of all scripts, the signs of Tibetan and Mongolian writing, spaces,
/// middle dots, hyphens, apostrophes and full stops. A name is written in one way, because other systems take names
/// that differ in a dot or a space for two persons: every dot that people type becomes U+00B7, also a full stop beside
/// a Chinese character. A dot stands between two parts, without spaces. Compatibility forms (fullwidth Latin,
/// ideographs of U+F900 and U+2F800) become the usual characters. Runs of spaces (张 三) become one space.
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
    /// A dot stands at an end of the name, or beside another dot.
    #[error("a dot must stand alone between two parts of a name")]
    Dot,
}

impl PersonNameError {
    /// Stable code of the problem.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            PersonNameError::Empty => "person_name_empty",
            PersonNameError::TooLong => "person_name_too_long",
            PersonNameError::Character => "person_name_character",
            PersonNameError::Dot => "person_name_dot",
        }
    }
}

impl FromStr for PersonName {
    type Err = PersonNameError;

    fn from_str(text: &str) -> Result<Self, PersonNameError> {
        let text = trimmed(text);
        if text.is_empty() {
            return Err(PersonNameError::Empty);
        }
        // Leaves room for spaces and combining accents that the written form does not have.
        if text.chars().nth(NAME_CHARACTERS * 4).is_some() {
            return Err(PersonNameError::TooLong);
        }
        let folded: Vec<char> = text.nfc().flat_map(fold).nfc().collect();
        let mut name = NameWriter::default();
        for (index, character) in folded.iter().enumerate() {
            // A narrow space is kept after Mongolian letters only, and else becomes a space.
            let is_sign = |beside: &&char| !matches!(**beside, ' ' | SUFFIX_SPACE);
            let before = folded.iter().take(index).rev().find(is_sign);
            let after = folded.iter().skip(index.saturating_add(1)).find(is_sign);
            let is_beside_han = [before, after].into_iter().flatten().any(|beside| is_han(*beside));
            name.write(if *character == '.' && is_beside_han { MIDDLE_DOT } else { *character })?;
        }
        name.end()
    }
}

/// The usual form of a character: a middle dot for its look-alikes, a space for all spaces but the one of Mongolian
/// suffixes, else normal form KC.
fn fold(character: char) -> impl Iterator<Item = char> {
    let (one, folded) = match character {
        '\u{387}' | '\u{16eb}' | '\u{1427}' | '\u{2022}' | '\u{2023}' | '\u{2024}' | '\u{2027}'
        | '\u{2043}' | '\u{2219}' | '\u{22c5}' | '\u{25cf}' | '\u{25e6}' | '\u{2981}' | '\u{26ab}'
        | '\u{2b24}' | '\u{2e30}' | '\u{2e31}' | '\u{2e33}' | '\u{30fb}' | '\u{a78f}' | '\u{fe52}'
        | '\u{ff0e}' | '\u{ff65}' | '\u{10101}' => (Some(MIDDLE_DOT), None),
        SUFFIX_SPACE => (Some(SUFFIX_SPACE), None),
        space if space.is_whitespace() && !space.is_control() => (Some(' '), None),
        other => (None, Some(other)),
    };
    one.into_iter().chain(folded.into_iter().nfkc())
}

/// Writes a name, character by character, and counts the characters.
#[derive(Default)]
struct NameWriter {
    name: String,
    length: usize,
    last: Option<char>,
    /// Whether a space precedes the next character.
    space: bool,
}

impl NameWriter {
    fn write(&mut self, character: char) -> Result<(), PersonNameError> {
        use PersonNameError::{Character, Dot};
        let after_mongolian = self.last.is_some_and(|last| matches!(last, '\u{1800}'..='\u{18af}'));
        if character == ' ' || (character == SUFFIX_SPACE && !after_mongolian) {
            self.space = true;
            return Ok(());
        }
        let after_dot = matches!(self.last, Some(MIDDLE_DOT | '.'));
        if character == MIDDLE_DOT {
            self.space = false;
            return if self.last.is_none() || after_dot { Err(Dot) } else { self.push(character) };
        }
        let after_letter = !self.space && self.last.is_some_and(|last| is_letter(last) || is_mark(last));
        match character {
            '.' if self.last.is_none() || after_dot => return Err(Dot),
            letter if is_letter(letter) => {}
            '.' if after_letter => {}
            mark if is_mark(mark) && after_letter => {}
            '-' | '\'' | '’' | '\u{f0b}' | SUFFIX_SPACE if self.last.is_some() => {}
            _ => return Err(Character),
        }
        if std::mem::take(&mut self.space) && !matches!(self.last, None | Some(MIDDLE_DOT)) {
            self.push(' ')?;
        }
        self.push(character)
    }

    fn push(&mut self, character: char) -> Result<(), PersonNameError> {
        self.length = self.length.saturating_add(1);
        if self.length > NAME_CHARACTERS {
            return Err(PersonNameError::TooLong);
        }
        self.name.push(character);
        self.last = Some(character);
        Ok(())
    }

    fn end(self) -> Result<PersonName, PersonNameError> {
        match self.last {
            None => Err(PersonNameError::Empty),
            Some(MIDDLE_DOT) => Err(PersonNameError::Dot),
            Some(_) => Ok(PersonName(self.name)),
        }
    }
}

fn is_letter(character: char) -> bool {
    // The crate's tables may be newer than those of the standard library.
    let is_letter =
        character.is_alphabetic() || character.general_category_group() == GeneralCategoryGroup::Letter;
    is_letter && !is_filler(character)
}

/// A sign that belongs to the letter before it.
fn is_mark(character: char) -> bool {
    let is_mark = matches!(
        character,
        // combining accents that have no letter of their own
        '\u{300}'..='\u{36f}'
        // Tibetan: tsa-phru, halanta
        | '\u{f39}' | '\u{f84}'
        // Mongolian: variation selectors, vowel separator
        | '\u{180b}'..='\u{180f}'
    );
    is_mark && !is_filler(character)
}

/// A mobile number of mainland China: 11 digits that begin with 13 to 19. The parser removes the country code (`+86`,
/// `86`, `0086`), spaces, hyphens and brackets.
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
        if text.chars().nth(MOBILE_CHARACTERS).is_some() {
            return Err(MobileNumberError::Length);
        }
        let separates = |character: char| {
            character.is_whitespace()
                || matches!(
                    character,
                    '-' | '(' | ')' | '（' | '）' | '－' | '\u{2010}'..='\u{2015}' | '\u{2212}'
                )
        };
        let text: String = trimmed(text).chars().filter(|character| !separates(*character)).collect();
        let prefixes = ["+86", "0086", "86"];
        let national = prefixes.iter().find_map(|prefix| text.strip_prefix(prefix));
        let digits = national.unwrap_or(&text);
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

/// A postal address: a [`FreeText`] of 1 to 200 characters.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Address(String);

/// Why a text is not a valid [`Address`]. Never contains the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
#[error("an address is not a valid text: {0}")]
pub struct AddressError(pub FreeTextError);

impl AddressError {
    /// Stable code of the problem.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self.0 {
            FreeTextError::Empty => "address_empty",
            FreeTextError::TooLong => "address_too_long",
            FreeTextError::Control => "address_control_character",
            other => other.code(),
        }
    }
}

impl FromStr for Address {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        FreeText::read(text, ADDRESS_CHARACTERS).map(|text| Address(text.into_string())).map_err(AddressError)
    }
}

personal_text!(MobileNumber: MobileNumberError);
stored_text!(PersonName: PersonNameError, Address: AddressError);

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
            "Zo\u{eb}",
            "J. A. Smith",
            "x\u{30a}",
            "ꆈꌠ",
            // one of each extension of Han, up to J
            "㐀\u{20000}\u{2a700}\u{2b740}\u{2b820}\u{2ceb0}\u{30000}\u{31350}\u{2ebf0}\u{323b0}",
            "\u{fa0e}々〇",
        ] {
            assert_eq!(name(text), Ok(text.to_owned()), "{text}");
        }
    }

    #[test]
    fn p1_every_dot_that_people_type_becomes_a_middle_dot() {
        for dot in "·•‧∙⋅・･\u{387}．●.⸱⸳․﹒◦⦁".chars() {
            for text in [format!("阿依{dot}古丽"), format!("阿依 {dot}\u{3000}古丽")] {
                assert_eq!(name(&text), Ok("阿依·古丽".to_owned()), "{text}");
            }
        }
        assert_eq!(name("约翰.F．肯尼迪"), Ok("约翰·F·肯尼迪".to_owned()));
        assert_eq!(name("约翰 . 肯尼迪"), Ok("约翰·肯尼迪".to_owned()));
        assert_eq!(name("a.\u{202f}三"), Ok("a·三".to_owned()));
        assert_eq!(name("John F. Kennedy"), Ok("John F. Kennedy".to_owned()));
    }

    #[test]
    fn p2_compatibility_ideographs_become_the_usual_ones() {
        assert_eq!(name("\u{f9e1}小明"), Ok("李小明".to_owned()));
        assert_eq!(name("\u{2f800}\u{2f00}"), Ok("丽一".to_owned()));
    }

    #[test]
    fn p2_a_name_that_was_stored_before_is_read_as_it_is() {
        for stored in ["\u{f9e1}小明", "三·", "张··三", "张3", ""] {
            let json = serde_json::json!(stored);
            let name: PersonName = serde_json::from_value(json.clone()).expect("a stored name");
            assert_eq!(serde_json::json!(name), json);
        }
        for stored in ["\u{200b}", "🏠", "a\nb", &"街".repeat(300)] {
            let json = serde_json::json!(stored);
            let address: Address = serde_json::from_value(json.clone()).expect("a stored address");
            assert_eq!(serde_json::json!(address), json);
        }
        assert!(serde_json::from_value::<PersonName>(serde_json::json!(1)).is_err());
    }

    #[test]
    fn p3_a_name_is_written_one_way() {
        assert_eq!(name("\t张　 三\n"), Ok("张 三".to_owned()));
        assert_eq!(name("王小明\n"), Ok("王小明".to_owned()));
        assert_eq!(name("\u{feff}王小明\u{200b}"), Ok("王小明".to_owned()));
        assert_eq!(name("Ｚｈａｎｇ　Ｓａｎ"), Ok("Zhang San".to_owned()));
        assert_eq!(name("张\u{202f}三"), Ok("张 三".to_owned()));
        assert_eq!(name("Zoe\u{308}"), Ok("Zo\u{eb}".to_owned()));
        assert_eq!(name("Ａｎｎａ－Ｍａｒｉａ"), Ok("Anna-Maria".to_owned()));
    }

    #[test]
    fn bad_names_are_refused() {
        use PersonNameError::{Character, Dot, Empty, TooLong};
        for (text, error) in [
            ("", Empty),
            (" \u{3000}\n", Empty),
            ("张3", Character),
            ("张３", Character),
            ("张\n三", Character),
            ("张\u{202e}三", Character),
            ("张\u{0}", Character),
            ("·张三", Dot),
            ("三·", Dot),
            ("三．", Dot),
            ("三.", Dot),
            ("张··三", Dot),
            ("张·•三", Dot),
            ("张. ·三", Dot),
            ("张…三", Dot),
            ("Jr..", Dot),
            (".Smith", Dot),
            ("a .b", Character),
            ("-张", Character),
            ("'a", Character),
            ("· ", Dot),
            ("\u{200b}\u{feff}", Empty),
            ("\u{3164}", Character),
            ("\u{2800}", Character),
            ("张\u{200b}三", Character),
            ("张\u{e000}", Character),
            ("Ⅱ2", Character),
            ("a \u{301}", Character),
            ("a\u{34f}", Character),
            ("\u{301}a", Character),
            ("张🙂", Character),
            ("张�", Character),
            ("张<b>", Character),
        ] {
            assert_eq!(name(text), Err(error), "{text:?}");
        }
        assert!(name(&"张".repeat(50)).is_ok());
        assert_eq!(name(&"张".repeat(51)), Err(TooLong));
        assert!(name(&"e\u{301}".repeat(50)).is_ok(), "fifty letters when they are written");
    }

    #[test]
    fn a28_a_mobile_number_loses_its_country_code_and_separators() {
        for text in [
            "13800000000",
            "+8613800000000",
            "+86 13800000000",
            "+86-13800000000",
            " 13800000000 ",
            "8613800000000",
            "86 138 0000 0000",
            "008613800000000",
            "138-0000-0000",
            "(+86) 138\u{3000}0000\u{a0}0000",
            "+86\u{2011}138\u{2013}0000－0000",
        ] {
            let parsed: MobileNumber = text.parse().expect(text);
            assert_eq!(parsed.as_str(), "13800000000");
        }
        use MobileNumberError::{Length, NotDigits, Prefix};
        for (text, error) in [
            ("", Length),
            ("-", Length),
            ("1380000000", Length),
            ("8613800000", Length),
            ("+8513800000000", Length),
            ("868613800000000", Length),
            ("1380000000a", NotDigits),
            ("+1380000000", NotDigits),
            ("１３８００００００００", NotDigits),
            ("12800000000", Prefix),
            ("04710000000", Prefix),
            (&" ".repeat(1000), Length),
        ] {
            assert_eq!(text.parse::<MobileNumber>(), Err(error), "{text}");
        }
    }

    #[test]
    fn p3_an_address_is_a_free_text() {
        let parsed: Address = " 呼和浩特市新城区示例街1号 2-301\u{200b}\n".parse().expect("an address");
        assert_eq!(parsed.as_str(), "呼和浩特市新城区示例街1号 2-301");
        for (text, code) in [
            ("", "address_empty"),
            ("\u{200b}", "address_empty"),
            ("a\nb", "address_control_character"),
            ("a\u{202e}b", "address_control_character"),
            ("🏠", "no_letter"),
            ("a\u{fffd}", "replacement_character"),
            ("\u{3164}", "invisible_character"),
            ("a\u{e000}", "undefined_character"),
            (&"街".repeat(201), "address_too_long"),
        ] {
            assert_eq!(text.parse::<Address>().map_err(AddressError::code), Err(code), "{text:?}");
        }
        assert!("街".repeat(200).parse::<Address>().is_ok());
    }

    #[test]
    fn debug_output_is_redacted() {
        let name: PersonName = "张三".parse().expect("a name");
        let mobile: MobileNumber = "13800000000".parse().expect("a mobile number");
        let address: Address = "示例街1号".parse().expect("an address");
        let shown = format!("{name:?} {mobile:?} {address:#?}");
        assert_eq!(shown, "PersonName([redacted]) MobileNumber([redacted]) Address([redacted])");
        let error = "张3三".parse::<PersonName>().expect_err("no name");
        assert!(!error.to_string().contains('张'), "{error}");
        let error = serde_json::from_str::<MobileNumber>("13800000000").expect_err("a number");
        assert!(!error.to_string().contains("138"), "{error}");
    }

    proptest! {
        /// An accepted text parses again, unchanged, so an agency can parse everything that the hub stores.
        #[test]
        fn accepted_texts_are_stable(text in "\\PC{0,60}|[张三 ·•\u{3000}a.\u{202f}ᠪe\u{301}\u{f9e1}Ｚ-]{0,60}|\\+86 ?1[0-9]{10}") {
            if let Ok(first) = text.parse::<PersonName>() {
                prop_assert!((1..=50).contains(&first.as_str().chars().count()));
                prop_assert_eq!(first.as_str().parse(), Ok(first.clone()));
            }
            if let Ok(first) = text.parse::<MobileNumber>() {
                prop_assert_eq!(first.as_str().parse(), Ok(first.clone()));
            }
            if let Ok(first) = text.parse::<Address>() {
                prop_assert_eq!(first.as_str().parse(), Ok(first.clone()));
                let json = serde_json::to_string(&first).expect("JSON");
                prop_assert_eq!(serde_json::from_str::<Address>(&json).expect("an address"), first);
            }
        }
    }
}
