//! Small real documents, made here: a page, a picture, each like no other of its kind.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// A document to hand in.
#[derive(Clone, Debug)]
pub struct Paper {
    /// What it is, by its name on the wire.
    pub kind: &'static str,
    /// Its media type.
    pub media_type: &'static str,
    /// Its content.
    pub bytes: Vec<u8>,
}

impl Paper {
    /// A page.
    #[must_use]
    pub fn pdf(kind: &'static str, text: &str) -> Paper {
        Paper { kind, media_type: "application/pdf", bytes: pdf(text) }
    }

    /// A photograph of one grey pixel.
    #[must_use]
    pub fn jpeg(kind: &'static str, text: &str) -> Paper {
        Paper { kind, media_type: "image/jpeg", bytes: jpeg(text) }
    }

    /// A scan of one grey pixel.
    #[must_use]
    pub fn png(kind: &'static str, text: &str) -> Paper {
        Paper { kind, media_type: "image/png", bytes: png(text) }
    }

    /// SHA-256 in base64.
    #[must_use]
    pub fn sha256(&self) -> String {
        STANDARD.encode(Sha256::digest(&self.bytes))
    }

    /// As a declaration of a request.
    #[must_use]
    pub fn json(&self) -> Value {
        json!({
            "kind": self.kind,
            "media_type": self.media_type,
            "size": self.bytes.len(),
            "sha256": self.sha256(),
        })
    }
}

/// One empty page with a comment (ISO 32000-1).
fn pdf(text: &str) -> Vec<u8> {
    let objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        "<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        "<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Resources << >> >>",
    ];
    let mut page = format!("%PDF-1.4\n% {text}\n");
    let mut table = String::from("0000000000 65535 f \n");
    for (index, object) in objects.iter().enumerate() {
        table.push_str(&format!("{:010} 00000 n \n", page.len()));
        page.push_str(&format!("{} 0 obj\n{object}\nendobj\n", index + 1));
    }
    let start = page.len();
    let size = objects.len() + 1;
    page.push_str(&format!(
        "xref\n0 {size}\n{table}trailer\n<< /Size {size} /Root 1 0 R >>\nstartxref\n{start}\n%%EOF\n"
    ));
    page.into_bytes()
}

/// One grey pixel, baseline, with a comment segment (ITU-T T.81, JFIF 1.01).
fn jpeg(text: &str) -> Vec<u8> {
    let mut picture = vec![0xff, 0xd8];
    let mut segment = |marker: u8, parts: &[&[u8]]| {
        let length: usize = 2 + parts.iter().map(|part| part.len()).sum::<usize>();
        picture.extend([0xff, marker]);
        picture.extend(u16::try_from(length).expect("a short segment").to_be_bytes());
        parts.iter().for_each(|part| picture.extend(*part));
    };
    segment(0xe0, &[b"JFIF\0", &[1, 1, 0, 0, 72, 0, 72, 0, 0]]);
    segment(0xfe, &[text.as_bytes()]);
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
fn png(text: &str) -> Vec<u8> {
    let mut picture = b"\x89PNG\r\n\x1a\n".to_vec();
    let mut chunk = |kind: &[u8; 4], data: &[u8]| {
        let body = [kind, data].concat();
        picture.extend(u32::try_from(data.len()).expect("a short chunk").to_be_bytes());
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
    fn no_two_papers_are_the_same() {
        for make in [Paper::pdf, Paper::jpeg, Paper::png] {
            let (one, two) = (make("other", "one"), make("other", "two"));
            assert_ne!(one.sha256(), two.sha256());
            assert!(one.bytes.len() < 1000);
        }
    }
}
