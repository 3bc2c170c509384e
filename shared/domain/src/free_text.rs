//! Free text that a person or an agency writes: addresses, reasons, notes, numbers of certificates, names.
//!
//! One rule for all of it. What was stored before the rule stays as it is: only what comes in is read with it.

use thiserror::Error;
use unicode_normalization::UnicodeNormalization as _;
use unicode_properties::{GeneralCategory, GeneralCategoryGroup, UnicodeGeneralCategory as _};

/// One line of text: in normal form C, without white space at its ends, with at least one letter or digit.
///
/// The bound in characters bounds the bytes, too: a character has at most four. Characters that an officer cannot see,
/// or that change the order in which others are shown, are refused.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FreeText(String);

/// Why a text is refused. Never contains the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum FreeTextError {
    /// The text is empty, or has white space only.
    #[error("the text is empty")]
    Empty,
    /// The text has more characters than its bound.
    #[error("the text is too long")]
    TooLong,
    /// The text has a control character, a line break or a mark that changes the writing direction.
    #[error("the text must be one line without control characters and direction marks")]
    Control,
    /// The text was decoded with the wrong character set before: it has U+FFFD or U+FFFC.
    #[error("the text has a replacement character")]
    Replacement,
    /// The text has an invisible character, for example U+200B between two letters.
    #[error("the text has an invisible character")]
    Invisible,
    /// The text has a character that Unicode does not assign, or one for private use.
    #[error("the text has a character that Unicode does not define")]
    Undefined,
    /// The text has signs only.
    #[error("the text has neither a letter nor a digit")]
    NoLetter,
}

impl FreeTextError {
    /// Stable code of the problem.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            FreeTextError::Empty => "required",
            FreeTextError::TooLong => "too_long",
            FreeTextError::Control => "control_character",
            FreeTextError::Replacement => "replacement_character",
            FreeTextError::Invisible => "invisible_character",
            FreeTextError::Undefined => "undefined_character",
            FreeTextError::NoLetter => "no_letter",
        }
    }
}

impl FreeText {
    /// Reads a text of at most this many characters.
    ///
    /// # Errors
    /// [`FreeTextError`] names the first reason for which the text is refused.
    pub fn read(text: &str, characters: usize) -> Result<FreeText, FreeTextError> {
        let text = trimmed(text);
        if text.is_empty() {
            return Err(FreeTextError::Empty);
        }
        let mut read = String::new();
        let mut before = ' ';
        let mut says_something = false;
        for (index, character) in text.nfc().enumerate() {
            // Stops early, because the text may have any length.
            if index >= characters {
                return Err(FreeTextError::TooLong);
            }
            check(character, before)?;
            says_something |= matches!(
                character.general_category_group(),
                GeneralCategoryGroup::Letter | GeneralCategoryGroup::Number
            );
            read.push(character);
            before = character;
        }
        if says_something { Ok(FreeText(read)) } else { Err(FreeTextError::NoLetter) }
    }

    /// The text. It may be personal: never use it in a log, an error, a URL or a metric.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The text, as [`FreeText::as_str`].
    #[must_use]
    pub fn into_string(self) -> String {
        self.0
    }
}

impl std::fmt::Debug for FreeText {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("FreeText([redacted])")
    }
}

/// The text without white space and without zero-width characters at its ends.
pub(crate) fn trimmed(text: &str) -> &str {
    let is_blank = |character: char| {
        character.is_whitespace() || matches!(character, '\u{200b}'..='\u{200d}' | '\u{2060}' | '\u{feff}')
    };
    text.trim_matches(is_blank)
}

/// Letters of Hangul and Khmer, and U+034F, that are shown as nothing.
pub(crate) fn is_filler(character: char) -> bool {
    matches!(
        character,
        '\u{34f}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}' | '\u{3164}' | '\u{ffa0}'
    )
}

/// Whether a character is of the Han script. Planes 2 and 3 are reserved for it, so later extensions count, too.
pub(crate) fn is_han(character: char) -> bool {
    matches!(
        character,
        '\u{3005}' | '\u{3007}' | '\u{3400}'..='\u{4dbf}' | '\u{4e00}'..='\u{9fff}' | '\u{f900}'..='\u{faff}'
            | '\u{20000}'..='\u{3ffff}'
    )
}

