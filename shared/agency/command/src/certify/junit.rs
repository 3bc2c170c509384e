//! The report as JUnit XML, which build servers read.

use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};

use super::outcome::{CertificationReport, CheckOutcome, CheckResult};

/// The report as one test suite.
///
/// # Errors
/// The XML writer failed; it writes to memory only.
pub fn junit(report: &CertificationReport) -> std::io::Result<String> {
    let mut writer = Writer::new_with_indent(Vec::new(), b' ', 2);
    writer.write_event(Event::Decl(BytesDecl::new("1.0", Some("UTF-8"), None)))?;
    let seconds: f64 = report.checks.iter().map(|result| result.seconds).sum();
    let (tests, failures) = (report.checks.len().to_string(), report.count(CheckOutcome::Failed).to_string());
    let skipped = report.count(CheckOutcome::Skipped) + report.count(CheckOutcome::NotApplicable);
    let (skipped, time) = (skipped.to_string(), format!("{seconds:.3}"));
    let name = format!("tongban certification of agency {}", report.agency);
    let begun = report.begun.strftime("%Y-%m-%dT%H:%M:%S").to_string();
    writer
        .create_element("testsuite")
        .with_attributes([
            ("name", name.as_str()),
            ("tests", &tests),
            ("failures", &failures),
            ("errors", "0"),
            ("skipped", &skipped),
            ("time", &time),
            ("timestamp", &begun),
        ])
        .write_inner_content(|writer| {
            report
                .checks
                .iter()
                .try_for_each(|result| case(writer, result, cited(report, Some(result.check))))?;
            said(writer, &[cited(report, None), report.refusals_unread.iter().cloned().collect()].concat())
        })?;
    String::from_utf8(writer.into_inner()).map_err(std::io::Error::other)
}

/// The refusals that a check saw, or those that belong to no check.
fn cited(report: &CertificationReport, check: Option<&str>) -> Vec<String> {
    report.refusals.iter().filter(|refusal| refusal.check == check).map(ToString::to_string).collect()
}

fn said(writer: &mut Writer<Vec<u8>>, lines: &[String]) -> std::io::Result<()> {
    if !lines.is_empty() {
        let output = writer.create_element("system-out");
        output.write_text_content(BytesText::new(&lines.join("\n")))?;
    }
    Ok(())
}

fn case(writer: &mut Writer<Vec<u8>>, result: &CheckResult, refusals: Vec<String>) -> std::io::Result<()> {
    let time = format!("{:.3}", result.seconds);
    let element = writer.create_element("testcase").with_attributes([
        ("classname", "certify"),
        ("name", result.check),
        ("time", &time),
    ]);
    let reason = result.reason.as_deref().unwrap_or_default();
    element.write_inner_content(|writer| {
        match result.outcome {
            CheckOutcome::Failed => {
                let failure = writer.create_element("failure").with_attribute(("message", reason));
                failure.write_text_content(BytesText::new(result.shows))?;
            }
            CheckOutcome::Skipped | CheckOutcome::NotApplicable => {
                writer.create_element("skipped").with_attribute(("message", reason)).write_empty()?;
            }
            CheckOutcome::Passed => {}
        }
        let measured = result.measured.iter().cloned();
        said(writer, &measured.chain(refusals).collect::<Vec<_>>())
    })?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::checks::CertificationCheck;
    use super::super::citation::CitedRefusal;
    use super::*;
    use jiff::Timestamp;
    use quick_xml::Reader;

    #[test]
    fn reasons_are_escaped_and_checks_are_counted() {
        let result = |check: CertificationCheck, outcome, reason: Option<&str>| CheckResult {
            check: check.name(),
            shows: check.shows(),
            outcome,
            reason: reason.map(str::to_owned),
            measured: None,
            seconds: 1.5,
        };
        let report = CertificationReport {
            agency: "11".parse().expect("a code"),
            hub: "https://hub.example".to_owned(),
            begun: Timestamp::UNIX_EPOCH,
            ended: Timestamp::UNIX_EPOCH,
            checks: vec![
                result(CertificationCheck::Ordinary, CheckOutcome::Passed, None),
                result(CertificationCheck::Forged, CheckOutcome::Failed, Some("a < b & \"c\"")),
                result(CertificationCheck::Burst, CheckOutcome::Skipped, Some("no")),
                result(CertificationCheck::ReportsQueue, CheckOutcome::NotApplicable, Some("not used")),
            ],
            refusals: vec![CitedRefusal {
                check: Some("forged"),
                what: "the report 7".to_owned(),
                application: None,
                status: 409,
                code: "stale_version".to_owned(),
                detail: "out of date".to_owned(),
            }],
            refusals_unread: None,
        };
        assert_eq!(report.outcome(), CheckOutcome::Failed);
        let text = junit(&report).expect("XML");
        assert!(text.contains(r#"tests="4" failures="1" errors="0" skipped="2" time="6.000""#), "{text}");
        assert!(
            text.contains("forged: the hub refused the report 7: 409 stale_version: out of date"),
            "{text}"
        );
        assert!(text.contains("a &lt; b &amp; &quot;c&quot;"), "{text}");
        let mut reader = Reader::from_str(&text);
        let mut cases = 0;
        loop {
            match reader.read_event().expect("well-formed") {
                Event::Eof => break,
                Event::Start(tag) | Event::Empty(tag) if tag.name().as_ref() == "testcase" => cases += 1,
                _ => {}
            }
        }
        assert_eq!(cases, 4);
    }
}
