//! Administrative divisions: codes (GB/T 2260), the places they name, and the jurisdictions of agencies.

mod current;

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use thiserror::Error;

use crate::text::plain_text;

pub use current::{AbolishedDivision, CurrentDivision, CurrentDivisionError, Division};

/// The 31 provincial units that have codes of their own in the household register: first two digits,
/// name in Chinese, name in English. In order of the code (GB/T 2260).
pub const PROVINCES: [(&str, &str, &str); 31] = [
    ("11", "北京市", "Beijing"),
    ("12", "天津市", "Tianjin"),
    ("13", "河北省", "Hebei"),
    ("14", "山西省", "Shanxi"),
    ("15", "内蒙古自治区", "Inner Mongolia"),
    ("21", "辽宁省", "Liaoning"),
    ("22", "吉林省", "Jilin"),
    ("23", "黑龙江省", "Heilongjiang"),
    ("31", "上海市", "Shanghai"),
    ("32", "江苏省", "Jiangsu"),
    ("33", "浙江省", "Zhejiang"),
    ("34", "安徽省", "Anhui"),
    ("35", "福建省", "Fujian"),
    ("36", "江西省", "Jiangxi"),
    ("37", "山东省", "Shandong"),
    ("41", "河南省", "Henan"),
    ("42", "湖北省", "Hubei"),
    ("43", "湖南省", "Hunan"),
    ("44", "广东省", "Guangdong"),
    ("45", "广西壮族自治区", "Guangxi"),
    ("46", "海南省", "Hainan"),
    ("50", "重庆市", "Chongqing"),
    ("51", "四川省", "Sichuan"),
    ("52", "贵州省", "Guizhou"),
    ("53", "云南省", "Yunnan"),
    ("54", "西藏自治区", "Tibet"),
    ("61", "陕西省", "Shaanxi"),
    ("62", "甘肃省", "Gansu"),
    ("63", "青海省", "Qinghai"),
    ("64", "宁夏回族自治区", "Ningxia"),
    ("65", "新疆维吾尔自治区", "Xinjiang"),
];

/// The 12 league cities (盟市) of Inner Mongolia: first four digits, name in Chinese, name in English.
/// In order of the code (GB/T 2260).
pub const LEAGUE_CITIES: [(&str, &str, &str); 12] = [
    ("1501", "呼和浩特市", "Hohhot"),
    ("1502", "包头市", "Baotou"),
    ("1503", "乌海市", "Wuhai"),
    ("1504", "赤峰市", "Chifeng"),
    ("1505", "通辽市", "Tongliao"),
    ("1506", "鄂尔多斯市", "Ordos"),
    ("1507", "呼伦贝尔市", "Hulunbuir"),
    ("1508", "巴彦淖尔市", "Bayannur"),
    ("1509", "乌兰察布市", "Ulanqab"),
    ("1522", "兴安盟", "Hinggan"),
    ("1525", "锡林郭勒盟", "Xilingol"),
    ("1529", "阿拉善盟", "Alxa"),
];

/// A place that has a name here: a provincial unit or a league city.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct NamedPlace {
    /// Its prefix: two digits of a province, four of a league city.
    pub code: &'static str,
    /// Name in Chinese.
    pub zh: &'static str,
    /// Name in English.
    pub en: &'static str,
}

/// A row of a table of places: code, name in Chinese, name in English.
type Row = (&'static str, &'static str, &'static str);

impl NamedPlace {
    fn from_row((code, zh, en): Row) -> Self {
        NamedPlace { code, zh, en }
    }
}

/// Checks that the text is digits, as many as `lengths` allows, and gives it with the row of its
/// province in [`PROVINCES`].
fn parse_digits<E>(text: &str, lengths: &[usize], errors: [E; 3]) -> Result<(u32, &'static Row), E> {
    let [length, not_digits, province] = errors;
    if !lengths.contains(&text.len()) {
        return Err(length);
    }
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Err(not_digits);
    }
    let row = PROVINCES.iter().find(|(code, _, _)| text.starts_with(code));
    // At most six digits, so the number always fits.
    match (row, text.parse()) {
        (Some(row), Ok(number)) => Ok((number, row)),
        (None, _) | (_, Err(_)) => Err(province),
    }
}

/// The league city that `first_four` digits name.
fn league_city(first_four: u32) -> Option<NamedPlace> {
    LEAGUE_CITIES.into_iter().find(|(code, _, _)| code.parse() == Ok(first_four)).map(NamedPlace::from_row)
}

/// A division code: six digits, the first two of a known provincial unit (GB/T 2260). The lower digits
/// are not checked: stored codes stay valid when a division is abolished. New ones are read as [`CurrentDivision`].
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct DivisionCode {
    /// 110000 to 659999.
    number: u32,
    /// Row of [`PROVINCES`]; follows from the number.
    province: &'static Row,
}

