//! Names and bounds of the messages that both a message type and its contract need.

use domain::effect::NoticeKind;

/// Event type of a test callback. No application has the id that a test callback carries.
pub const TEST: &str = "webhook.test";

/// Cases on one page, and in one resend request, at most.
pub const CASES: usize = 100;

/// Reports on one page, at most.
pub const REPORTS: usize = 100;

/// The CloudEvents `type` of a notice.
#[must_use]
pub fn event_type(notice: NoticeKind) -> &'static str {
    match notice {
        NoticeKind::Opened => "cn.tongban.case.opened.v1",
        NoticeKind::Supplemented => "cn.tongban.case.supplemented.v1",
        NoticeKind::Withdrawn => "cn.tongban.case.withdrawn.v1",
        NoticeKind::RestoreRequested => "cn.tongban.case.restore_requested.v1",
    }
}
