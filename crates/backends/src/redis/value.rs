//! How a value is held: `{expiry}:{bytes}`, the expiry in microseconds since 1970 by the caller's clock.
//!
//! Redis' own expiry only collects what nobody asks for any more: it is counted by another clock and comes an hour
//! later. What has to look before it writes is a script, because a script runs alone.

use kernel::Timestamp;
use kernel::ephemeral::EphemeralError;
use std::time::Duration;

/// Values are kept for clocks that are behind.
const SLACK: Duration = Duration::from_secs(3600);
/// Redis adds it to its own time, so it must leave room.
const LONGEST_KEPT_MS: u64 = 1 << 52;

/// The code of an answer about a value that isn't of our form.
pub const FOREIGN: &str = "FOREIGN";
/// The code of an answer about a value that can't be counted up.
pub const NOT_A_COUNT: &str = "NOTACOUNT";

/// Key; now, value with expiry, milliseconds to keep. Answers 1 if it put the value.
pub const PUT_IF_ABSENT: &str = r"
local held = redis.pcall('GET', KEYS[1])
if type(held) == 'table' then return held end
if held then
  local expiry = string.match(held, '^(%-?%d+):')
  if not expiry then return redis.error_reply('FOREIGN value') end
  if tonumber(ARGV[1]) < tonumber(expiry) then return 0 end
end
redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
return 1";

/// Key; now, expiry of a new window, milliseconds to keep it. Answers the count.
pub const INCREMENT: &str = r"
local held = redis.pcall('GET', KEYS[1])
if type(held) == 'table' then return held end
if held then
  local expiry, value = string.match(held, '^(%-?%d+):(.*)$')
  if not expiry then return redis.error_reply('FOREIGN value') end
  if tonumber(ARGV[1]) < tonumber(expiry) then
    if not string.match(value, '^%d+$') then return redis.error_reply('NOTACOUNT value') end
    local count = tonumber(value) + 1
    redis.call('SET', KEYS[1], expiry .. ':' .. string.format('%.0f', count), 'KEEPTTL')
    return count
  end
end
redis.call('SET', KEYS[1], ARGV[2] .. ':1', 'PX', ARGV[3])
return 1";

/// When a value put now expires.
pub fn expiry(ttl: Duration, now: Timestamp) -> Timestamp {
    let micros = i64::try_from(ttl.as_micros()).unwrap_or(i64::MAX);
    Timestamp::from_unix_micros(now.unix_micros().saturating_add(micros))
}

/// How long Redis keeps it, in milliseconds.
pub fn kept(ttl: Duration) -> u64 {
    u64::try_from(ttl.saturating_add(SLACK).as_millis()).unwrap_or(u64::MAX).min(LONGEST_KEPT_MS)
}

/// The value as it is held.
pub fn encode(value: &[u8], expiry: Timestamp) -> Vec<u8> {
    let mut held = format!("{}:", expiry.unix_micros()).into_bytes();
    held.extend_from_slice(value);
    held
}

/// The value, unless it has expired.
///
/// # Errors
/// When it isn't of our form.
pub fn live(held: Option<Vec<u8>>, now: Timestamp) -> Result<Option<Vec<u8>>, EphemeralError> {
    let Some(mut held) = held else { return Ok(None) };
    let colon = held.iter().position(|byte| *byte == b':');
    let expiry = colon.and_then(|end| std::str::from_utf8(held.get(..end)?).ok()?.parse::<i64>().ok());
    let (Some(colon), Some(expiry)) = (colon, expiry) else { return Err(refused(FOREIGN)) };
    Ok((now.unix_micros() < expiry).then(|| held.split_off(colon + 1)))
}

/// What an answer's code says of the value.
pub fn refused(code: &str) -> EphemeralError {
    EphemeralError(match code {
        NOT_A_COUNT => "the value isn't a count".into(),
        _ => "the value under this key was put by somebody else".into(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp::from_unix_seconds(1_800_000_000);

    #[test]
    fn any_bytes_are_read_back_until_they_expire() {
        for value in [&b""[..], b":", b"1:2", b"\0\xff:\n"] {
            let held = encode(value, NOW.plus_seconds(60));
            assert_eq!(live(Some(held.clone()), NOW.plus_seconds(59)).unwrap().as_deref(), Some(value));
            assert_eq!(live(Some(held), NOW.plus_seconds(60)).unwrap(), None);
        }
    }

    #[test]
    fn a_value_of_another_form_is_an_error() {
        for held in [&b""[..], b":", b"no expiry", b"12", b"-:x", b"99999999999999999999:x", b"\xff:x"] {
            assert!(live(Some(held.to_vec()), NOW).is_err(), "{held:?}");
        }
    }

    #[test]
    fn a_lifetime_without_end_stays_within_what_redis_accepts() {
        assert_eq!(kept(Duration::MAX), LONGEST_KEPT_MS);
        assert_eq!(kept(Duration::from_secs(60)), 3_660_000);
        assert_eq!(expiry(Duration::MAX, NOW).unix_micros(), i64::MAX);
    }
}
