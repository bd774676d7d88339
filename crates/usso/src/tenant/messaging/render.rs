//! Writing a message: templates with their variables, as text and as a page.
//!
//! A tenant's own templates come from its administrators, so they run in a sandbox: no files, no loops without end, bounded
//! in size, and on a page everything put in is escaped.

use super::templates::Template;
use minijinja::{AutoEscape, Environment, UndefinedBehavior};
use serde_json::{Map, Value};

/// Steps a template may take.
const FUEL: u64 = 20_000;
/// The longest template, and the longest message, in bytes.
pub const MAX_TEMPLATE: usize = 65_536;
/// The longest subject, in characters.
const MAX_SUBJECT: usize = 200;

/// A message in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Words {
    /// What it is about: one line.
    pub subject: String,
    /// As text.
    pub text: String,
    /// As a page.
    pub html: String,
}

/// A tenant's own words for a message.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Own {
    /// Instead of the subject.
    pub subject: Option<String>,
    /// Instead of the paragraphs; a page if it begins with `<`.
    pub body: Option<String>,
}

impl Own {
    /// What a tenant's settings hold for a template in a language: the entry whose name or `template_type` it is, one of the
    /// language before one of none.
    pub fn find(templates: &Map<String, Value>, template: Template, language: &str) -> Self {
        let text = |entry: &Value, name: &str| entry.get(name).and_then(Value::as_str).map(str::to_owned);
        let is_meant = |(name, entry): &(&String, &Value)| {
            let kind = text(entry, "template_type");
            kind.as_deref().unwrap_or(name.split('.').next().unwrap_or_default()) == template.as_str()
        };
        let spoken = |(name, entry): &(&String, &Value)| {
            text(entry, "language").or_else(|| name.split_once('.').map(|(_, language)| language.to_owned()))
        };
        let meant: Vec<_> = templates.iter().filter(is_meant).collect();
        let found = meant.iter().find(|entry| spoken(entry).as_deref() == Some(language));
        let found = found.or_else(|| meant.iter().find(|entry| spoken(entry).is_none()));
        found.map_or_else(Self::default, |(_, entry)| Self {
            subject: text(entry, "subject").filter(|subject| !subject.is_empty()),
            body: text(entry, "inline_body").filter(|body| !body.is_empty()),
        })
    }
}

/// Writes a message in a language, in a tenant's own words where it has any.
///
/// # Errors
/// What is wrong with the tenant's own words.
pub fn write(
    template: Template,
    language: &str,
    own: &Own,
    variables: &Map<String, Value>,
) -> Result<Words, String> {
    let (subject, body) = template.words(language);
    let subject = filled("subject.txt", own.subject.as_deref().unwrap_or(subject), variables)?;
    let is_page = own.body.as_deref().is_some_and(|body| body.trim_start().starts_with('<'));
    let text = match &own.body {
        Some(own) if !is_page => filled("body.txt", own, variables)?,
        _ => filled("body.txt", body, variables)?,
    };
    let html = match &own.body {
        Some(own) if is_page => filled("body.html", own, variables)?,
        _ => page(language, &text, variables),
    };
    Ok(Words { subject: one_line(&subject), text, html })
}

fn filled(name: &str, source: &str, variables: &Map<String, Value>) -> Result<String, String> {
    if source.len() > MAX_TEMPLATE {
        return Err(format!("a template may have {MAX_TEMPLATE} bytes"));
    }
    let mut sandbox = Environment::new();
    sandbox.set_fuel(Some(FUEL));
    sandbox.set_undefined_behavior(UndefinedBehavior::Lenient);
    sandbox.set_auto_escape_callback(|name| match name.ends_with(".html") {
        true => AutoEscape::Html,
        false => AutoEscape::None,
    });
    let written = sandbox
        .render_named_str(name, source, minijinja::value::Serde(variables))
        .map_err(|e| e.to_string())?;
    if written.len() > MAX_TEMPLATE {
        return Err(format!("a message may have {MAX_TEMPLATE} bytes"));
    }
    Ok(written)
}

/// A header holds one line; what comes after could be read as another header (RFC 5322 section 2.2).
fn one_line(text: &str) -> String {
    let words: Vec<&str> =
        text.split(|c: char| c.is_control() || c.is_whitespace()).filter(|w| !w.is_empty()).collect();
    words.join(" ").chars().take(MAX_SUBJECT).collect()
}