/// Why a text is no [`DivisionCode`]. Never contains the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum DivisionCodeError {
    /// Not six characters.
    #[error("a division code has six digits")]
    Length,
    /// Something other than digits.
    #[error("a division code has digits only")]
    NotDigits,
    /// The first two digits name no provincial unit.
    #[error("the first two digits of a division code name a provincial unit")]
    Province,
}

impl DivisionCodeError {
    /// The stable name of the problem.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            DivisionCodeError::Length => "division_code_length",
            DivisionCodeError::NotDigits => "division_code_not_digits",
            DivisionCodeError::Province => "division_code_province",
        }
    }
}

impl DivisionCode {
    /// The provincial unit.
    #[must_use]
    pub fn province(&self) -> NamedPlace {
        NamedPlace::from_row(*self.province)
    }

    /// The best name known here: of the league city if the code lies in one, else of the province.
    #[must_use]
    pub fn name(&self) -> NamedPlace {
        league_city(self.number / 100).unwrap_or_else(|| self.province())
    }
}

impl FromStr for DivisionCode {
    type Err = DivisionCodeError;

    fn from_str(text: &str) -> Result<Self, DivisionCodeError> {
        use DivisionCodeError::{Length, NotDigits, Province};
        let (number, province) = parse_digits(text, &[6], [Length, NotDigits, Province])?;
        Ok(DivisionCode { number, province })
    }
}

impl fmt::Display for DivisionCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.number)
    }
}

/// How far down a jurisdiction reaches. Ordered from wide to narrow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Level {
    /// Two digits: a provincial unit.
    Province,
    /// Four digits: a city, league or prefecture.
    City,
    /// Six digits: a county or district.
    County,
}

impl Level {
    /// How many division codes share a prefix of this level.
    fn span(self) -> NonZeroU32 {
        match self {
            Level::Province => const { NonZeroU32::new(10_000).unwrap() },
            Level::City => const { NonZeroU32::new(100).unwrap() },
            Level::County => NonZeroU32::MIN,
        }
    }
}

/// The divisions an authority answers for: every code that starts with a prefix of 2, 4 or 6 digits,
/// for example `15` (Inner Mongolia) or `1501` (Hohhot). Ordered as the prefixes are as text.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Jurisdiction {
    /// The prefix filled up with zeros to six digits.
    first: u32,
    level: Level,
    /// Row of [`PROVINCES`]; follows from `first`.
    province: &'static Row,
}

/// Why a text is no [`Jurisdiction`]. Never contains the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Error)]
pub enum JurisdictionError {
    /// Neither 2 nor 4 nor 6 characters.
    #[error("a jurisdiction has 2, 4 or 6 digits")]
    Length,
    /// Something other than digits.
    #[error("a jurisdiction has digits only")]
    NotDigits,
    /// The first two digits name no provincial unit.
    #[error("the first two digits of a jurisdiction name a provincial unit")]
    Province,
}

impl JurisdictionError {
    /// The stable name of the problem.
    #[must_use]
    pub fn code(self) -> &'static str {
        match self {
            JurisdictionError::Length => "jurisdiction_length",
            JurisdictionError::NotDigits => "jurisdiction_not_digits",
            JurisdictionError::Province => "jurisdiction_province",
        }
    }
}

impl Jurisdiction {
    /// How far down it reaches.
    #[must_use]
    pub fn level(&self) -> Level {
        self.level
    }

    /// Whether the code starts with this prefix.
    #[must_use]
    pub fn covers(&self, code: &DivisionCode) -> bool {
        let span = self.level.span();
        code.number / span == self.first / span
    }

    /// The best name known here: of the league city if the prefix lies in one, else of the province.
    #[must_use]
    pub fn name(&self) -> NamedPlace {
        let city = match self.level {
            Level::Province => None,
            Level::City | Level::County => league_city(self.first / 100),
        };
        city.unwrap_or_else(|| NamedPlace::from_row(*self.province))
    }
}

impl FromStr for Jurisdiction {
    type Err = JurisdictionError;

    fn from_str(text: &str) -> Result<Self, JurisdictionError> {
        use JurisdictionError::{Length, NotDigits, Province};
        let (number, province) = parse_digits(text, &[2, 4, 6], [Length, NotDigits, Province])?;
        let level = match text.len() {
            2 => Level::Province,
            4 => Level::City,
            6 => Level::County,
            0.. => return Err(Length),
        };
        Ok(Jurisdiction { first: number.saturating_mul(level.span().get()), level, province })
    }
}

impl fmt::Display for Jurisdiction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.first / self.level.span())
    }
}

plain_text!(DivisionCode: DivisionCodeError, Jurisdiction: JurisdictionError);