/// Checks one character that follows `before`.
fn check(character: char, before: char) -> Result<(), FreeTextError> {
    use GeneralCategory::{Control, Format, LineSeparator, ParagraphSeparator, PrivateUse, Unassigned};
    let joins = matches!(character, '\u{180e}' | '\u{200c}' | '\u{200d}');
    if is_filler(character) {
        return Err(FreeTextError::Invisible);
    }
    if matches!(character, '\u{fffc}' | '\u{fffd}') {
        return Err(FreeTextError::Replacement);
    }
    match character.general_category() {
        Control | LineSeparator | ParagraphSeparator => Err(FreeTextError::Control),
        Format if changes_direction(character) => Err(FreeTextError::Control),
        // Mongolian, Arabic and Indic writing need joiners. After a Chinese or an ASCII character they only hide.
        Format if joins && !before.is_ascii() && !is_han(before) && !before.is_whitespace() => Ok(()),
        Format => Err(FreeTextError::Invisible),
        PrivateUse | Unassigned => Err(FreeTextError::Undefined),
        _ => Ok(()),
    }
}

/// Marks that embed, override or isolate a writing direction (Unicode Standard Annex 9).
fn changes_direction(character: char) -> bool {
    matches!(character, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn read(text: &str) -> Result<String, FreeTextError> {
        FreeText::read(text, 20).map(FreeText::into_string)
    }

    #[test]
    fn p2_a_text_is_in_normal_form_c() {
        assert_eq!(read("\u{f9e1}家"), Ok("李家".to_owned()));
        assert_eq!(read("\u{2f800}"), Ok("丽".to_owned()));
        assert_eq!(read("e\u{301}1"), Ok("\u{e9}1".to_owned()));
    }

    #[test]
    fn p3_a_text_is_trimmed_and_says_something() {
        use FreeTextError::{Control, Empty, Invisible, NoLetter, Replacement, TooLong, Undefined};
        for text in ["示例街1号", " 示例街1号\n", "\u{feff}示例街1号\u{200b}", "\u{3000}示例街1号\u{2029}"]
        {
            assert_eq!(read(text), Ok("示例街1号".to_owned()), "{text:?}");
        }
        for text in
            ["🏠 1", "ᠪᠠᠲᠤ\u{180e}ᠠ", "می\u{200c}روم", "👩\u{200d}👧 家", "1\u{fe0f}\u{20e3}", "\u{323b0}"]
        {
            assert_eq!(read(text), Ok(text.to_owned()), "{text:?}");
        }
        for (text, error) in [
            ("", Empty),
            ("\u{200b}", Empty),
            ("\u{feff} \u{2060}\t", Empty),
            ("a\nb", Control),
            ("a\u{0}b", Control),
            ("a\u{7f}b", Control),
            ("a\u{85}b", Control),
            ("a\u{2028}b", Control),
            ("a\u{202e}b", Control),
            ("a\u{2066}b", Control),
            ("a\u{200f}b", Control),
            ("\u{61c}a", Control),
            ("a\u{fffd}", Replacement),
            ("a\u{fffc}", Replacement),
            ("张\u{200b}三", Invisible),
            ("张\u{200d}三", Invisible),
            ("a\u{200c}b", Invisible),
            ("家\u{3000}\u{200d}家", Invisible),
            ("a\u{ad}b", Invisible),
            ("a\u{e0041}", Invisible),
            ("\u{3164}", Invisible),
            ("\u{ffa0}\u{115f}", Invisible),
            ("a\u{e000}", Undefined),
            ("a\u{10fffd}", Undefined),
            ("a\u{378}", Undefined),
            ("a\u{ffff}", Undefined),
            ("\u{2800}", NoLetter),
            ("🏠", NoLetter),
            ("——", NoLetter),
            ("\u{301}", NoLetter),
            (&"街".repeat(21), TooLong),
            (&" ".repeat(100_000), Empty),
        ] {
            assert_eq!(read(text), Err(error), "{text:?}");
        }
        assert_eq!(read(&"\u{20000}".repeat(20)).map(|text| text.len()), Ok(80));
        // Composed to as many characters as the bound has.
        assert!(read(&"e\u{301}".repeat(20)).is_ok());
    }

    #[test]
    fn no_output_shows_the_text() {
        assert_eq!(format!("{:?}", FreeText::read("街", 1)), "Ok(FreeText([redacted]))");
    }

    proptest! {
        #[test]
        fn a_text_that_is_read_again_stays_as_it_is(text in any::<String>()) {
            if let Ok(first) = FreeText::read(&text, 200) {
                prop_assert_eq!(FreeText::read(first.as_str(), 200), Ok(first.clone()));
                prop_assert!(first.as_str().len() <= 800);
            }
        }
    }
}
