//! Whether two applications of one person for one service may be one matter, handed in twice.

use jiff::{SignedDuration, Timestamp};

use crate::application::Application;
use crate::catalogue::service_row;

/// Whether `other`, an application of the same applicant for the same service, makes an application that an agency
/// gets at `now` a possible duplicate: `other` is open, or ended within the days that the service names.
///
/// A draft does not count, because no agency has it: of two drafts, the one that is submitted later is the duplicate.
/// Neither does an application that the citizen withdrew or let expire.
#[must_use]
pub fn may_be_repeated_by(other: &Application, now: Timestamp) -> bool {
    if other.leg_opened == 0 || other.is_abandoned() {
        return false;
    }
    let days = i64::from(service_row(other.opened.service).duplicate_days);
    let compared = SignedDuration::from_hours(days.saturating_mul(24));
    !other.is_final() || now.duration_since(other.changed_at) < compared
}
