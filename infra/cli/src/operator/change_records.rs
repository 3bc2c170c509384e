//! The records of operators' changes. Each record has the hash of the record before it.

use domain::agency_override::{AgencyOverrides, Record, hash};
use domain::ids::AgencyCode;

/// Largest number of records that are read.
pub(super) const MAX_RECORDS: usize = 10_000;

/// Records, and the result of the check of their hash chain.
#[derive(Clone, Debug, PartialEq)]
pub struct ChangeRecords {
    records: Vec<Record>,
    broken: Option<String>,
}

impl ChangeRecords {
    /// Reads records, the oldest first, and checks their hashes up to the overrides in force.
    #[must_use]
    pub fn of(lines: Vec<String>, in_force: &AgencyOverrides) -> ChangeRecords {
        let mut records = Vec::with_capacity(lines.len());
        let mut broken = None;
        // When the chain is longer than the bound, the first record that was read cannot be checked.
        let mut before: Option<(u32, String)> = (lines.len() < MAX_RECORDS).then(|| (0, String::new()));
        for line in &lines {
            let Ok(record) = serde_json::from_str::<Record>(line) else {
                let after = before.as_ref().map_or(0, |(version, _)| *version);
                broken.get_or_insert(format!("the record after {after} cannot be read"));
                before = None;
                continue;
            };
            if let Some((version, hash)) = &before {
                if record.version != version + 1 {
                    let wrong = format!("record {} is missing", version + 1);
                    broken.get_or_insert(wrong);
                } else if &record.prev != hash {
                    let wrong =
                        format!("record {version} was changed after record {} was made", record.version);
                    broken.get_or_insert(wrong);
                }
            }
            before = Some((record.version, hash(line.as_bytes())));
            records.push(record);
        }
        let last = before.unwrap_or_default();
        if last.0 != in_force.version {
            broken.get_or_insert(format!("record {} is missing", in_force.version));
        } else if last.1 != in_force.hash {
            broken.get_or_insert(format!("record {} or the state in force was changed", in_force.version));
        }
        ChangeRecords { records, broken }
    }

    /// The first fault of the chain.
    #[must_use]
    pub fn broken(&self) -> Option<&str> {
        self.broken.as_deref()
    }

    /// All readable records.
    #[must_use]
    pub fn records(&self) -> &[Record] {
        &self.records
    }

    /// The latest records of an agency, the oldest first.
    #[must_use]
    pub fn last_of(&self, agency: &AgencyCode, most: usize) -> Vec<Record> {
        let own = self.records.iter().rev().filter(|record| &record.agency == agency);
        let mut last: Vec<Record> = own.take(most).cloned().collect();
        last.reverse();
        last
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may stop at once")]
    use super::*;
    use domain::agencies::Agencies;
    use domain::agency_override::AgencyOverride;
    use jiff::Timestamp;
    use serde_json::json;

    /// Three records, and the overrides in force after them.
    fn three() -> (Vec<String>, AgencyOverrides) {
        let row = json!({ "code": "11", "zh": "北京市", "en": "Beijing", "state": "active" });
        let rows = Agencies::new(vec![serde_json::from_value(row).unwrap()]).unwrap();
        let mut all = AgencyOverrides::default();
        let mut lines = Vec::new();
        for change in [AgencyOverride::Suspend, AgencyOverride::Resume, AgencyOverride::Suspend] {
            let code = "11".parse().unwrap();
            let why = ("somebody", "a reason");
            let (next, line) = all.apply(&rows, &code, change, why, Timestamp::UNIX_EPOCH).unwrap();
            lines.push(String::from_utf8(line).unwrap());
            all = next;
        }
        (lines, all)
    }

    #[test]
    fn an_intact_chain_has_no_fault() {
        let (lines, all) = three();
        let chain = ChangeRecords::of(lines, &all);
        assert_eq!((chain.broken(), chain.records().len()), (None, 3));
        assert_eq!(chain.last_of(&"11".parse().unwrap(), 2)[0].version, 2);
        assert!(chain.last_of(&"12".parse().unwrap(), 2).is_empty());
        assert_eq!(ChangeRecords::of(vec![], &AgencyOverrides::default()).broken(), None);
    }

    #[test]
    fn a_changed_removed_or_damaged_record_is_found() {
        let (lines, all) = three();
        let fault_after = |change: fn(&mut Vec<String>)| {
            let mut lines = lines.clone();
            change(&mut lines);
            ChangeRecords::of(lines, &all).broken().unwrap_or("nothing").to_owned()
        };
        assert_eq!(fault_after(|_| ()), "nothing");
        assert_eq!(
            fault_after(|lines| lines[0] = lines[0].replace("somebody", "nobody")),
            "record 1 was changed after record 2 was made"
        );
        assert_eq!(
            fault_after(|lines| lines[2] = lines[2].replace("a reason", "another")),
            "record 3 or the state in force was changed"
        );
        assert_eq!(fault_after(|lines| drop(lines.remove(1))), "record 2 is missing");
        assert_eq!(fault_after(|lines| drop(lines.pop())), "record 3 is missing");
        assert_eq!(fault_after(|lines| lines[1] = "{".to_owned()), "the record after 1 cannot be read");
        assert_eq!(fault_after(Vec::clear), "record 3 is missing");
    }
}