/// What belongs to the longest jurisdiction that covers the code; the first of equals. `None` where
/// none covers it. This one rule finds an agency between provinces (跨省通办) and between league cities
/// (全区通办) alike.
pub fn longest_match<'a, T>(
    code: &DivisionCode,
    candidates: impl IntoIterator<Item = (&'a Jurisdiction, T)>,
) -> Option<T> {
    let mut best: Option<(Level, T)> = None;
    for (jurisdiction, found) in candidates {
        let longer = best.as_ref().is_none_or(|(level, _)| jurisdiction.level > *level);
        if longer && jurisdiction.covers(code) {
            best = Some((jurisdiction.level, found));
        }
    }
    best.map(|(_, found)| found)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn code(text: &str) -> DivisionCode {
        text.parse().expect("a division code")
    }

    fn jurisdiction(text: &str) -> Jurisdiction {
        text.parse().expect("a jurisdiction")
    }

    #[test]
    fn the_tables_are_in_order_and_parse() {
        assert!(PROVINCES.is_sorted_by(|a, b| a.0 < b.0));
        assert!(LEAGUE_CITIES.is_sorted_by(|a, b| a.0 < b.0));
        for (prefix, zh, en) in PROVINCES.into_iter().chain(LEAGUE_CITIES) {
            let place = NamedPlace { code: prefix, zh, en };
            assert_eq!(jurisdiction(prefix).name(), place);
            assert_eq!(code(&format!("{prefix:0<6}")).name(), place);
        }
    }

    #[test]
    fn a_code_has_its_names() {
        assert_eq!(code("150102").name().zh, "呼和浩特市");
        assert_eq!(code("150102").province().en, "Inner Mongolia");
        assert_eq!(code("110101").name().en, "Beijing");
        // An abolished league of Inner Mongolia: the province is still known.
        assert_eq!(code("152301").name().code, "15");
    }

    #[test]
    fn bad_texts_are_refused() {
        use DivisionCodeError::{Length, NotDigits, Province};
        for (text, error) in [
            ("", Length),
            ("15010", Length),
            ("1501000", Length),
            ("15 100", NotDigits),
            ("+15010", NotDigits),
            ("１５", NotDigits),
            ("000000", Province),
            ("710000", Province),
            ("990000", Province),
        ] {
            assert_eq!(text.parse::<DivisionCode>(), Err(error), "{text}");
        }
        for (text, error) in [
            ("", JurisdictionError::Length),
            ("1", JurisdictionError::Length),
            ("150", JurisdictionError::Length),
            ("1x", JurisdictionError::NotDigits),
            ("99", JurisdictionError::Province),
        ] {
            assert_eq!(text.parse::<Jurisdiction>(), Err(error), "{text}");
        }
    }

    #[test]
    fn texts_and_errors_are_stable() {
        assert_eq!(serde_json::to_string(&jurisdiction("1501")).expect("JSON"), "\"1501\"");
        assert_eq!(format!("{:?}", code("110101")), "DivisionCode(110101)");
        assert_eq!(DivisionCodeError::Province.code(), "division_code_province");
        assert_eq!(JurisdictionError::Length.code(), "jurisdiction_length");
    }

    #[test]
    fn the_first_of_two_equal_matches_wins() {
        let (wide, narrow) = (jurisdiction("15"), jurisdiction("1501"));
        let rows = [(&wide, 1), (&narrow, 2), (&narrow, 3), (&wide, 4)];
        assert_eq!(longest_match(&code("150102"), rows), Some(2));
        assert_eq!(longest_match(&code("150202"), rows), Some(1));
        assert_eq!(longest_match(&code("110101"), rows), None);
    }

    /// Codes close to one another, so that prefixes often match.
    fn codes() -> impl Strategy<Value = String> {
        "(11|15)0[0-3]0[0-3]"
    }

    proptest! {
        #[test]
        fn any_text_is_parsed_or_refused(text in "[0-9]{0,7}|\\PC{0,8}") {
            if let Ok(parsed) = text.parse::<DivisionCode>() {
                prop_assert_eq!(parsed.to_string(), text.clone());
            }
            if let Ok(parsed) = text.parse::<Jurisdiction>() {
                prop_assert_eq!(parsed.to_string(), text);
            }
        }

        #[test]
        fn the_longest_match_is_the_longest_prefix(
            at in codes(),
            prefixes in prop::collection::vec((codes(), prop::sample::select(vec![2, 4, 6])), 0..12),
        ) {
            let texts: Vec<&str> = prefixes.iter().map(|(text, digits)| &text[..*digits]).collect();
            let rows: Vec<Jurisdiction> = texts.iter().map(|text| jurisdiction(text)).collect();
            let naive = texts.iter().filter(|text| at.starts_with(**text)).max_by_key(|text| text.len());
            let found = longest_match(&code(&at), rows.iter().zip(&texts));
            prop_assert_eq!(found, naive);
        }

        #[test]
        fn jurisdictions_are_ordered_as_their_texts(
            a in codes(), b in codes(),
            x in prop::sample::select(vec![2_usize, 4, 6]), y in prop::sample::select(vec![2_usize, 4, 6]),
        ) {
            let (a, b) = (&a[..x], &b[..y]);
            prop_assert_eq!(jurisdiction(a).cmp(&jurisdiction(b)), a.cmp(b));
        }
    }
}
