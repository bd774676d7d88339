//! Base64 with the URL-safe alphabet and no padding (RFC 4648 §5, RFC 7515 §2), decoded strictly.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The input was not canonical base64url: wrong alphabet, padding, a bad length or non-zero trailing bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not canonical unpadded base64url")]
pub struct DecodeError;

/// Encodes bytes as base64url without padding.
#[must_use]
pub fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// Appends the base64url form of `bytes` to `out`, without an intermediate string.
pub fn encode_into(bytes: &[u8], out: &mut String) {
    URL_SAFE_NO_PAD.encode_string(bytes, out);
}

/// Decodes canonical base64url.
///
/// # Errors
/// [`DecodeError`] unless the text is exactly what [`encode`] would produce for some bytes.
pub fn decode(text: impl AsRef<[u8]>) -> Result<Vec<u8>, DecodeError> {
    URL_SAFE_NO_PAD.decode(text).map_err(|_| DecodeError)
}

/// The length in characters of the encoding of `bytes` bytes.
pub(crate) const fn encoded_len(bytes: usize) -> usize {
    (bytes * 4).div_ceil(3)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn encodes_without_padding_and_with_the_url_alphabet() {
        assert_eq!(encode([0xfb, 0xff]), "-_8");
        assert_eq!(decode("-_8"), Ok(vec![0xfb, 0xff]));
        assert_eq!(encoded_len(2), 3);
        assert_eq!(encoded_len(0), 0);
    }

    #[test]
    fn non_canonical_text_is_rejected() {
        for text in ["-_8=", "+/8", "-_9", "A", "AA A", "AA\n"] {
            assert_eq!(decode(text), Err(DecodeError), "{text:?}");
        }
    }
}
