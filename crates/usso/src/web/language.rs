//! Which language a page is in.

use super::texts::{self, Texts};
use crate::http::cookie;
use http::{HeaderMap, header};

/// A language there are texts in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    /// English.
    English,
    /// Persian.
    Persian,
}

impl Language {
    /// All of them.
    pub const ALL: [Self; 2] = [Self::English, Self::Persian];

    /// The language of a tag such as `fa-IR` (RFC 5646), if it is one of them.
    pub fn parse(tag: &str) -> Option<Self> {
        let primary = tag.trim().split(['-', '_']).next().unwrap_or_default();
        Self::ALL.into_iter().find(|own| own.tag().eq_ignore_ascii_case(primary))
    }

    /// Its tag.
    pub const fn tag(self) -> &'static str {
        match self {
            Self::English => "en",
            Self::Persian => "fa",
        }
    }

    /// Where its lines begin.
    pub const fn direction(self) -> &'static str {
        match self {
            Self::English => "ltr",
            Self::Persian => "rtl",
        }
    }

    /// What it calls itself.
    pub const fn own_name(self) -> &'static str {
        match self {
            Self::English => "English",
            Self::Persian => "فارسی",
        }
    }

    /// Its texts.
    pub const fn texts(self) -> &'static Texts {
        match self {
            Self::English => &texts::EN,
            Self::Persian => &texts::FA,
        }
    }

    /// What the request asks for: in its address, by a former choice, in the browser's settings.
    pub fn asked(query: &str, headers: &HeaderMap) -> Option<Self> {
        Self::chosen(query)
            .or_else(|| cookie::get(headers, cookie::LANGUAGE).and_then(Self::parse))
            .or_else(|| accepted(headers.get(header::ACCEPT_LANGUAGE)?.to_str().ok()?))
    }

    /// What the address names: `lang`, or the first known one of `ui_locales` (OpenID Connect Core 1.0 section 3.1.2.1), also
    /// of the request that signing in goes back to.
    pub fn chosen(query: &str) -> Option<Self> {
        let value = |name: &str| {
            let mut pairs = form_urlencoded::parse(query.as_bytes());
            pairs.find(|(own, _)| own == name).map(|(_, value)| value.into_owned())
        };
        let locales = |query: &str| {
            let mut pairs = form_urlencoded::parse(query.as_bytes());
            let found = pairs.find(|(own, _)| own == "ui_locales")?.1;
            found.split([' ', ',']).find_map(Self::parse)
        };
        let from_target = || value("return_to").and_then(|target| locales(target.split_once('?')?.1));
        value("lang").as_deref().and_then(Self::parse).or_else(|| locales(query)).or_else(from_target)
    }
}

/// The language most wanted of those there are (RFC 9110 section 12.5.4).
fn accepted(header: &str) -> Option<Language> {
    let weighed = |part: &str| {
        let (tag, quality) = part.split_once(";q=").unwrap_or((part, "1"));
        let quality: f32 = quality.trim().parse().unwrap_or(0.0);
        Language::parse(tag).filter(|_| quality > 0.0).map(|language| (quality, language))
    };
    let known = header.split(',').take(20).filter_map(weighed);
    // Of equals the first.
    known
        .fold(None, |best: Option<(f32, Language)>, one| match best {
            Some(best) if best.0 >= one.0 => Some(best),
            _ => Some(one),
        })
        .map(|(_, language)| language)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_wanted_language_counts() {
        for (header, wanted) in [
            ("fa-IR,fa;q=0.9,en;q=0.8", Some(Language::Persian)),
            ("de,en;q=0.7,fa;q=0.8", Some(Language::Persian)),
            ("en;q=0,fa;q=0.1", Some(Language::Persian)),
            ("en-GB", Some(Language::English)),
            ("de, *;q=0.5", None),
            ("", None),
        ] {
            assert_eq!(accepted(header), wanted, "{header}");
        }
    }

    #[test]
    fn the_address_comes_first() {
        assert_eq!(Language::chosen("lang=fa"), Some(Language::Persian));
        assert_eq!(Language::chosen("ui_locales=de+fa-IR+en"), Some(Language::Persian));
        assert_eq!(
            Language::chosen("return_to=%2Foauth%2Fauthorize%3Fui_locales%3Dfa%26scope%3Dopenid"),
            Some(Language::Persian)
        );
        assert_eq!(Language::chosen("lang=xx"), None);
    }
}
