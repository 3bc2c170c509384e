//! The certificate that a simulated agency issues: a PDF of one page.

use app_client::pdf_page;

/// Media type of a [`simulated`] certificate.
pub const MEDIA_TYPE: &str = "application/pdf";

/// The certificate with a number, without personal data. The same number gives the same bytes, so a retried upload
/// changes nothing.
#[must_use]
pub fn simulated(number: &str) -> Vec<u8> {
    pdf_page(&["SIMULATED household certificate", &format!("No. {number}")])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_number_gives_the_same_certificate() {
        let pdf = String::from_utf8(simulated("HC-11-1")).expect("ascii");
        assert!(pdf.contains("(No. HC-11-1)"), "{pdf}");
        assert_eq!(simulated("HC-11-1"), pdf.into_bytes());
    }
}
