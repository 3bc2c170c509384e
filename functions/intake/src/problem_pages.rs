//! Serves the pages to which the `type` of a problem refers. A page explains the problem, and who can fix it and how,
//! in both languages; another page lists all codes of problems and of wrong fields. Browsers receive HTML, programs
//! JSON.

use axum::extract::Path;
use axum::response::{IntoResponse as _, Response};
use http::HeaderMap;
use http::header::{ACCEPT, CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, VARY};
use http_kit::problem::texts::fields;
use http_kit::problem::{Code, Problem, TYPE_PREFIX, Text};
use protocol::problem::advice::{Advice, advice};
use protocol::problem::agency::{AgencyProblem, for_agencies};
use serde_json::{Value, json};

/// The pages change with a deploy only.
const CACHE: &str = "public, max-age=300";

/// The page of a kind of problem.
///
/// # Errors
/// 404 when no kind of problem has this code.
pub(crate) async fn answer(Path(name): Path<String>, headers: HeaderMap) -> Result<Response, Problem> {
    let code = Code::ALL.iter().find(|code| code.name() == name).ok_or_else(Problem::not_found)?;
    let advice = advice(code.name()).ok_or_else(Problem::not_found)?;
    Ok(in_the_wanted_form(&headers, || entry(*code, advice), || page(*code, advice)))
}

/// The table of all codes.
pub(crate) async fn table(headers: HeaderMap) -> Response {
    in_the_wanted_form(&headers, all_codes, table_page)
}

fn in_the_wanted_form(
    headers: &HeaderMap,
    json: impl FnOnce() -> Value,
    html: impl FnOnce() -> String,
) -> Response {
    let about = [(CACHE_CONTROL, CACHE), (VARY, "accept")];
    if !prefers_html(headers) {
        return (about, axum::Json(json())).into_response();
    }
    let kind = [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    ];
    (about, kind, html()).into_response()
}

/// Whether `Accept` names HTML first, as browsers do. A caller that names JSON first, or neither, receives JSON.
fn prefers_html(headers: &HeaderMap) -> bool {
    let accepted = headers.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let kinds = accepted.split(',').map(|kind| kind.split(';').next().unwrap_or_default().trim());
    let wanted = kinds.into_iter().find(|kind| matches!(*kind, "text/html" | "application/json" | "*/*"));
    wanted == Some("text/html")
}

fn entry(code: Code, advice: &Advice) -> Value {
    let title = code.title();
    let agencies = other_for_agencies(advice);
    let text = |title: &str, who: &str, advice: &str, for_agencies: Option<&str>| {
        let mut text = json!({ "title": title, "who": who, "advice": advice });
        if let (Some(text), Some(for_agencies)) = (text.as_object_mut(), for_agencies) {
            text.insert("agencies".to_owned(), for_agencies.into());
        }
        text
    };
    json!({
        "type": format!("{TYPE_PREFIX}{}", code.name()),
        "status": code.status().as_u16(),
        "zh": text(title.zh, advice.who.zh(), advice.zh, agencies.map(|problem| problem.zh)),
        "en": text(title.en, advice.who.en(), advice.en, agencies.map(|problem| problem.remedy)),
    })
}

/// What agencies do about the problem, when it differs from what apps do.
fn other_for_agencies(advice: &Advice) -> Option<&'static AgencyProblem> {
    for_agencies(advice.code).filter(|problem| problem.remedy != advice.en)
}

/// The two lines for agencies, in Chinese and English; empty when they would say the same again.
fn agency_lines(advice: &Advice) -> (String, String) {
    match other_for_agencies(advice) {
        Some(problem) => (format!("机关：{}", problem.zh), format!("Agencies: {}", problem.remedy)),
        None => (String::new(), String::new()),
    }
}

/// Every kind of problem with its advice. A test shows that each has one.
fn kinds() -> impl Iterator<Item = (Code, &'static Advice)> {
    Code::ALL.iter().filter_map(|code| Some((*code, advice(code.name())?)))
}

fn all_codes() -> Value {
    let problems: Vec<Value> = kinds().map(|(code, advice)| entry(code, advice)).collect();
    let fields: Vec<Value> =
        fields().map(|(code, text)| json!({ "code": code, "zh": text.zh, "en": text.en })).collect();
    json!({ "problems": problems, "fields": fields })
}

