//! The bytes of a PDF page, a JPEG and a PNG, each valid and as small as its format allows.

/// Bytes of a JPEG's comment; a segment holds at most 65,533.
const COMMENT_BYTES: usize = 1_000;

/// A one-page PDF (ISO 32000-1) that shows these lines: plain letters, digits, spaces and `-./_,` of them. Other
/// characters are left out, because parentheses and backslashes end a PDF string.
#[must_use]
pub fn pdf_page(lines: &[&str]) -> Vec<u8> {
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
    let mut table = "0000000000 65535 f \n".to_owned();
    for (number, object) in (1_usize..).zip(&objects) {
        table.push_str(&format!("{:010} 00000 n \n", pdf.len()));
        pdf.push_str(&format!("{number} 0 obj\n{object}\nendobj\n"));
    }
    let (start, size) = (pdf.len(), objects.len().saturating_add(1));
    pdf.push_str(&format!("xref\n0 {size}\n{table}"));
    pdf.push_str(&format!("trailer\n<< /Size {size} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n"));
    pdf.into_bytes()
}

/// One grey pixel, baseline, with a comment segment (ITU-T T.81, JFIF 1.01).
pub(super) fn jpeg(text: &str) -> Vec<u8> {
    let mut picture = vec![0xff, 0xd8];
    let mut segment = |marker: u8, parts: &[&[u8]]| {
        let length = parts.iter().map(|part| part.len()).sum::<usize>().saturating_add(2);
        picture.extend([0xff, marker]);
        picture.extend(u16::try_from(length).unwrap_or(u16::MAX).to_be_bytes());
        parts.iter().for_each(|part| picture.extend(*part));
    };
    segment(0xe0, &[b"JFIF\0", &[1, 1, 0, 0, 72, 0, 72, 0, 0]]);
    segment(0xfe, &[text.as_bytes().get(..COMMENT_BYTES).unwrap_or(text.as_bytes())]);
    segment(0xdb, &[&[0], &[1; 64]]);
    segment(0xc0, &[&[8, 0, 1, 0, 1, 1, 1, 0x11, 0]]);
    // Both Huffman tables know one code of one bit: no difference, end of block.
    let one_code: &[u8] = &[1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    segment(0xc4, &[&[0x00], one_code]);
    segment(0xc4, &[&[0x10], one_code]);
    segment(0xda, &[&[1, 1, 0, 0, 63, 0]]);
    picture.extend([0b0011_1111, 0xff, 0xd9]);
    picture
}

/// One grey pixel with a text chunk (ISO/IEC 15948).
pub(super) fn png(text: &str) -> Vec<u8> {
    let mut picture = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut chunk = |kind: &[u8; 4], data: &[u8]| {
        let body = [kind, data].concat();
        picture.extend(u32::try_from(data.len()).unwrap_or(u32::MAX).to_be_bytes());
        picture.extend(&body);
        picture.extend(crc(&body).to_be_bytes());
    };
    chunk(b"IHDR", &[0, 0, 0, 1, 0, 0, 0, 1, 8, 0, 0, 0, 0]);
    chunk(b"tEXt", format!("Comment\0{text}").as_bytes());
    // A zlib stream of one stored block: filter none, one grey byte, and their Adler-32.
    chunk(b"IDAT", &[0x78, 0x01, 1, 2, 0, 0xfd, 0xff, 0, 0x80, 0, 0x82, 0, 0x81]);
    chunk(b"IEND", &[]);
    picture
}

fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(u32::MAX, |sum, byte| {
        (0..8).fold(
            sum ^ u32::from(*byte),
            |sum, _| if sum & 1 == 1 { sum >> 1 ^ 0xedb8_8320 } else { sum >> 1 },
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_chunks_carry_the_standard_check_value() {
        assert_eq!(crc(b"123456789"), 0xcbf4_3926);
    }

    #[test]
    fn every_offset_of_the_table_points_at_its_object() {
        let pdf = String::from_utf8(pdf_page(&["a title", "No. HC-11-(x)\\1"])).expect("ascii");
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
