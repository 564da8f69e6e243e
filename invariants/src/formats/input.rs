//! Decodes the bytes of a file to text.

use super::ParseError;
use flate2::read::MultiGzDecoder;
use std::io::Read;

/// Maximum size of a file, compressed or not: text of this size and what is read from it fit in 1 GiB.
pub const MAX_BYTES: usize = 256 << 20;

/// The text of a file; decompresses gzip.
///
/// # Errors
/// The file is larger than [`MAX_BYTES`], damaged, or not UTF-8 text.
pub fn decode_text(bytes: Vec<u8>) -> Result<String, ParseError> {
    let bytes = if bytes.starts_with(&[0x1f, 0x8b]) { gunzip(&bytes)? } else { bytes };
    if bytes.len() > MAX_BYTES {
        return Err(too_large_error());
    }
    if let Some(name) = unsupported_encoding(&bytes) {
        return Err(ParseError { line: 0, expected: "text in UTF-8", reason: format!("it is {name}") });
    }
    String::from_utf8(bytes).map_err(|error| {
        let (end, bytes) = (error.utf8_error().valid_up_to(), error.as_bytes());
        let line = 1 + bytes[..end].iter().filter(|&&byte| byte == b'\n').count();
        ParseError { line, expected: "text in UTF-8", reason: format!("there is a byte {:#04x}", bytes[end]) }
    })
}

/// The error for a file that is larger than [`MAX_BYTES`].
#[must_use]
pub fn too_large_error() -> ParseError {
    let reason = "it is larger; a part of it, cut between two runs of the recorder, can be checked by itself";
    ParseError { line: 0, expected: "a file of at most 256 MiB once unpacked", reason: reason.to_string() }
}

fn gunzip(bytes: &[u8]) -> Result<Vec<u8>, ParseError> {
    let mut text = Vec::new();
    // One byte more than allowed shows that the limit is exceeded.
    let mut input = MultiGzDecoder::new(bytes).take(MAX_BYTES as u64 + 1);
    match input.read_to_end(&mut text) {
        Ok(_) => Ok(text),
        Err(error) => Err(ParseError {
            line: 0,
            expected: "a whole gzip file",
            reason: match error.kind() {
                std::io::ErrorKind::UnexpectedEof => "it ends too early".to_string(),
                _ => "its data is damaged".to_string(),
            },
        }),
    }
}

/// First bytes of unsupported files, with a description and what to do.
const UNSUPPORTED_MAGIC: [(&[u8], &str); 9] = [
    (
        b"JEPSEN",
        "Jepsen's binary test file (test.jepsen); its history is in history.edn or history.txt beside it",
    ),
    (b"\xff\xfe\0\0", "text in UTF-32; convert it to UTF-8"),
    (b"\0\0\xfe\xff", "text in UTF-32; convert it to UTF-8"),
    (b"\xff\xfe", UTF_16),
    (b"\xfe\xff", UTF_16),
    (b"PK\x03\x04", "a zip archive; unpack it first"),
    (b"\x28\xb5\x2f\xfd", "compressed with zstd; unpack it first"),
    (b"BZh", "compressed with bzip2; unpack it first"),
    (b"\xfd7zXZ\0", "compressed with xz; unpack it first"),
];

const UTF_16: &str = "text in UTF-16; convert it to UTF-8";

/// Describes a file that cannot hold UTF-8 text; `None` if it may.
fn unsupported_encoding(bytes: &[u8]) -> Option<&'static str> {
    let known = UNSUPPORTED_MAGIC.iter().find(|(magic, _)| bytes.starts_with(magic));
    let is_wide = || {
        // ASCII in UTF-16 has a zero in every second byte.
        let start = &bytes[..bytes.len().min(64) & !1];
        let zeros = |odd: usize| start.iter().skip(odd).step_by(2).filter(|&&byte| byte == 0).count();
        start.len() >= 8
            && [zeros(0), zeros(1)].iter().any(|&zeros| zeros * 2 > start.len() * 3 / 4)
            && zeros(0).abs_diff(zeros(1)) > start.len() / 4
    };
    known.map(|&(_, name)| name).or_else(|| is_wide().then_some(UTF_16))
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test reads messages about recordings")]
mod tests {
    use super::*;
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use std::io::Write;

    fn gzip(text: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        encoder.write_all(text).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn gzip_is_decompressed_and_damaged_gzip_is_rejected() {
        let compressed = gzip(b"one history");
        assert_eq!(decode_text(compressed.clone()).unwrap(), "one history");
        assert_eq!(decode_text([compressed.clone(), gzip(b" more")].concat()).unwrap(), "one history more");
        for end in 3..compressed.len() {
            let error = decode_text(compressed[..end].to_vec()).unwrap_err().to_string();
            assert_eq!(error, "expected a whole gzip file: it ends too early");
        }
        let mut damaged = compressed;
        let last = damaged.len() - 6;
        damaged[last] ^= 1;
        assert_eq!(
            decode_text(damaged).unwrap_err().to_string(),
            "expected a whole gzip file: its data is damaged"
        );
    }

    /// A file of a few hundred kilobytes that would decompress to more than allowed.
    #[test]
    fn a_gzip_bomb_is_rejected() {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        let block = vec![b' '; 1 << 20];
        for _ in 0..=MAX_BYTES >> 20 {
            encoder.write_all(&block).unwrap();
        }
        let bomb = encoder.finish().unwrap();
        assert!(bomb.len() < 4 << 20);
        assert!(decode_text(bomb).unwrap_err().to_string().starts_with("expected a file of at most 256 MiB"));
        assert!(decode_text(vec![b' '; MAX_BYTES + 1]).is_err());
    }

    #[test]
    fn files_that_hold_no_text_are_named_in_the_error() {
        let wide: Vec<u8> = "{:process 0, :type :invoke}".encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = "{:process 0, :type :invoke}".encode_utf16().flat_map(u16::to_be_bytes).collect();
        for (bytes, name) in [
            (b"JEPSEN\0\0\0\x01".to_vec(), "test.jepsen"),
            ([b"\xff\xfe".to_vec(), wide.clone()].concat(), "UTF-16"),
            ([b"\xfe\xff".to_vec(), big.clone()].concat(), "UTF-16"),
            (wide.clone(), "UTF-16"),
            (big, "UTF-16"),
            (gzip(&wide), "UTF-16"),
            (b"PK\x03\x04 and so on".to_vec(), "zip"),
        ] {
            let error = decode_text(bytes).unwrap_err().to_string();
            assert!(error.contains(name), "{name}: {error}");
        }
        assert_eq!(decode_text(b"short".to_vec()).unwrap(), "short");
        assert_eq!(decode_text(vec![0; 100]).unwrap().len(), 100);
    }
}