fn table_page() -> String {
    let problems: String = kinds()
        .map(|(code, advice)| {
            let (name, status, title) = (code.name(), code.status().as_u16(), code.title());
            let (zh, en) = agency_lines(advice);
            format!(
                "<tr id=\"{name}\"><th><a href=\"{TYPE_PREFIX}{name}\"><code>{name}</code></a></th><td>{status}</td>\
                 <td>{}<br>{}<br>{zh}</td><td lang=\"en\">{}<br>{}<br>{en}</td></tr>\n",
                title.zh, advice.zh, title.en, advice.en,
            )
        })
        .collect();
    let fields: String = fields()
        .map(|(code, text)| {
            let Text { zh, en } = text;
            format!("<tr><th><code>{code}</code></th><td>{zh}</td><td lang=\"en\">{en}</td></tr>\n")
        })
        .collect();
    format!(
        "<!doctype html>\n<html lang=\"zh-CN\"><head><meta charset=\"utf-8\"><title>problems</title></head><body>\n\
         <h1>问题代码 <span lang=\"en\">Codes of problems</span></h1>\n<table>\n{problems}</table>\n\
         <h1>字段代码 <span lang=\"en\">Codes of wrong fields</span></h1>\n<table>\n{fields}</table>\n\
         </body></html>\n"
    )
}

/// The page as HTML. It contains no part of the request, and a test checks that the texts contain no HTML characters,
/// so nothing is escaped.
fn page(code: Code, advice: &Advice) -> String {
    let (name, status, title) = (code.name(), code.status().as_u16(), code.title());
    let (zh, en) = (advice.who.zh(), advice.who.en());
    let paragraph = |line: String| if line.is_empty() { line } else { format!("<p>{line}</p>") };
    let (agencies_zh, agencies_en) = agency_lines(advice);
    let (agencies_zh, agencies_en) = (paragraph(agencies_zh), paragraph(agencies_en));
    format!(
        "<!doctype html>\n<html lang=\"zh-CN\"><head><meta charset=\"utf-8\"><title>{name}</title></head><body>\n\
         <h1><code>{name}</code> ({status})</h1>\n\
         <section lang=\"zh-CN\"><h2>{}</h2><p>{}</p>{agencies_zh}<p>由谁解决：{zh}。</p></section>\n\
         <section lang=\"en\"><h2>{}</h2><p>{}</p>{agencies_en}<p>Who can fix it: {en}.</p></section>\n\
         </body></html>\n",
        title.zh, advice.zh, title.en, advice.en,
    )
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use http::HeaderValue;
    use protocol::problem::advice::ADVICE;

    use super::*;

    #[test]
    fn kinds_of_problems_and_pages_correspond() {
        let kinds: BTreeSet<&str> = Code::ALL.iter().map(|code| code.name()).collect();
        let pages: BTreeSet<&str> = ADVICE.iter().map(|advice| advice.code).collect();
        assert_eq!(kinds, pages);
        assert_eq!(ADVICE.len(), pages.len(), "a kind has two pages");
        for advice in ADVICE {
            assert!(advice.en.is_ascii() && !advice.zh.is_ascii(), "{}", advice.code);
            assert!(!format!("{}{}", advice.zh, advice.en).contains(['<', '>', '&']), "{}", advice.code);
        }
        for code in Code::ALL {
            let title = code.title();
            assert!(!format!("{}{}", title.zh, title.en).contains(['<', '>', '&']), "{}", code.name());
        }
        for (code, text) in fields() {
            assert!(!format!("{}{}", text.zh, text.en).contains(['<', '>', '&']), "{code}");
        }
    }

    #[test]
    fn a_browser_gets_a_page_and_a_program_gets_json() {
        let html = |accept: &'static str| {
            prefers_html(&[(ACCEPT, HeaderValue::from_static(accept))].into_iter().collect())
        };
        assert!(html("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"));
        for other in ["", "*/*", "application/json", "application/json, text/html", "image/png"] {
            assert!(!html(other), "{other}");
        }
        assert!(!prefers_html(&HeaderMap::new()));
    }
}
