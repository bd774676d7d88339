//! What a database holds, in a number and a checksum for each kind of record.
//!
//! Documents are encoded with the length of every part before it, bodies as JSON in one form: a database may keep a body
//! in its own words, with names in another order or `1.0` for `1`.

use kernel::{KindSpec, Located, Place, StorageError, SystemScope, Timestamp};
use serde_json::{Number, Value};

/// How many documents are read at once.
pub const PAGE: u32 = 500;

/// What a kind holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tally {
    /// How many documents.
    pub count: u64,
    /// SHA-256 over all of them, in the order of partition and id.
    pub digest: [u8; 32],
}

impl Tally {
    /// Adds the next document.
    ///
    /// # Errors
    /// `Corrupt` when its body isn't JSON.
    pub fn add(&mut self, located: &Located) -> Result<(), StorageError> {
        let mut chained = self.digest.to_vec();
        encode(located, &mut chained)?;
        self.digest = protocol::sha256(&chained);
        self.count += 1;
        Ok(())
    }
}

/// Reads a kind page by page, in order.
///
/// # Errors
/// The database's own, and those of `each`.
pub async fn for_each_page<E: From<StorageError>>(
    system: &SystemScope,
    kind: &KindSpec,
    now: Timestamp,
    mut each: impl AsyncFnMut(Vec<Located>) -> Result<(), E>,
) -> Result<(), E> {
    let mut after: Option<Place> = None;
    loop {
        let page = system.ports().storage.scan(kind.kind, after, PAGE, now).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = Some(Place { partition: last.partition.clone(), id: last.document.id.clone() });
        each(page).await?;
    }
}

/// Counts and sums up a kind; `read` is told how many more were read.
///
/// # Errors
/// The database's own, `Corrupt` for bodies that aren't JSON.
pub async fn tally(
    system: &SystemScope,
    kind: &KindSpec,
    now: Timestamp,
    mut read: impl FnMut(usize),
) -> Result<Tally, StorageError> {
    let mut tally = Tally::default();
    let each = async |page: Vec<Located>| {
        page.iter().try_for_each(|located| tally.add(located))?;
        read(page.len());
        Ok::<_, StorageError>(())
    };
    for_each_page(system, kind, now, each).await?;
    Ok(tally)
}

fn encode(located: &Located, out: &mut Vec<u8>) -> Result<(), StorageError> {
    let d = &located.document;
    let body: Value = serde_json::from_str(&d.body)
        .map_err(|e| StorageError::Corrupt(format!("{} {}: {e}", d.kind, d.id)))?;
    part(located.partition.as_bytes(), out);
    part(d.id.as_bytes(), out);
    part(&d.revision.to_stored().to_be_bytes(), out);
    part(&d.version.to_be_bytes(), out);
    list(d.keys.iter().map(String::as_bytes), out);
    list(d.tags.iter().map(String::as_bytes), out);
    list(d.sorts.iter().flat_map(|(name, value)| [name.as_bytes(), value.as_slice()]), out);
    part(&d.created_at.unix_micros().to_be_bytes(), out);
    part(&d.updated_at.unix_micros().to_be_bytes(), out);
    list(d.expires_at.map(|at| at.unix_micros().to_be_bytes()).iter().map(<[u8; 8]>::as_slice), out);
    part(canonical(body).to_string().as_bytes(), out);
    Ok(())
}

fn part(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&(bytes.len() as u64).to_be_bytes());
    out.extend_from_slice(bytes);
}

fn list<'a>(items: impl Iterator<Item = &'a [u8]>, out: &mut Vec<u8>) {
    let items: Vec<&[u8]> = items.collect();
    out.extend_from_slice(&(items.len() as u64).to_be_bytes());
    items.into_iter().for_each(|item| part(item, out));
}

