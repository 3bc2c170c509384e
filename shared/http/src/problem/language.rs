//! The language of an answer.

use http::HeaderMap;
use http::header::ACCEPT_LANGUAGE;

/// Length of `Accept-Language` that is evaluated, in bytes; the remainder is ignored.
const BOUND: usize = 512;

/// A language of the hub's answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Language {
    /// 中文.
    Chinese,
    /// English.
    #[default]
    English,
}

impl Language {
    /// The tag of `Content-Language`.
    #[must_use]
    pub fn tag(self) -> &'static str {
        match self {
            Language::Chinese => "zh-CN",
            Language::English => "en",
        }
    }

    /// The language that `Accept-Language` prefers (RFC 9110, section 12.5.4): Chinese of any script or region when it
    /// is preferred to English, otherwise English.
    #[must_use]
    pub fn of(headers: &HeaderMap) -> Language {
        let given = headers.get(ACCEPT_LANGUAGE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let given = given.get(..given.len().min(BOUND)).unwrap_or_default();
        let mut best = (Language::English, 0.0);
        for range in given.split(',') {
            let (tag, weight) = tag_and_weight(range);
            let primary = tag.split('-').next().unwrap_or_default();
            let language = match primary.to_ascii_lowercase().as_str() {
                "zh" => Language::Chinese,
                "en" | "*" => Language::English,
                _ => continue,
            };
            if weight > best.1 {
                best = (language, weight);
            }
        }
        best.0
    }
}

fn tag_and_weight(range: &str) -> (&str, f32) {
    let mut parts = range.split(';').map(str::trim);
    let tag = parts.next().unwrap_or_default();
    let weight = parts.find_map(|part| part.strip_prefix("q=")).map_or(1.0, |q| q.parse().unwrap_or(0.0));
    (tag, weight)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn chinese_is_chosen_when_it_is_preferred() {
        let chosen = |accept: &str| {
            let value = HeaderValue::from_str(accept).ok();
            Language::of(&value.map(|value| (ACCEPT_LANGUAGE, value)).into_iter().collect())
        };
        for chinese in
            ["zh", "zh-CN,zh;q=0.9,en;q=0.8", "ZH-Hans-CN", "mn, zh;q=0.5", "en;q=0.3, zh;q=0.4", "zh, en"]
        {
            assert_eq!(chosen(chinese), Language::Chinese, "{chinese}");
        }
        for english in ["", "en", "en-GB, zh;q=0.9", "*", "fr", "zh;q=0", "zh;q=x", ",;;,", "en, zh"] {
            assert_eq!(chosen(english), Language::English, "{english}");
        }
        assert_eq!(Language::of(&HeaderMap::new()), Language::English);
    }
}
