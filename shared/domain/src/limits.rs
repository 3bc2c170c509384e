//! The limits of an application.

/// Events of one application. DynamoDB bills by item size and refuses items over 400 KB.
pub const EVENTS: usize = 64;
/// Events from which only steps towards an end are accepted, so that [`EVENTS`] is never a dead end.
pub const EVENTS_SOFT: usize = 48;
/// Documents of one application, supplements included.
pub const DOCUMENTS: usize = 24;
/// Supplement requests of one application. The law demands one complete list; more rounds are for faults in the
/// answers.
pub const SUPPLEMENT_ROUNDS: u8 = 3;
/// Items of one supplement request.
pub const SUPPLEMENT_ITEMS: usize = 10;
/// Rejected uploads after which a slot accepts no further upload.
pub const REJECTIONS: u8 = 5;
/// Bytes of one document: 20 MiB.
pub const DOCUMENT_BYTES: u64 = 20 * 1024 * 1024;
/// Characters of a reason, note or place that an agency writes.
pub const TEXT: usize = 200;
/// Characters of a number or name that an agency writes (permit, tracking number).
pub const NUMBER: usize = 64;
/// Days an agency's queue keeps a message (AWS: 14 at most).
pub const QUEUE_DAYS: i64 = 14;
/// Days a draft waits for its documents.
pub const DRAFT_DAYS: i64 = 30;
/// Days a citizen has to answer a supplement.
pub const SUPPLEMENT_DAYS: i64 = 30;
/// Days by which a published calendar can move a provisional deadline forward.
pub const EARLY_DAYS: i64 = 7;
/// Days for which an agency may fetch the papers of a case after its leg has ended.
pub const PAPERS_DAYS: i64 = 30;
/// Days a migration certificate may be valid (domain: up to 30).
pub const MIGRATION_CERTIFICATE_DAYS: i32 = 30;
