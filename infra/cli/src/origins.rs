//! Origins of web pages that may use upload links from a browser.

use anyhow::{Result, bail};
use reqwest::Url;

/// Most origins of a stack. A stack's parameter has room for more.
const ORIGINS: usize = 20;
/// The word that removes all origins of a stack.
pub const NONE: &str = "none";

/// The value of the parameter `UploadOrigins`: the checked origins, or nothing for the word `none`.
///
/// # Errors
/// A text is no origin of a page over https, or of a page on this machine; or there are too many.
pub fn parameter(origins: &[String]) -> Result<String> {
    if origins == [NONE] {
        return Ok(String::new());
    }
    if origins.len() > ORIGINS {
        bail!("a stack has at most {ORIGINS} upload origins, and these are {}", origins.len());
    }
    for origin in origins {
        if !is_origin(origin) {
            bail!(
                "{origin} is no upload origin: an origin is https://, a host name and, unless it is 443, a port, without a path and \
                 without `*`, for example https://app.example.cn (http only for localhost)"
            );
        }
    }
    Ok(origins.join(","))
}

/// Whether a browser sends this text as `Origin`, and S3 compares it as it is.
fn is_origin(text: &str) -> bool {
    let Ok(url) = Url::parse(text) else { return false };
    let local = matches!(url.host_str(), Some("localhost" | "127.0.0.1"));
    let secure = url.scheme() == "https" || (url.scheme() == "http" && local);
    let plain = |sign: char| sign.is_ascii_alphanumeric() || "-.:/[]".contains(sign);
    secure && text.chars().all(plain) && url.origin().ascii_serialization() == text
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may stop at once")]

    use super::*;

    fn given(origins: &[&str]) -> Result<String> {
        parameter(&origins.iter().map(|origin| (*origin).to_owned()).collect::<Vec<_>>())
    }

    #[test]
    fn d6_an_upload_origin_is_an_origin_of_one_host() {
        assert_eq!(
            given(&["https://app.example.cn", "https://b.example.cn:8443"]).unwrap(),
            "https://app.example.cn,https://b.example.cn:8443"
        );
        assert_eq!(given(&["http://localhost:3000"]).unwrap(), "http://localhost:3000");
        assert_eq!(given(&["none"]).unwrap(), "");
        for wrong in [
            "*",
            "https://*",
            "https://*.example.cn",
            "http://app.example.cn",
            "https://app.example.cn/",
            "https://app.example.cn/x",
            "https://user@app.example.cn",
            "https://app.example.cn:443",
            "https://APP.example.cn",
            "app.example.cn",
            "null",
            "",
            "https://a,https://b",
            "https://app.example.cn?x",
        ] {
            let refusal = given(&[wrong]).unwrap_err().to_string();
            assert!(refusal.contains("is no upload origin"), "{wrong}: {refusal}");
        }
        assert!(parameter(&vec!["https://app.example.cn".to_owned(); 21]).is_err());
    }
}
