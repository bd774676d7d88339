//! How a list becomes SQL.
//!
//! Each alternative of a query is a select over the rows of one tag in index order, other tags being looked up
//! by primary key; the alternatives are merged by `UNION`, which removes documents that fulfil several.
//! SQLite merges them in index order by itself; PostgreSQL would read each to its end, so there each is cut first.

use super::labels::prefix_end;
use super::schema::{Dialect, KindTables};
use kernel::{Query, TagMatch, Timestamp};

/// From this many alternatives of a single tag on, they are looked up as a list.
const MANY_ALTERNATIVES: usize = 16;

/// Databases limit how many selects one statement may unite.
const UNION_LIMIT: usize = 200;

/// A value to bind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Bound {
    /// An integer.
    Integer(i64),
    /// A text.
    Text(String),
}

/// By what the index tables are walked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Order {
    /// By creation.
    Created,
    /// By a sort attribute some document had.
    Field(&'static str),
    /// By one that none ever had: all are equal, ids decide.
    Unknown,
}

/// The documents that fulfil one alternative, and their order.
#[derive(Debug)]
struct Select {
    /// Whether a document may come several times.
    repeats: bool,
    /// What the list is sorted by.
    column: &'static str,
    /// From where on.
    rows: String,
}

impl Select {
    /// Order and id of each.
    fn ids(&self) -> String {
        let Self { repeats, column, rows } = self;
        let distinct = if *repeats { "DISTINCT " } else { "" };
        format!("SELECT {distinct}{column} AS o, t.id AS id {rows}")
    }
}

/// A list in SQL: each of `selects` selects the documents that fulfil one alternative.
#[derive(Debug)]
pub(super) struct Plan {
    selects: Vec<Select>,
    /// The direction of the order: `ASC` or `DESC`.
    pub(super) direction: &'static str,
    dialect: &'static Dialect,
    /// What to bind, the first at `?1`: the partition.
    pub(super) bound: Vec<Bound>,
    /// Whether statements of this shape come again often enough to be kept.
    pub(super) common: bool,
}

impl Plan {
    /// The ids of a page; limit and offset are bound after all else.
    pub(super) fn ids(&self) -> String {
        let Self { direction, dialect: Dialect { parameter, .. }, bound, .. } = self;
        let order = format!("ORDER BY 1 {direction}, 2 {direction}");
        let limit = format!("{parameter}{}", bound.len() + 1);
        let offset = format!("{parameter}{}", bound.len() + 2);
        let matching =
            self.matching(&format!(" {order} LIMIT CAST({limit} AS BIGINT) + CAST({offset} AS BIGINT)"));
        format!("{matching} {order} LIMIT {limit} OFFSET {offset}")
    }

    /// How many match, counted up to a bound.
    pub(super) fn count(&self, bound: Option<u64>) -> String {
        let limit = bound.map(|n| format!(" LIMIT {n}")).unwrap_or_default();
        let counted = match self.selects.as_slice() {
            // Nothing is there twice, so nothing has to be told apart.
            [Select { repeats: false, rows, .. }] => format!("SELECT 1 {rows}"),
            _ => self.matching(&limit),
        };
        format!("SELECT count(*) AS n FROM ({counted}{limit}) counted")
    }

    /// All that match, of each alternative only what is left by the cut if the database needs to be told.
    fn matching(&self, cut: &str) -> String {
        if !self.dialect.guided || self.selects.len() < 2 {
            return unite(self.selects.iter().map(Select::ids).collect());
        }
        let cut = |(n, select): (usize, &Select)| format!("SELECT o, id FROM ({}{cut}) s{n}", select.ids());
        unite(self.selects.iter().enumerate().map(cut).collect())
    }
}

/// Writes the SQL of a query. The most selective exact tag of each alternative should come first. Without `now` no
/// document of the kind expires.
pub(super) fn plan(
    dialect: &'static Dialect,
    tables: &KindTables,
    partition: &str,
    query: &Query,
    order: Order,
    now: Option<Timestamp>,
) -> Plan {
    let mut writer = Writer::new(dialect, tables, order);
    writer.filters(partition, query, now);
    let everything = query.any_of.is_empty() || query.any_of.iter().any(Vec::is_empty);
    let mut selects = Vec::new();
    if everything {
        selects.push(writer.select(&[TagMatch::Is(String::new())]));
    } else {
        let single: Vec<&str> = query.any_of.iter().filter_map(|tags| only_exact(tags)).collect();
        let as_list = single.len() >= MANY_ALTERNATIVES;
        if as_list {
            selects.push(writer.select_list(&single));
        }
        for tags in query.any_of.iter().filter(|tags| !(as_list && only_exact(tags).is_some())) {
            selects.push(writer.select_tagged(tags));
        }
    }
    let common = selects.len() <= 4;
    Plan {
        selects,
        dialect,
        direction: if query.sort.descending { "DESC" } else { "ASC" },
        bound: writer.bound,
        common,
    }
}

fn only_exact(tags: &[TagMatch]) -> Option<&str> {
    match tags {
        [TagMatch::Is(tag)] => Some(tag),
        _ => None,
    }
}

fn unite(mut selects: Vec<String>) -> String {
    while selects.len() > UNION_LIMIT {
        selects = selects
            .chunks(UNION_LIMIT)
            .map(|part| format!("SELECT o, id FROM ({}) part", part.join(" UNION ")))
            .collect();
    }
    selects.join(" UNION ")
}

