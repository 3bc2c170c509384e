//! The wrong fields of an agency's report.

use jiff::Timestamp;

use crate::application::Application;
use crate::catalogue::{DocumentKind, Provider};
use crate::command::ReportedResult;
use crate::event::MissingItem;
use crate::free_text::{FreeText, FreeTextError};
use crate::limits;
use crate::time::today;

/// One wrong field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// JSON pointer into the report, for example `/items/0/name`.
    pub pointer: String,
    /// Stable code, for example `too_long`.
    pub code: &'static str,
}

/// An agency's text as it is stored. [`faults`] checked it; an empty note stays empty.
pub(super) fn written(text: &str) -> String {
    FreeText::read(text, limits::TEXT).map(FreeText::into_string).unwrap_or_default()
}

fn text_fault(pointer: String, value: &str, bound: usize, required: bool) -> Option<Fault> {
    match FreeText::read(value, bound) {
        Ok(_) => None,
        Err(FreeTextError::Empty) if !required => None,
        Err(error) => Some(Fault { pointer, code: error.code() }),
    }
}

/// Every wrong field of a result, not only the first.
pub(super) fn faults(state: &Application, result: &ReportedResult, now: Timestamp) -> Vec<Fault> {
    let mut faults = Vec::new();
    let mut check = |pointer: String, value: &str, bound: usize, required: bool| {
        faults.extend(text_fault(pointer, value, bound, required));
    };
    match result {
        ReportedResult::Received
        | ReportedResult::Signed
        | ReportedResult::Produced
        | ReportedResult::Verified
        | ReportedResult::Settled
        | ReportedResult::Restored => {}
        ReportedResult::NotIssued { reason } | ReportedResult::Rejected { reason } => {
            check("/reason".into(), reason, limits::TEXT, true);
        }
        ReportedResult::Posted { carrier, tracking } => {
            check("/carrier".into(), carrier, limits::NUMBER, true);
            check("/tracking".into(), tracking, limits::NUMBER, true);
        }
        ReportedResult::Ready { place } => check("/place".into(), place, limits::TEXT, true),
        ReportedResult::Approved { permit } => check("/permit".into(), permit, limits::NUMBER, true),
        ReportedResult::MovedOut { certificate, issued_on, valid_until } => {
            check("/certificate".into(), certificate, limits::NUMBER, true);
            if *issued_on > today(now) {
                faults.push(Fault { pointer: "/issued_on".into(), code: "in_the_future" });
            }
            let days = issued_on.until(*valid_until).map_or(i32::MAX, |span| span.get_days());
            if !(0..=limits::MIGRATION_CERTIFICATE_DAYS).contains(&days) {
                faults.push(Fault { pointer: "/valid_until".into(), code: "out_of_range" });
            } else if *valid_until < today(now) {
                // The certificate would lapse at once, and the citizen could not settle.
                faults.push(Fault { pointer: "/valid_until".into(), code: "in_the_past" });
            }
        }
        ReportedResult::Issued { document, certificate } => {
            check("/certificate".into(), certificate, limits::NUMBER, true);
            let is_agencys =
                state.document(*document).is_some_and(|found| found.slot.provider == Provider::Agency);
            if !is_agencys {
                faults.push(Fault { pointer: "/document".into(), code: "unknown" });
            }
        }
        ReportedResult::SupplementRequested { items } => {
            for (index, item) in items.iter().enumerate() {
                check(format!("/items/{index}/name"), &item.name, limits::NUMBER, true);
                check(format!("/items/{index}/note"), &item.note, limits::TEXT, false);
            }
            faults.extend(item_faults(items));
        }
    }
    faults
}

fn has_duplicate(kinds: &[DocumentKind]) -> bool {
    kinds.iter().enumerate().any(|(at, kind)| kinds.iter().take(at).any(|earlier| earlier == kind))
}

fn item_faults(items: &[MissingItem]) -> Vec<Fault> {
    let mut faults = Vec::new();
    if items.is_empty() {
        faults.push(Fault { pointer: "/items".into(), code: "required" });
    }
    if items.len() > limits::SUPPLEMENT_ITEMS {
        faults.push(Fault { pointer: "/items".into(), code: "too_many" });
    }
    for (index, item) in items.iter().enumerate() {
        if item.accepts.is_empty() || item.accepts.iter().any(|kind| kind.provider() != Provider::App) {
            faults.push(Fault { pointer: format!("/items/{index}/accepts"), code: "invalid" });
        }
        if item.accepts.len() > limits::ACCEPTED_KINDS {
            faults.push(Fault { pointer: format!("/items/{index}/accepts"), code: "too_many" });
        } else if has_duplicate(&item.accepts) {
            faults.push(Fault { pointer: format!("/items/{index}/accepts"), code: "duplicate" });
        }
        if items.iter().take(index).any(|earlier| written(&earlier.name) == written(&item.name)) {
            faults.push(Fault { pointer: format!("/items/{index}/name"), code: "duplicate" });
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn p3_an_agencys_texts_are_free_texts() {
        for (text, stored) in
            [(" 与登记不符\n", "与登记不符"), ("\u{f9e1}", "李"), ("", ""), ("\u{feff}", "")]
        {
            assert_eq!(written(text), stored);
        }
        let missing = |name: &str| MissingItem {
            name: name.to_owned(),
            accepts: crate::catalogue::DocumentKind::from_apps(),
            note: String::new(),
        };
        let items = [missing("合影"), missing(" 合影\u{200b}")];
        assert_eq!(item_faults(&items), [Fault { pointer: "/items/1/name".into(), code: "duplicate" }]);
        for (text, code) in [
            ("", Some("required")),
            ("\u{200b}", Some("required")),
            ("\u{202e}与登记不符", Some("control_character")),
            ("与登记\u{fffd}符", Some("replacement_character")),
            ("🏠", Some("no_letter")),
            ("与\u{200b}登记不符", Some("invisible_character")),
            (&"长".repeat(201), Some("too_long")),
            ("与登记不符", None),
        ] {
            let fault = text_fault("/reason".into(), text, limits::TEXT, true);
            assert_eq!(fault.map(|fault| fault.code), code, "{text:?}");
        }
        assert_eq!(text_fault("/note".into(), " ", limits::TEXT, false), None);
    }
}