/// The same JSON in one form: names in order, whole numbers without a fraction.
pub fn canonical(value: Value) -> Value {
    match value {
        Value::Object(fields) => {
            let mut fields: Vec<(String, Value)> =
                fields.into_iter().map(|(name, value)| (name, canonical(value))).collect();
            fields.sort_by(|(a, _), (b, _)| a.cmp(b));
            Value::Object(fields.into_iter().collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(canonical).collect()),
        Value::Number(number) => Value::Number(whole(&number).unwrap_or(number)),
        other => other,
    }
}

/// A fraction that is none, as an integer if it fits one: a database may write `1e16` as `10000000000000000`.
fn whole(number: &Number) -> Option<Number> {
    let float = number.as_f64().filter(|f| number.is_f64() && f.fract() == 0.0)?;
    let digits = format!("{float:.0}");
    let signed = digits.parse::<i64>().ok().map(Number::from);
    signed.or_else(|| digits.parse::<u64>().ok().map(Number::from))
}

#[cfg(test)]
mod tests {
    use super::*;
    use kernel::{Document, Revision};

    fn located(body: &str) -> Located {
        let document = Document {
            kind: "things",
            id: "a".to_owned(),
            revision: Revision::from_stored(7),
            version: 1,
            keys: vec!["k:a".to_owned()],
            tags: vec!["t".to_owned(), "u".to_owned()],
            sorts: vec![("name", b"n".to_vec())],
            created_at: Timestamp::from_unix_seconds(1),
            updated_at: Timestamp::from_unix_seconds(2),
            expires_at: None,
            body: body.to_owned(),
        };
        Located { partition: "org_a".to_owned(), document }
    }

    fn digest(located: &Located) -> [u8; 32] {
        let mut tally = Tally::default();
        tally.add(located).unwrap();
        tally.digest
    }

    #[test]
    fn the_same_json_in_other_words_has_the_same_checksum() {
        let same = digest(&located(r#"{"a":1,"b":[1,2.5,"é"],"c":{"d":null,"e":0}}"#));
        for other in [
            r#"{"c": {"e": -0.0, "d": null}, "b": [1.0, 2.50, "\u00e9"], "a": 1e0}"#,
            r#"{"a":0,"a":1,"b":[1,25e-1,"é"],"c":{"d":null,"e":0}}"#,
        ] {
            assert_eq!(digest(&located(other)), same, "{other}");
        }
    }

    #[test]
    fn whatever_differs_changes_the_checksum() {
        let original = located(r#"{"a":9007199254740993,"b":[1,2]}"#);
        let mut seen = vec![digest(&original)];
        let mut changed = |change: &dyn Fn(&mut Located)| {
            let mut other = original.clone();
            change(&mut other);
            let digest = digest(&other);
            assert!(!seen.contains(&digest), "{other:?}");
            seen.push(digest);
        };
        changed(&|l| l.partition = "org_b".to_owned());
        changed(&|l| l.document.id = "b".to_owned());
        changed(&|l| l.document.revision = Revision::from_stored(8));
        changed(&|l| l.document.version = 2);
        changed(&|l| l.document.keys = vec!["k:".to_owned(), "a".to_owned()]);
        changed(&|l| l.document.keys.clear());
        changed(&|l| l.document.tags = vec!["tu".to_owned()]);
        changed(&|l| l.document.sorts = vec![("nam", b"en".to_vec())]);
        changed(&|l| l.document.created_at = Timestamp::from_unix_micros(1_000_001));
        changed(&|l| l.document.updated_at = Timestamp::from_unix_micros(1));
        changed(&|l| l.document.expires_at = Some(Timestamp::from_unix_micros(0)));
        changed(&|l| l.document.body = r#"{"a":9007199254740992,"b":[1,2]}"#.to_owned());
        changed(&|l| l.document.body = r#"{"a":9007199254740993,"b":[2,1]}"#.to_owned());
        changed(&|l| l.document.body = r#"{"a":"9007199254740993","b":[1,2]}"#.to_owned());
    }
}