struct Writer<'a> {
    dialect: &'static Dialect,
    tables: &'a KindTables,
    source: &'a str,
    column: &'static str,
    order: Order,
    common: String,
    bound: Vec<Bound>,
}

impl<'a> Writer<'a> {
    fn new(dialect: &'static Dialect, tables: &'a KindTables, order: Order) -> Self {
        let (source, column) = match order {
            Order::Created => (&tables.tags, "t.created_at"),
            Order::Field(_) => (&tables.sorts, "t.value"),
            Order::Unknown => (&tables.tags, "0"),
        };
        Self { dialect, tables, source, column, order, common: String::new(), bound: Vec::new() }
    }

    fn bind(&mut self, value: Bound) -> String {
        self.bound.push(value);
        format!("{}{}", self.dialect.parameter, self.bound.len())
    }

    fn bind_text(&mut self, text: &str) -> String {
        self.bind(Bound::Text(text.to_owned()))
    }

    fn filters(&mut self, partition: &str, query: &Query, now: Option<Timestamp>) {
        let mut common = format!("t.partition = {}", self.bind_text(partition));
        if let Some(now) = now {
            let (now, main) = (self.bind(Bound::Integer(now.unix_micros())), &self.tables.main);
            let lives = self.holds(&format!(
                "FROM {main} d WHERE d.partition = t.partition AND d.id = t.id AND d.expires_at > {now}"
            ));
            common.push_str(&format!(" AND (t.expiring = 0 OR {lives})"));
        }
        if let Order::Field(field) = self.order {
            common.push_str(&format!(" AND t.field = {}", self.bind_text(field)));
        }
        for (time, comparison) in [(query.created_from, ">="), (query.created_to, "<=")] {
            if let Some(time) = time {
                let bound = self.bind(Bound::Integer(time.unix_micros()));
                common.push_str(&format!(" AND t.created_at {comparison} {bound}"));
            }
        }
        self.common = common;
    }

    fn selected(&self, repeats: bool, conditions: &str) -> Select {
        let Self { source, common, .. } = self;
        Select { repeats, column: self.column, rows: format!("FROM {source} t WHERE {common}{conditions}") }
    }

    fn select_tagged(&mut self, tags: &[TagMatch]) -> Select {
        // The row of the empty tag belongs to the list of everything; it must not match as a tag.
        if tags.iter().any(|tag| matches!(tag, TagMatch::Is(tag) if tag.is_empty())) {
            return self.selected(false, " AND 1 = 0");
        }
        let driver = tags.iter().position(|tag| matches!(tag, TagMatch::Is(_))).unwrap_or(0);
        let mut tags: Vec<TagMatch> = tags.to_vec();
        tags.swap(0, driver);
        self.select(&tags)
    }

    fn select(&mut self, tags: &[TagMatch]) -> Select {
        let (mut conditions, mut repeats) = (String::new(), false);
        for (index, tag) in tags.iter().enumerate() {
            let condition = match tag {
                TagMatch::Is(tag) if index == 0 => format!(" AND t.tag = {}", self.bind_text(tag)),
                TagMatch::StartsWith(prefix) if index == 0 => {
                    repeats = true;
                    format!(" AND {}", self.within("t.tag", prefix))
                }
                TagMatch::Is(tag) => self.has_tag(tag),
                TagMatch::StartsWith(prefix) => self.has_prefix(prefix),
            };
            conditions.push_str(&condition);
        }
        self.selected(repeats, &conditions)
    }

    fn select_list(&mut self, tags: &[&str]) -> Select {
        let tags: Vec<String> =
            tags.iter().filter(|tag| !tag.is_empty()).map(|tag| self.bind_text(tag)).collect();
        self.selected(true, &format!(" AND t.tag IN ({})", tags.join(", ")))
    }

    fn has_tag(&mut self, tag: &str) -> String {
        let tag = self.bind_text(tag);
        let table = &self.tables.tags;
        let holds = self.holds(&format!(
            "FROM {table} m WHERE m.partition = t.partition AND m.tag = {tag} AND m.created_at = t.created_at \
             AND m.id = t.id"
        ));
        format!(" AND {holds}")
    }

    fn has_prefix(&mut self, prefix: &str) -> String {
        let within = self.within("j.value", prefix);
        let (main, rows) = (&self.tables.main, self.dialect.tag_rows);
        let holds = self.holds(&format!(
            "FROM {main} p, {rows} WHERE p.partition = t.partition AND p.id = t.id AND {within}"
        ));
        format!(" AND {holds}")
    }

    /// Whether there are such rows, looked up for one row of the list after the other: PostgreSQL makes a join of a
    /// plain `EXISTS` if it likes, and then walks the list in another order.
    fn holds(&self, rows: &str) -> String {
        let guide = if self.dialect.guided { " OFFSET 0" } else { "" };
        format!("EXISTS (SELECT 1 {rows}{guide})")
    }

    fn within(&mut self, column: &str, prefix: &str) -> String {
        let start = self.bind_text(prefix);
        // Above, not from, the empty prefix: the row of the empty tag isn't a tag.
        let from = if prefix.is_empty() { ">" } else { ">=" };
        match prefix_end(prefix) {
            Some(end) => format!("{column} {from} {start} AND {column} < {}", self.bind_text(&end)),
            None => format!("{column} {from} {start}"),
        }
    }
}
