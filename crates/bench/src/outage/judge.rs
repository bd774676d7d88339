//! What the answers must be, by what was away when they were asked for.

use super::Outage;
use super::clients::{Kind, Seen};
use super::disk::Stall;
use crate::fleet::faults::Faults;
use crate::histogram::Histogram;
use crate::table::Row;
use std::time::{Duration, Instant};

/// How long after a server's return everything must succeed again.
pub const RECOVERY: Duration = Duration::from_secs(2);
/// How long an answer may take that says the store is away.
const REFUSAL: Duration = Duration::from_millis(1500);

/// How many refusals a stalling disk may explain.
const EXCUSED_PERCENT: f64 = 1.0;

const KEY_SET: &str = "the key set is answered with 200 throughout";
const ME: &str = "/me of confirmed sessions is answered with 200 throughout";
const CALM: &str = "logins, refreshes, registrations: success while nothing is away";
const WITHOUT_STORE: &str =
    "logins, refreshes, registrations: success, or 503 with Retry-After, without PostgreSQL";
const IN_TIME: &str = "logins, refreshes, registrations: answered within 1.5 s without PostgreSQL";
const BIT: &str = "PostgreSQL was missed: each instance answered 503 meanwhile";
const BACK: &str = "PostgreSQL is back: each instance succeeds within 2 s";
const WITHOUT_REDIS: &str = "logins, refreshes, registrations: success while Redis is away, slow or flushed";

/// One outage.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    /// What was away.
    pub outage: Outage,
    /// From when.
    pub struck: Instant,
    /// Until when.
    pub returned: Instant,
}

impl Window {
    /// Whether an exchange may have met the outage or its aftermath.
    fn touches(&self, seen: &Seen) -> bool {
        seen.answered() >= self.struck && seen.sent <= self.returned + RECOVERY
    }
}

/// What was measured of one way to lose a server, over all rounds.
#[derive(Debug, Clone, Default)]
struct Figures {
    /// Answers of what needs the store: refusals if the store was away, successes otherwise.
    answers: Histogram,
    /// `/me` meanwhile.
    me: Histogram,
    /// From the return to each instance's first success.
    recoveries: Histogram,
}

/// Sums up all rounds.
#[derive(Debug, Clone, Default)]
pub struct Judge {
    figures: [Figures; Outage::ALL.len()],
    stalls: usize,
    longest_stall: Duration,
    answers: u64,
    /// Refusals that a stall of the disk explains.
    excused: u64,
}

impl Judge {
    /// Judges a round; answers a line for each outage.
    pub fn judge(
        &mut self,
        seen: &[Seen],
        (windows, stalls): (&[Window], &[Stall]),
        faults: &mut Faults,
    ) -> Vec<String> {
        for seen in seen {
            let window = windows.iter().find(|window| window.touches(seen));
            // Without the store a refusal needs no excuse, and has to be in time.
            let is_due = window.is_some_and(|window| window.outage.hits_the_store());
            let is_stalled = !is_due && stalls.iter().any(|stall| stall.touches(seen));
            self.answers += 1;
            if is_stalled && seen.kind.needs_the_store() && seen.is_refusal() {
                self.excused += 1;
            } else {
                check(seen, window, faults);
            }
        }
        self.stalls += stalls.len();
        let longest = stalls.iter().map(|stall| stall.until - stall.from).max();
        self.longest_stall = self.longest_stall.max(longest.unwrap_or_default());
        let mut lines = Vec::new();
        for (window, figures) in windows.iter().zip(&mut self.figures) {
            let round = measure(seen, window, faults);
            lines.push(format!("{}: {}", window.outage.name(), round.text(window.outage)));
            figures.answers.merge(&round.answers);
            figures.me.merge(&round.me);
            figures.recoveries.merge(&round.recoveries);
        }
        lines
    }

