//! What makes a page a tenant's: name, logo, colours, addresses. What an administrator typed is taken only as far as it is
//! what it should be.

use super::colour::Colour;
use crate::http::Tenant;
use crate::http::csrf::origin_of;
use crate::tenant::issuer::Addressed;
use protocol::b64url;
use serde_json::Value;
use std::fmt::Write;

/// The card of a page, by light and by dark. The style sheet names the same colours.
const CARDS: [&str; 2] = ["#ffffff", "#17191e"];
/// The background behind it, by light.
const GROUND: &str = "#f4f5f7";

/// A tenant's look, as far as pages name it.
#[derive(Debug, Clone)]
pub struct Brand {
    /// What it is called.
    pub name: String,
    /// Its logo.
    pub logo: Option<String>,
    /// The icon of its pages.
    pub favicon: Option<String>,
    /// Where to ask for help.
    pub support_email: Option<String>,
    /// The terms of use.
    pub terms: Option<String>,
    /// The notice of privacy.
    pub privacy: Option<String>,
    /// The imprint.
    pub imprint: Option<String>,
    /// Changes with the style sheet.
    pub version: String,
}

fn text<'a>(part: Option<&'a Value>, name: &str) -> Option<&'a str> {
    part?.get(name)?.as_str().map(str::trim).filter(|text| !text.is_empty())
}

/// The address of a picture that pages may show.
fn picture(url: &str) -> Option<String> {
    let is_plain =
        url.len() <= 32_768 && url.bytes().all(|b| b.is_ascii_graphic() && b != b'"' && b != b'\\');
    let is_known = url.starts_with("https://") || url.starts_with("data:image/") || is_own(url);
    (is_plain && is_known).then(|| url.to_owned())
}

fn is_own(url: &str) -> bool {
    url.starts_with('/') && !url.starts_with("//")
}

/// The address of a page to link to.
fn page(url: &str) -> Option<String> {
    let is_known = url.starts_with("https://") || url.starts_with("http://") || is_own(url);
    (is_known && url.len() <= 2_048).then(|| url.to_owned())
}

impl Brand {
    /// A tenant's.
    pub fn of(tenant: &Tenant) -> Self {
        let record = &tenant.scope.profile().tenant;
        let branding = Value::Object(record.branding.clone());
        let branding = Some(&branding);
        let legal = record.config.extra().get("legal");
        let name = text(branding, "company_name").unwrap_or(&record.name).to_owned();
        let sheet = protocol::sha256(style(tenant).as_bytes());
        Self {
            name,
            logo: text(branding, "logo_url").or_else(|| text(branding, "logo")).and_then(picture),
            favicon: text(branding, "favicon").and_then(picture),
            support_email: text(branding, "support_email")
                .filter(|mail| mail.contains('@'))
                .map(str::to_owned),
            terms: text(legal, "terms_url").and_then(page),
            privacy: text(legal, "privacy_url").and_then(page),
            imprint: text(legal, "imprint_url").and_then(page),
            version: b64url::encode(sheet.get(..9).unwrap_or_default()),
        }
    }

    /// Nobody's: where a request names no tenant.
    pub fn none() -> Self {
        Self {
            name: "USSO".to_owned(),
            logo: None,
            favicon: None,
            support_email: None,
            terms: None,
            privacy: None,
            imprint: None,
            version: String::new(),
        }
    }

    /// Without anything that lies elsewhere: what is shown on a page whose address holds a secret.
    #[must_use]
    pub fn at_home(mut self) -> Self {
        let is_here = |url: &String| !url.starts_with("https://");
        self.logo = self.logo.filter(is_here);
        self.favicon = self.favicon.filter(is_here);
        self
    }

    /// The origins its pictures come from.
    pub fn picture_origins(&self) -> Vec<String> {
        let urls = self.logo.iter().chain(&self.favicon).filter(|url| url.starts_with("https://"));
        let is_origin =
            |origin: &String| origin.bytes().all(|b| b.is_ascii_alphanumeric() || b":/.-_[]".contains(&b));
        urls.filter_map(|url| origin_of(url)).filter(is_origin).collect()
    }
}

/// A tenant's style sheet: its colours and font as variables of the pages' own style sheet; on its own domain, with whatever
/// else it wants (ruling D27).
pub fn style(tenant: &Tenant) -> String {
    let record = &tenant.scope.profile().tenant;
    let branding = Value::Object(record.branding.clone());
    let branding = Some(&branding);
    let colour = |name: &str| text(branding, name).and_then(Colour::parse);
    let mut css = String::new();
    let font = text(branding, "font_family").and_then(fonts);
    if let Some(font) = font {
        let _ = writeln!(css, ":root{{--font:{font}}}");
    }
    if let Some(primary) = colour("primary_color") {
        for (card, is_dark) in CARDS.into_iter().zip([false, true]) {
            let card = Colour::parse(card).unwrap_or(Colour::WHITE);
            let _ = writeln!(css, "{}", themed(is_dark, &variables(primary, card)));
        }
    }
    if let Some(secondary) = colour("secondary_color") {
        let ground = Colour::parse(GROUND).unwrap_or(Colour::WHITE);
        let _ = writeln!(css, ":root{{--ground:{}}}", secondary.mixed(ground, 0.08));
        let dark = Colour::parse("#0e0f13").unwrap_or(Colour::BLACK);
        let _ = writeln!(css, "{}", themed(true, &format!("--ground:{}", secondary.mixed(dark, 0.06))));
    }
    // On a shared host other tenants' pages are one path away.
    if matches!(tenant.addressed, Addressed::Host(_)) {
        css.push_str(text(branding, "custom_css").unwrap_or_default());
    }
    css
}

/// What follows from the first colour on a card of this colour.
fn variables(primary: Colour, card: Colour) -> String {
    let fill = primary.readable(card, 3.0);
    let ink = primary.readable(card, 4.6);
    format!("--brand:{fill};--on-brand:{};--ink-brand:{ink}", fill.on_it())
}

fn themed(is_dark: bool, variables: &str) -> String {
    match is_dark {
        false => format!(":root{{{variables}}}"),
        true => format!("@media (prefers-color-scheme:dark){{:root{{{variables}}}}}"),
    }
}

/// A list of fonts, and nothing else.
fn fonts(text: &str) -> Option<&str> {
    let is_name = |c: char| c.is_alphanumeric() || matches!(c, ' ' | ',' | '-' | '"' | '\'');
    let is_even = |quote: char| text.matches(quote).count().is_multiple_of(2);
    (text.len() <= 200 && text.chars().all(is_name) && is_even('"') && is_even('\'')).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pictures_come_from_where_they_may() {
        for fine in ["https://cdn.example.com/logo.svg", "/logo.png", "data:image/png;base64,AAAA"] {
            assert!(picture(fine).is_some(), "{fine}");
        }
        for bad in [
            "http://a.example/x.png",
            "javascript:alert(1)",
            "//evil.example/x",
            "data:text/html,x",
            "https://a/\"",
        ] {
            assert!(picture(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn fonts_are_names() {
        assert!(fonts("\"Open Sans\", Vazirmatn, sans-serif").is_some());
        assert!(
            fonts("a;}body{display:none").is_none() && fonts("url(x)").is_none() && fonts("\"a").is_none()
        );
    }
}
