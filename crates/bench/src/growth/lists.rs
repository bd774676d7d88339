//! Lists and lookups at both sizes, at the storage port: page 1 of everything and of filters, by creation and by name,
//! find by e-mail; and page 10,000 of the large tenant.

use super::installation::Installation;
use super::users::Filled;
use crate::histogram::Histogram;
use crate::table::{Row, number};
use kernel::{Query, Record, Sort, TagMatch};
use std::io::{Error, Result};
use std::time::{Duration, Instant};
use usso::identity::users::model::User;

const SAMPLES: u64 = 300;
const DEEP_SAMPLES: u64 = 100;
const PAGE: u32 = 20;
const DEEP_PAGE: u64 = 10_000;
const MOST_RATIO: f64 = 3.0;
const DEEP_LIMIT_MS: f64 = 25.0;

/// Every call at both sizes in turn.
///
/// # Errors
/// When the storage fails.
pub fn lists(installation: &Installation, small: &Filled, large: &Filled) -> Result<Vec<Row>> {
    let all = || Query { limit: PAGE, ..Query::all(User::KIND) };
    let tagged = |tag: &str| all().with_all(vec![TagMatch::Is(tag.to_owned())]);
    let by_name = Sort { field: "name", descending: false };
    let queries = [
        ("page 1 of all users", all()),
        ("page 1 by name", Query { sort: by_name, ..all() }),
        ("page 1 of a role", tagged("role:editor")),
        ("page 1 of the inactive", tagged("active:false")),
        ("page 1 of the active by name", Query { sort: by_name, ..tagged("active:true") }),
    ];
    installation.runtime.block_on(async {
        let mut rows = Vec::new();
        for (what, query) in queries {
            let (mut at_small, mut at_large) = (Histogram::default(), Histogram::default());
            for _ in 0..SAMPLES {
                at_small.record(page(small, &query).await?);
                at_large.record(page(large, &query).await?);
            }
            rows.push(ratio(what, &at_small, &at_large));
        }
        let (mut at_small, mut at_large) = (Histogram::default(), Histogram::default());
        for sample in 0..SAMPLES {
            at_small.record(find(small, sample).await?);
            at_large.record(find(large, sample).await?);
        }
        rows.push(ratio("find by e-mail", &at_small, &at_large));
        rows.push(deep(large, &all()).await?);
        Ok(rows)
    })
}

async fn page(filled: &Filled, query: &Query) -> Result<Duration> {
    let begun = Instant::now();
    let page = filled.scope.records::<User>().page(query.clone()).await.map_err(Error::other)?;
    let took = begun.elapsed();
    if page.items.is_empty() { Err(Error::other("an empty page")) } else { Ok(took) }
}

async fn find(filled: &Filled, sample: u64) -> Result<Duration> {
    let key = filled.key(sample.wrapping_mul(104_729) % filled.users);
    let begun = Instant::now();
    let found = filled.scope.records::<User>().find(&key).await.map_err(Error::other)?;
    let took = begun.elapsed();
    found.map(|_| took).ok_or_else(|| Error::other("a user is missing"))
}

async fn deep(large: &Filled, all: &Query) -> Result<Row> {
    let last = large.users.saturating_sub(u64::from(PAGE)) / u64::from(PAGE);
    let offset = DEEP_PAGE.saturating_sub(1).min(last) * u64::from(PAGE);
    let (query, mut times) = (Query { offset, ..all.clone() }, Histogram::default());
    for _ in 0..DEEP_SAMPLES {
        times.record(page(large, &query).await?);
    }
    let row = Row::at_most("page 10,000, p99", "ms", p99(&times), DEEP_LIMIT_MS);
    Ok(row.note(format!("offset {}, p50 {} ms", number(offset as f64), number(p50(&times)))))
}

fn p99(times: &Histogram) -> f64 {
    times.quantile(0.99).as_secs_f64() * 1e3
}

fn p50(times: &Histogram) -> f64 {
    times.quantile(0.5).as_secs_f64() * 1e3
}

/// The p99 of a call at the large size over that at the small one.
pub fn ratio(what: &str, small: &Histogram, large: &Histogram) -> Row {
    let most = p99(large) / p99(small).max(1e-3);
    let note =
        [p99, p50].map(|of| format!("{} ms to {} ms", number(of(large)), number(of(small)))).join("; p50 ");
    Row::at_most(&format!("{what}, p99, large to small"), "×", most, MOST_RATIO).note(note)
}