/// The paragraphs of a text as a page: the code large, the link as a button.
fn page(language: &str, text: &str, variables: &Map<String, Value>) -> String {
    let is_rtl = matches!(language, "fa" | "ar" | "he" | "ur");
    let (dir, align) = if is_rtl { ("rtl", "right") } else { ("ltr", "left") };
    let known = |name: &str| variables.get(name).and_then(Value::as_str).filter(|value| !value.is_empty());
    let paragraph = |part: &str| {
        let shown = escape(part.trim());
        match part.trim() {
            own if known("code") == Some(own) => {
                format!(
                    "<p dir=\"ltr\" style=\"font-size:28px;letter-spacing:6px;font-weight:700\">{shown}</p>"
                )
            }
            own if known("link") == Some(own) => format!(
                "<p><a href=\"{shown}\" style=\"display:inline-block;padding:12px 24px;border-radius:6px;\
                 background:#1f4fd8;color:#ffffff;text-decoration:none\">{}</a></p>\
                 <p dir=\"ltr\" style=\"font-size:12px;color:#555555;word-break:break-all\">{shown}</p>",
                escape(if language == "fa" { "ادامه" } else { "Continue" })
            ),
            _ => format!("<p>{}</p>", shown.replace('\n', "<br>")),
        }
    };
    let paragraphs: String =
        text.split("\n\n").filter(|part| !part.trim().is_empty()).map(paragraph).collect();
    let sender = escape(known("tenant_name").unwrap_or_default());
    format!(
        "<!doctype html><html lang=\"{}\" dir=\"{dir}\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width\"></head>\
         <body style=\"margin:0;padding:24px;background:#f4f4f6;font-family:system-ui,Tahoma,sans-serif;color:#1a1a1a\">\
         <div style=\"max-width:480px;margin:auto;padding:32px;background:#ffffff;border-radius:8px;\
         text-align:{align};line-height:1.6\"><h1 style=\"font-size:18px;margin-top:0\">{sender}</h1>{paragraphs}</div>\
         </body></html>",
        escape(language)
    )
}

fn escape(text: &str) -> String {
    let mut safe = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '&' => safe.push_str("&amp;"),
            '<' => safe.push_str("&lt;"),
            '>' => safe.push_str("&gt;"),
            '"' => safe.push_str("&quot;"),
            '\'' => safe.push_str("&#39;"),
            other => safe.push(other),
        }
    }
    safe
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn variables() -> Map<String, Value> {
        let all = json!({"code": "123456", "link": "https://a.example/x?token=1&y=2", "tenant_name": "A <b> & Co",
            "identifier": "a@b.c", "minutes": 5, "what": "Something", "ip": "1.2.3.4", "time": "now"});
        all.as_object().cloned().unwrap()
    }

    fn own(subject: Option<&str>, body: Option<&str>) -> Own {
        Own { subject: subject.map(str::to_owned), body: body.map(str::to_owned) }
    }

    #[test]
    fn every_template_can_be_written_in_both_languages() {
        for template in Template::ALL {
            for language in ["en", "fa", "tlh"] {
                let words = write(template, language, &Own::default(), &variables()).unwrap();
                assert!(!words.subject.is_empty() && !words.text.is_empty(), "{}", template.as_str());
                let dir = if language == "fa" { "dir=\"rtl\"" } else { "dir=\"ltr\"" };
                assert!(words.html.contains(dir));
                assert!(
                    words.html.contains("A &lt;b&gt; &amp; Co") && !words.html.contains("A <b>"),
                    "{}",
                    words.html
                );
                assert!(!words.text.contains("{{"), "{}", words.text);
            }
        }
    }

    #[test]
    fn a_subject_is_one_line() {
        let own = own(Some("Hello\r\nBcc: everybody@example.com\n{{ code }}"), None);
        let words = write(Template::EmailOtp, "en", &own, &variables()).unwrap();
        assert_eq!(words.subject, "Hello Bcc: everybody@example.com 123456");
    }

    #[test]
    fn a_tenants_page_is_escaped_and_its_text_is_not() {
        let page = own(None, Some("<h1>{{ tenant_name }}</h1>{{ code }}"));
        let words = write(Template::EmailOtp, "en", &page, &variables()).unwrap();
        assert_eq!(words.html, "<h1>A &lt;b&gt; &amp; Co</h1>123456");
        assert!(words.text.contains("123456"));
        let plain = own(None, Some("{{ tenant_name }}: {{ code }}"));
        assert_eq!(write(Template::EmailOtp, "en", &plain, &variables()).unwrap().text, "A <b> & Co: 123456");
    }

    #[test]
    fn a_template_that_never_ends_or_reads_files_is_refused() {
        for body in [
            "{% for a in range(10000) %}{% for b in range(10000) %}x{% endfor %}{% endfor %}",
            "{% include '/etc/passwd' %}",
            "{{ open('/etc/passwd') }}",
            "{{ code",
        ] {
            assert!(write(Template::EmailOtp, "en", &own(None, Some(body)), &variables()).is_err(), "{body}");
        }
        let large = own(None, Some(&"x".repeat(MAX_TEMPLATE + 1)));
        assert!(write(Template::EmailOtp, "en", &large, &variables()).is_err());
    }

    #[test]
    fn the_entry_of_the_language_comes_first() {
        let templates = json!({
            "magic_link": {"subject": "any"}, "magic_link.fa": {"subject": "fa"},
            "winter": {"template_type": "email_otp", "language": "en", "inline_body": "winter"},
        });
        let templates = templates.as_object().unwrap();
        let subject = |language| Own::find(templates, Template::MagicLink, language).subject;
        assert_eq!((subject("fa").as_deref(), subject("en").as_deref()), (Some("fa"), Some("any")));
        assert_eq!(Own::find(templates, Template::EmailOtp, "en").body.as_deref(), Some("winter"));
        assert_eq!(Own::find(templates, Template::EmailOtp, "fa"), Own::default());
    }
}