    /// The figures as rows.
    pub fn rows(&self) -> Vec<Row> {
        let mut rows = Vec::new();
        for (outage, figures) in Outage::ALL.into_iter().zip(&self.figures) {
            let name = outage.name();
            let answers = spread(&figures.answers);
            if outage.hits_the_store() {
                let slowest = ms(&figures.answers, 1.0);
                rows.push(Row::at_most(&format!("{name}: slowest 503"), "ms", slowest, 1500.0).note(answers));
                let slowest = ms(&figures.recoveries, 1.0);
                rows.push(
                    Row::at_most(&format!("{name}: first success after the return"), "ms", slowest, 2000.0)
                        .note(spread(&figures.recoveries)),
                );
            } else {
                let what = format!("{name}: logins, refreshes, registrations, p99");
                let p99 = format!("{:.1} ms", ms(&figures.answers, 0.99));
                rows.push(Row::plain(&what, p99).note(answers));
            }
            let p99 = format!("{:.1} ms", ms(&figures.me, 0.99));
            rows.push(Row::plain(&format!("{name}: /me, p99"), p99).note(spread(&figures.me)));
        }
        let share = 100.0 * self.excused as f64 / (self.answers as f64).max(1.0);
        rows.push(
            Row::at_most("refusals excused because the disk stalled", "%", share, EXCUSED_PERCENT).note(
                format!(
                    "{} of {} answers; {} stalls, longest {} ms",
                    self.excused,
                    self.answers,
                    self.stalls,
                    self.longest_stall.as_millis()
                ),
            ),
        );
        rows
    }
}

fn check(seen: &Seen, window: Option<&Window>, faults: &mut Faults) {
    let (succeeded, refused) = (seen.is_success(), seen.is_refusal());
    let during = window.map_or("calm", |window| window.outage.name());
    let example = || {
        format!(
            "{:?} at instance {}, {during}: {} after {:?}",
            seen.kind, seen.instance, seen.status, seen.latency
        )
    };
    match (seen.kind, window) {
        (Kind::KeySet, _) => faults.check(KEY_SET, succeeded, example),
        (Kind::Me, _) => faults.check(ME, succeeded, example),
        (_, None) => faults.check(CALM, succeeded, example),
        (_, Some(window)) if window.outage.hits_the_store() => {
            faults.check(IN_TIME, seen.latency <= REFUSAL, example);
            faults.check(WITHOUT_STORE, succeeded || refused, example)
        }
        (_, Some(_)) => faults.check(WITHOUT_REDIS, succeeded, example),
    };
}

fn measure(seen: &[Seen], window: &Window, faults: &mut Faults) -> Figures {
    let mut figures = Figures::default();
    let during: Vec<&Seen> =
        seen.iter().filter(|s| s.answered() >= window.struck && s.sent < window.returned).collect();
    let is_store = window.outage.hits_the_store();
    for seen in &during {
        if seen.kind == Kind::Me {
            figures.me.record(seen.latency);
        } else if seen.kind.needs_the_store() && seen.is_success() != is_store {
            figures.answers.record(seen.latency);
        }
    }
    if !is_store {
        return figures;
    }
    let mut instances: Vec<usize> = seen.iter().map(|seen| seen.instance).collect();
    instances.sort_unstable();
    instances.dedup();
    for instance in instances {
        let ours = |s: &&Seen| s.instance == instance && s.kind.needs_the_store();
        let refusals = during.iter().filter(|s| ours(s) && s.status == 503).count();
        faults.check(BIT, refusals > 0, || format!("instance {instance}, {}", window.outage.name()));
        let successes = seen.iter().filter(|s| ours(s) && s.is_success() && s.answered() >= window.returned);
        let recovery = successes.map(|s| s.answered() - window.returned).min();
        faults.check(BACK, recovery.is_some_and(|took| took <= RECOVERY), || {
            format!("instance {instance}, {}: {recovery:?}", window.outage.name())
        });
        recovery.into_iter().for_each(|took| figures.recoveries.record(took));
    }
    figures
}

