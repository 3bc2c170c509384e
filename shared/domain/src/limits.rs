//! The limits of an application.

/// Events of one application before its last one. A step that ends the application is accepted at any number of events.
/// The stage table reaches no more than this: after [`EVENTS_SOFT`] each remaining step can occur only a few times.
pub const EVENTS: usize = 96;
/// Events from which only steps towards an end are accepted, so that [`EVENTS`] is never a dead end.
pub const EVENTS_SOFT: usize = 48;
/// Events of a draft from which nothing is corrected, replaced or rejected any more: what remains is enough for the
/// documents and for the longest course of a case.
pub const EVENTS_DRAFT: usize = 28;
/// Bytes of one item of the table (AWS limit: 400 KB).
pub const ITEM_BYTES: usize = 400 * 1024;
/// Bytes of an application's item from which only steps towards an end are accepted. The rest of [`ITEM_BYTES`] is room
/// for the largest steps that can follow.
pub const ITEM_BYTES_SOFT: usize = 192 * 1024;
/// Bytes of a signed report up to which the application's record holds the report itself. The bucket holds a larger
/// one, and the record its hash.
pub const PROOF_BYTES: usize = 2 * 1024;
/// Documents of one application, supplements included.
pub const DOCUMENTS: usize = 24;
/// Files of one requirement: the pages of one paper.
pub const FILES: u8 = 8;
/// Files of one application when it is opened. The rest of [`DOCUMENTS`] is for supplements.
pub const OPENING_FILES: usize = DOCUMENTS - SUPPLEMENT_ITEMS;
/// Supplement requests of one application. The law demands one complete list; more rounds are for faults in the
/// answers.
pub const SUPPLEMENT_ROUNDS: u8 = 3;
/// Items of one supplement request.
pub const SUPPLEMENT_ITEMS: usize = 10;
/// Kinds of document that one item of a supplement request accepts, each once.
pub const ACCEPTED_KINDS: usize = 32;
/// Rejected uploads after which a slot accepts no further upload.
pub const REJECTIONS: u8 = 5;
/// Replacements of stored documents in one application.
pub const REPLACEMENTS: u8 = 10;
/// Corrections of one draft.
pub const CORRECTIONS: u8 = 16;
/// Minutes for which an upload link is valid.
pub const UPLOAD_LINK_MINUTES: i64 = 15;
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
/// Most days after its end for which an application is compared with later ones of the same person.
pub const DUPLICATE_DAYS: u16 = 730;
/// Most applications of a person for a service, the newest ones, that a new one is compared with.
pub const COMPARED: usize = 50;
/// Most possible duplicates that a case names.
pub const DUPLICATES: usize = 5;
/// Days a migration certificate may be valid (domain: up to 30).
pub const MIGRATION_CERTIFICATE_DAYS: i32 = 30;
