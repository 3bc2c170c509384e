//! The certificate a simulated agency issues: one page of PDF that every reader opens.

/// Media type of what [`simulated`] makes.
pub const MEDIA_TYPE: &str = "application/pdf";

/// The certificate with a number. The same number gives the same bytes, so an upload that is tried again is the
/// same upload. Nothing personal is in it.
#[must_use]
pub fn simulated(number: &str) -> Vec<u8> {
    page(&["SIMULATED household certificate", &format!("No. {number}")])
}

/// A one-page PDF (ISO 32000-1) that shows these lines, as far as they are plain letters, digits and `-./_,` and
/// spaces.
#[must_use]
pub fn page(lines: &[&str]) -> Vec<u8> {
    // Parentheses and backslashes end a PDF string, and no line needs them.
    let plain = |line: &&str| -> String {
        line.chars().filter(|c| c.is_ascii_alphanumeric() || "-./_, ".contains(*c)).collect()
    };
    let lines: Vec<String> = lines.iter().map(|line| format!("({}) Tj", plain(line))).collect();
    let text = format!("BT /F1 16 Tf 72 760 Td {} ET", lines.join(" 0 -28 Td "));
    let objects = [
        "<< /Type /Catalog /Pages 2 0 R >>".to_owned(),
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>".to_owned(),
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents 4 0 R \
         /Resources << /Font << /F1 5 0 R >> >> >>"
            .to_owned(),
        format!("<< /Length {} >>\nstream\n{text}\nendstream", text.len()),
        "<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica >>".to_owned(),
    ];
    let mut pdf = "%PDF-1.4\n".to_owned();
    let mut offsets = Vec::new();
    for (index, object) in objects.iter().enumerate() {
        offsets.push(pdf.len());
        pdf.push_str(&format!("{} 0 obj\n{object}\nendobj\n", index + 1));
    }
    let table = pdf.len();
    pdf.push_str(&format!("xref\n0 {}\n0000000000 65535 f \n", objects.len() + 1));
    for offset in offsets {
        pdf.push_str(&format!("{offset:010} 00000 n \n"));
    }
    pdf.push_str(&format!(
        "trailer\n<< /Size {} /Root 1 0 R >>\nstartxref\n{table}\n%%EOF\n",
        objects.len() + 1
    ));
    pdf.into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_offset_of_the_table_points_at_its_object() {
        let pdf = String::from_utf8(simulated("HC-11-(x)\\1")).expect("ascii");
        assert!(pdf.starts_with("%PDF-1.4\n") && pdf.ends_with("%%EOF\n"));
        assert!(pdf.contains("(No. HC-11-x1)"), "{pdf}");
        let start: usize = pdf
            .rsplit("startxref\n")
            .next()
            .and_then(|tail| tail.lines().next())
            .and_then(|line| line.parse().ok())
            .expect("startxref");
        let lines: Vec<&str> = pdf[start..].lines().collect();
        assert_eq!(lines[..2], ["xref", "0 6"]);
        for (number, line) in lines[3..8].iter().enumerate() {
            let offset: usize = line[..10].parse().expect("an offset");
            assert!(pdf[offset..].starts_with(&format!("{} 0 obj\n", number + 1)));
            assert_eq!(line.len(), 19, "20 bytes with the line's end");
        }
    }
}
