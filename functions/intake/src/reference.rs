//! Serves the reference of both interfaces: pages for browsers, and the renderer that the pages load.
//!
//! The files are in the folder `reference` of the function's package, where `infra/cli` puts them. A file is read when it
//! is requested, so that other requests and the start of the function do not pay for it.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use axum::response::Response;
use http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY,
    VARY,
};
use http::{HeaderMap, HeaderValue, StatusCode};
use http_kit::conditional::{IfNoneMatch, Tag};
use http_kit::problem::{Code, Problem};

/// Folder of the files in the package.
const FOLDER: &str = "reference";
/// The page of the interface for apps. The pages with an address of their own are `page-NAME.html`.
const PAGE: &str = "page.html";
/// Greatest length of a name, in bytes.
const NAME_BYTES: usize = 64;

/// `Cache-Control` of a page: always compared with the hub's, because its files change with it.
const PAGE_CACHE: &str = "public, no-cache";
/// `Cache-Control` of the other files: their names contain a hash of their content.
const FILE_CACHE: &str = "public, max-age=31536000, immutable";

const HTML: &str = "text/html; charset=utf-8";

/// What a page may do: load the hub's own files, and nothing else. It runs no inline code, sends no form, and is shown in
/// no frame. The renderer's style sheet contains its icons as `data:`.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The reference pages and their files.
#[derive(Clone, Debug, Default)]
pub struct Reference {
    /// `None` when the function has no package.
    folder: Option<PathBuf>,
}

impl Reference {
    /// The files of the function's package.
    #[must_use]
    pub fn of_package() -> Reference {
        let package = std::env::var_os("LAMBDA_TASK_ROOT");
        Reference { folder: package.map(|package| Path::new(&package).join(FOLDER)) }
    }

    /// The files in this folder.
    #[must_use]
    pub fn in_folder(folder: PathBuf) -> Reference {
        Reference { folder: Some(folder) }
    }

    /// The page of the interface for apps.
    ///
    /// # Errors
    /// 404 when the package has no reference.
    pub(crate) fn page(&self, headers: &HeaderMap, held: &IfNoneMatch) -> Result<Response, Problem> {
        self.send(PAGE, HTML, PAGE_CACHE, headers, held)
    }

    /// The page or the file with this name.
    ///
    /// # Errors
    /// 404 when no page or file has this name.
    pub(crate) fn file(
        &self,
        name: &str,
        headers: &HeaderMap,
        held: &IfNoneMatch,
    ) -> Result<Response, Problem> {
        if !is_name(name) {
            return Err(Problem::not_found());
        }
        match name.rsplit_once('.') {
            None => self.send(&format!("page-{name}.html"), HTML, PAGE_CACHE, headers, held),
            Some((_, ending)) => {
                let kind = kind(ending).ok_or_else(Problem::not_found)?;
                self.send(name, kind, FILE_CACHE, headers, held)
            }
        }
    }

    fn send(
        &self,
        file: &str,
        kind: &'static str,
        cache: &'static str,
        headers: &HeaderMap,
        held: &IfNoneMatch,
    ) -> Result<Response, Problem> {
        let folder = self.folder.as_deref().filter(|folder| folder.is_dir()).ok_or_else(left_out)?;
        let compressed = if accepts_gzip(headers) { read(&folder.join(format!("{file}.gz")))? } else { None };
        let is_compressed = compressed.is_some();
        let body = match compressed {
            Some(body) => body,
            None => read(&folder.join(file))?.ok_or_else(Problem::not_found)?,
        };
        let about = [
            (CONTENT_TYPE, kind),
            (CACHE_CONTROL, cache),
            (VARY, "accept-encoding"),
            (CONTENT_SECURITY_POLICY, POLICY),
            (REFERRER_POLICY, "no-referrer"),
        ];
        // The tag is of the bytes as they are sent: both codings of a file have different tags.
        let mut answer = Tag::content(&body).answer(held, (about, body));
        if is_compressed && answer.status() == StatusCode::OK {
            answer.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        Ok(answer)
    }
}

/// Whether this is a name of a file, and not a path out of the folder.
fn is_name(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'.' | b'-');
    (1..=NAME_BYTES).contains(&name.len()) && !name.starts_with(['.', '-']) && name.bytes().all(plain)
}

/// The media type of a file, by the end of its name.
fn kind(ending: &str) -> Option<&'static str> {
    match ending {
        "css" => Some("text/css; charset=utf-8"),
        "js" => Some("text/javascript; charset=utf-8"),
        "txt" | "yaml" => Some("text/plain; charset=utf-8"),
        _ => None,
    }
}

/// Whether the caller accepts `gzip`, by name.
fn accepts_gzip(headers: &HeaderMap) -> bool {
    let values = headers.get_all(ACCEPT_ENCODING).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        let is_gzip = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip"));
        let weight = parts.find_map(|part| part.strip_prefix("q=")?.parse::<f32>().ok());
        is_gzip && weight.is_none_or(|weight| weight > 0.0)
    })
}

/// The content of a file; `None` when there is no such file.
fn read(path: &Path) -> Result<Option<Vec<u8>>, Problem> {
    match fs::read(path) {
        Ok(content) => Ok(Some(content)),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        Err(error) => {
            tracing::error!(%error, "a file of the reference pages cannot be read; the request is answered 500");
            Err(Problem::new(Code::Internal))
        }
    }
}

fn left_out() -> Problem {
    Problem::not_found().with_detail(
        "本系统构建时缺少页面组件（需要 Node），没有接口文档页面。接口描述见 /v1/openapi.json。",
        "This hub was built without its reference pages, whose renderer needs Node to be installed. The description is \
         at /v1/openapi.json.",
    )
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;

    #[test]
    fn no_name_leads_out_of_the_folder() {
        for name in ["agencies", "renderer.0a1b2c3d4e5f.js", "a"] {
            assert!(is_name(name), "{name}");
        }
        let long = "a".repeat(NAME_BYTES + 1);
        for name in
            ["", ".", "..", ".hidden", "a/b", "a\\b", "A", "%2e", "a b", "a\0", "-", "\u{ff0e}", &long]
        {
            assert!(!is_name(name), "{name}");
        }
    }

    #[test]
    fn a_caller_gets_gzip_only_when_it_names_it() {
        let accepts = |values: &[&'static str]| {
            let pairs = values.iter().map(|value| (ACCEPT_ENCODING, HeaderValue::from_static(value)));
            accepts_gzip(&pairs.collect::<HeaderMap<HeaderValue>>())
        };
        for values in [&["gzip"][..], &["br, GZIP;q=0.5"], &["deflate", "gzip, zstd"]] {
            assert!(accepts(values), "{values:?}");
        }
        for values in [&[][..], &[""], &["br"], &["gzip;q=0"], &["gzip; q=0.000"], &["x-gzip"], &["*"]] {
            assert!(!accepts(values), "{values:?}");
        }
        assert!(!accepts_gzip(&HeaderMap::from_iter([(
            HeaderName::from_static("accept"),
            HeaderValue::from_static("gzip")
        )])));
    }
}
