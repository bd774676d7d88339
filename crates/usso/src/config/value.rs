//! The plain types a configuration key can have: numbers, booleans, texts, paths, addresses, lists.

use crate::config::setting::{Raw, Setting};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

/// A TOML basic string.
pub(super) fn quoted(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            c if c.is_control() => out.push_str(&format!("\\u{:04X}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Refuses control characters, which names, paths and headers never need.
pub(super) fn without_control(text: &str) -> Result<(), String> {
    if text.chars().any(char::is_control) {
        Err("must not contain control characters".to_owned())
    } else {
        Ok(())
    }
}

impl<T: Setting> Setting for Option<T> {
    const SECRET: bool = T::SECRET;

    fn read(raw: &Raw) -> Result<Self, String> {
        T::read(raw).map(Some)
    }

    fn show(&self) -> Option<String> {
        self.as_ref().and_then(T::show)
    }
}

impl<T: Setting> Setting for Vec<T> {
    fn read(raw: &Raw) -> Result<Self, String> {
        raw.items().into_iter().map(|item| T::read(&Raw::One(item.to_owned()))).collect()
    }

    fn show(&self) -> Option<String> {
        let items: Vec<String> = self.iter().filter_map(T::show).collect();
        Some(format!("[{}]", items.join(", ")))
    }
}

macro_rules! number {
    ($($type:ty)+) => {$(
        impl Setting for $type {
            fn read(raw: &Raw) -> Result<Self, String> {
                let text = raw.text()?;
                let digits = Some(text).filter(|text| text.bytes().all(|b| b.is_ascii_digit()));
                digits.and_then(|digits| digits.parse().ok()).ok_or_else(|| {
                    format!("{text:?} is not a whole number from 0 to {}", Self::MAX)
                })
            }

            fn show(&self) -> Option<String> {
                Some(self.to_string())
            }
        }
    )+};
}
number!(u16 u32 usize);

impl Setting for bool {
    fn read(raw: &Raw) -> Result<Self, String> {
        let text = raw.text()?;
        match text.to_ascii_lowercase().as_str() {
            "1" | "true" | "yes" | "on" => Ok(true),
            "0" | "false" | "no" | "off" => Ok(false),
            _ => Err(format!("{text:?} is none of 1 0 true false yes no on off")),
        }
    }

    fn show(&self) -> Option<String> {
        Some(self.to_string())
    }
}

impl Setting for String {
    fn read(raw: &Raw) -> Result<Self, String> {
        let text = raw.text()?.trim();
        without_control(text)?;
        if text.is_empty() { Err("must not be empty".to_owned()) } else { Ok(text.to_owned()) }
    }

    fn show(&self) -> Option<String> {
        Some(quoted(self))
    }
}

impl Setting for PathBuf {
    fn read(raw: &Raw) -> Result<Self, String> {
        let text = raw.text()?;
        without_control(text)?;
        if text.is_empty() { Err("must not be empty".to_owned()) } else { Ok(Self::from(text)) }
    }

    fn show(&self) -> Option<String> {
        Some(quoted(&self.to_string_lossy()))
    }
}

impl Setting for SocketAddr {
    fn read(raw: &Raw) -> Result<Self, String> {
        let text = raw.text()?;
        text.parse()
            .map_err(|_| format!("{text:?} is not an address with a port like 9.9.9.9:53 or [::1]:53"))
    }

    fn show(&self) -> Option<String> {
        Some(quoted(&self.to_string()))
    }
}

impl Setting for IpAddr {
    fn read(raw: &Raw) -> Result<Self, String> {
        let text = raw.text()?;
        if text.eq_ignore_ascii_case("localhost") {
            return Ok(Self::V4(Ipv4Addr::LOCALHOST));
        }
        let bare = text.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(text);
        bare.parse().map_err(|_| format!("{text:?} is not an address like 127.0.0.1, 0.0.0.0 or ::"))
    }

    fn show(&self) -> Option<String> {
        Some(quoted(&self.to_string()))
    }
}
