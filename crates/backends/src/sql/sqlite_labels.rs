//! How keys, tags and sort attributes are written in a document's row.
//!
//! They are kept there as JSON beside the rows of the index tables: a document is then read with one lookup, and
//! a replace sees in one comparison that the index tables may stay as they are.

use kernel::StorageError;

/// A sort attribute: its name, and the bytes it is compared by.
pub(super) type SortValue<N> = (N, Vec<u8>);

/// Writes keys or tags.
pub(super) fn encode_list(items: &[String]) -> String {
    serde_json::to_string(items).unwrap_or_default()
}

/// Reads keys or tags.
pub(super) fn decode_list(text: &str) -> Result<Vec<String>, StorageError> {
    if text == "[]" {
        return Ok(Vec::new());
    }
    serde_json::from_str(text).map_err(|e| StorageError::Corrupt(e.to_string()))
}

/// Writes sort attributes; the bytes in hexadecimal, as they needn't be text.
pub(super) fn encode_sorts(sorts: &[SortValue<&'static str>]) -> String {
    let pairs: Vec<(&str, String)> = sorts.iter().map(|(name, value)| (*name, to_hex(value))).collect();
    serde_json::to_string(&pairs).unwrap_or_default()
}

/// Reads sort attributes.
pub(super) fn decode_sorts(text: &str) -> Result<Vec<SortValue<String>>, StorageError> {
    if text == "[]" {
        return Ok(Vec::new());
    }
    let pairs: Vec<(String, String)> =
        serde_json::from_str(text).map_err(|e| StorageError::Corrupt(e.to_string()))?;
    pairs.into_iter().map(|(name, value)| Ok((name, from_hex(&value)?))).collect()
}

fn to_hex(bytes: &[u8]) -> String {
    let digit = |n: u8| char::from_digit(u32::from(n), 16).unwrap_or('0');
    bytes.iter().flat_map(|b| [digit(b >> 4), digit(b & 15)]).collect()
}

fn from_hex(text: &str) -> Result<Vec<u8>, StorageError> {
    let broken = || StorageError::Corrupt("a sort attribute isn't hexadecimal".to_owned());
    let digits: Vec<u8> = text
        .chars()
        .map(|c| c.to_digit(16).and_then(|d| u8::try_from(d).ok()))
        .collect::<Option<_>>()
        .ok_or_else(broken)?;
    let (pairs, rest) = digits.as_chunks::<2>();
    if rest.is_empty() {
        Ok(pairs.iter().map(|[high, low]| (high << 4) | low).collect())
    } else {
        Err(broken())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_round_trip() {
        let sorts = [("name", vec![0, 15, 16, 255]), ("rank", vec![])];
        let read = decode_sorts(&encode_sorts(&sorts)).unwrap();
        assert_eq!(read, [("name".to_owned(), vec![0, 15, 16, 255]), ("rank".to_owned(), vec![])]);
        let tags = ["a:1".to_owned(), "b:\"x\"".to_owned()];
        assert_eq!(decode_list(&encode_list(&tags)).unwrap(), tags);
        assert!(decode_sorts("[[\"a\",\"0\"]]").is_err() && decode_sorts("[[\"a\",\"zz\"]]").is_err());
    }
}
