//! Receipts of reports: what is verified and kept.

use super::*;

/// The outcome of a report to such a hub, and the receipts in the journal. The client fetches the hub's keys.
async fn reported(
    typ: &'static str,
    change: fn(&mut SignedReceipt),
) -> (Result<Receipt, HubClientError>, Vec<String>) {
    let hub = PrivateKey::generate(KeyUse::Signing).unwrap();
    let (url, _) = test_server(signing_hub(hub, typ, change)).await;
    let (mut config, _) = agency(&url);
    config.keys.hub = Vec::new();
    let kept = Arc::new(Mutex::new(Vec::new()));
    let journal = ConsumerJournal::new({
        let kept = kept.clone();
        move |entry| kept.lock().unwrap().extend(entry.receipt.clone())
    });
    let client = HubClient::new(&config).unwrap().with_retry_policy(NO_PAUSE).with_journal(journal);
    let answer = client.report(application(1), 5, ReportedResult::Signed).await;
    let kept = kept.lock().unwrap().clone();
    (answer, kept)
}

#[tokio::test]
async fn a20_a_receipt_is_verified_and_kept_in_the_journal() {
    let (answer, kept) = reported(RECEIPT_TYP, |_| {}).await;
    assert_eq!(kept, [answer.unwrap().receipt.unwrap()]);
}

#[tokio::test]
async fn a20_a_receipt_that_is_none_is_not_kept() {
    let (answer, kept) = reported("tongban-case+jws", |_| {}).await;
    assert!(matches!(answer, Err(HubClientError::InvalidReceipt(_))), "{answer:?}");
    assert!(kept.is_empty());
    let wrong: [fn(&mut SignedReceipt); 6] = [
        |signed| signed.outcome = ReportOutcome::Refused,
        |signed| signed.agency = "37".parse().unwrap(),
        |signed| signed.application = Some(application(2)),
        |signed| signed.report_id = None,
        |signed| signed.version = Some(7),
        |signed| signed.kind = Some("rejected".to_owned()),
    ];
    for change in wrong {
        let (answer, kept) = reported(RECEIPT_TYP, change).await;
        assert!(matches!(answer, Err(HubClientError::InvalidResponse)), "{answer:?}");
        assert!(kept.is_empty());
    }
}