impl Figures {
    fn text(&self, outage: Outage) -> String {
        let me = spread(&self.me);
        if outage.hits_the_store() {
            let recovery = ms(&self.recoveries, 1.0);
            format!("503: {}; back after {recovery:.0} ms; /me: {me}", spread(&self.answers))
        } else {
            format!("logins, refreshes, registrations: {}; /me: {me}", spread(&self.answers))
        }
    }
}

fn ms(histogram: &Histogram, fraction: f64) -> f64 {
    histogram.quantile(fraction).as_secs_f64() * 1e3
}

fn spread(histogram: &Histogram) -> String {
    let quantile = |fraction| ms(histogram, fraction);
    format!(
        "{} answers, median {:.1}, p99 {:.1}, max {:.1} ms",
        histogram.total(),
        quantile(0.5),
        quantile(0.99),
        quantile(1.0)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(kind: Kind, sent: Instant, status: u16) -> Seen {
        let latency = Duration::from_millis(10);
        Seen { kind, instance: 0, sent, latency, status, has_retry_after: status == 503 }
    }

    fn broken(faults: &Faults) -> Vec<String> {
        faults.rows().into_iter().filter(|row| row.met == Some(false)).map(|row| row.what).collect()
    }

    fn judged(seen: &[Seen], outage: Outage, begun: Instant) -> Vec<String> {
        let (struck, returned) = (begun + Duration::from_secs(1), begun + Duration::from_secs(2));
        let mut faults = Faults::default();
        Judge::default().judge(seen, (&[Window { outage, struck, returned }], &[]), &mut faults);
        broken(&faults)
    }

    #[test]
    fn a_stalled_disk_excuses_refusals_and_nothing_else() {
        let begun = Instant::now();
        let stall = Stall { from: begun, until: begun + Duration::from_secs(1) };
        let at = |kind, ms, status| seen(kind, begun + Duration::from_millis(ms), status);
        let asked = [at(Kind::Refresh, 500, 503), at(Kind::Refresh, 500, 401), at(Kind::Me, 500, 503)];
        let (mut judge, mut faults) = (Judge::default(), Faults::default());
        judge.judge(&asked, (&[], &[stall]), &mut faults);
        assert_eq!((broken(&faults), judge.excused), (vec![ME.to_owned(), CALM.to_owned()], 1));
        judge.judge(&[at(Kind::Refresh, 1500, 503)], (&[], &[stall]), &mut faults);
        assert_eq!(judge.excused, 1, "it is over");
    }

    #[test]
    fn a_refusal_is_right_while_the_store_is_away_and_wrong_otherwise() {
        let begun = Instant::now();
        let at = |ms| begun + Duration::from_millis(ms);
        let refresh = |ms, status| seen(Kind::Refresh, at(ms), status);
        let good = [refresh(0, 200), refresh(1500, 503), refresh(2500, 200)];
        assert_eq!(judged(&good, Outage::PostgresFrozen, begun), Vec::<String>::new());
        assert_eq!(judged(&good, Outage::RedisKilled, begun), [WITHOUT_REDIS]);
        let early = [refresh(0, 503), refresh(1500, 503), refresh(2500, 200)];
        assert_eq!(judged(&early, Outage::PostgresFrozen, begun), [CALM]);
        let slow = [refresh(1500, 503), refresh(4100, 200)];
        assert_eq!(judged(&slow, Outage::PostgresFrozen, begun), [BACK]);
        assert_eq!(judged(&[refresh(2500, 200)], Outage::PostgresKilled, begun), [BIT]);
    }

    #[test]
    fn nothing_excuses_the_key_set_and_a_confirmed_session() {
        let begun = Instant::now();
        let at = begun + Duration::from_millis(1500);
        let asked = [seen(Kind::KeySet, at, 503), seen(Kind::Me, at, 0), seen(Kind::Login, at, 200)];
        let wrong = judged(&asked, Outage::RedisSlow, begun);
        assert_eq!(wrong, [ME, KEY_SET]);
    }
}
