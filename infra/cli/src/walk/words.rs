//! The words of the timeline.

use protocol::app::{ActorView, EventView};
use serde_json::Value;

use super::scenario::{Scenario, both};

/// Every event of the feed, in Chinese and English.
const WORDS: [(&str, &str, &str); 28] = [
    ("opened", "已建档", "opened"),
    ("document_stored", "材料核验", "document in"),
    ("document_rejected", "材料退回", "refused"),
    ("document_discarded", "材料更换", "replaced"),
    ("corrected", "更正", "corrected"),
    ("submitted", "已提交", "submitted"),
    ("dispatched", "已送达", "dispatched"),
    ("received", "已接收", "received"),
    ("supplement_requested", "待补正", "supplement due"),
    ("supplemented", "已补正", "supplemented"),
    ("signed", "已签发", "signed"),
    ("produced", "已制证", "produced"),
    ("posted", "已寄出", "posted"),
    ("ready", "待领取", "ready"),
    ("collected", "已领取", "collected"),
    ("not_issued", "不予签发", "not issued"),
    ("approved", "准予迁入", "approved"),
    ("verified", "已核实", "verified"),
    ("moved_out", "已迁出", "moved out"),
    ("settled", "已落户", "settled"),
    ("lapsed", "迁移证失效", "lapsed"),
    ("restored_at_origin", "恢复户口", "restored"),
    ("issued", "已开具", "issued"),
    ("completed", "已办结", "completed"),
    ("withdrawn", "已撤回", "withdrawn"),
    ("rejected", "不予办理", "rejected"),
    ("expired", "已过期", "expired"),
    ("overdue", "超期", "overdue"),
];

/// The name of an event without the prefix it has on the wire.
pub(crate) fn name(event: &EventView) -> &str {
    event.kind.strip_prefix("application.").unwrap_or(&event.kind)
}

/// The event in both languages; `event` is its name without prefix.
#[must_use]
pub fn what(event: &str) -> String {
    match WORDS.iter().find(|(name, _, _)| *name == event) {
        Some((_, zh, en)) => format!("{zh} {en}"),
        None => event.replace('_', " "),
    }
}

/// The party that caused an event.
pub(crate) fn who(actor: &ActorView) -> String {
    match actor {
        ActorView::App => "应用 app".to_owned(),
        ActorView::Hub => "通办 hub".to_owned(),
        ActorView::Unknown => "未知 unknown".to_owned(),
        ActorView::Agency(code) => both(code.jurisdiction().name()),
    }
}

/// Whether the app backend gets a callback about an event of this name. The app's own requests and stored documents
/// cause no callback (`domain::effect::calls_back`).
pub(crate) fn calls_back(event: &str) -> bool {
    !matches!(event, "opened" | "document_stored" | "submitted" | "supplemented")
}

/// Details of an event. `fetched` is the number of documents that the agency has downloaded so far.
pub(crate) fn how(event: &EventView, scenario: &Scenario, fetched: usize) -> String {
    let text = |key: &str| event.data.get(key).and_then(Value::as_str).unwrap_or_default().replace('_', " ");
    let documents = scenario.documents.len();
    match name(event) {
        "opened" => format!("POST /v1/applications; {documents} signed upload links"),
        "document_stored" => {
            let size = event.data.get("size").and_then(Value::as_u64).unwrap_or_default();
            format!("{}, {size} bytes uploaded by PUT, verified", text("kind"))
        }
        "submitted" => {
            let due = event.data.pointer("/due/date").and_then(Value::as_str).unwrap_or_default();
            format!("complete, submitted by the hub; due {due}")
        }
        "dispatched" => {
            let leg = event.data.get("leg").and_then(Value::as_u64).and_then(|leg| usize::try_from(leg).ok());
            match leg.and_then(|leg| scenario.legs.get(leg)) {
                Some(leg) => {
                    format!("encrypted for {}, sent to queue agency-{}.fifo", agency(leg), leg.agency)
                }
                None => String::new(),
            }
        }
        "received" => "received from the queue, decrypted, verified".to_owned(),
        "signed" | "verified" => checked(fetched),
        "approved" => format!("{}, permit {}", checked(fetched), text("permit")),
        "produced" => "signed report".to_owned(),
        "ready" => format!("at the {}", text("place")),
        "moved_out" => {
            format!("migration certificate {}, good until {}", text("certificate"), text("valid_until"))
        }
        "issued" => format!("{}, certificate {}", checked(fetched), text("certificate")),
        "settled" => "POST …/confirm settle".to_owned(),
        "collected" | "completed" => format!("POST …/confirm hand over, {}", text("how")),
        "rejected" | "not_issued" => text("reason"),
        _ => String::new(),
    }
}

fn agency(leg: &domain::event::Leg) -> &'static str {
    leg.agency.jurisdiction().name().en
}

fn checked(fetched: usize) -> String {
    format!("{fetched} documents downloaded, checked")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may stop at once")]
    use super::*;

    use console::measure_text_width;
    use domain::stage::Stage;

    #[test]
    fn every_stage_has_words_that_fit_their_column() {
        for stage in Stage::ALL.iter().copied().filter(|stage| *stage != Stage::Draft) {
            let known = WORDS.iter().any(|(name, _, _)| *name == stage.name());
            assert!(known, "{stage:?}");
        }
        for (name, _, _) in WORDS {
            assert!(measure_text_width(&what(name)) <= super::super::timeline::WHAT, "{name}");
        }
        assert_eq!(what("something_new"), "something new");
    }
}
