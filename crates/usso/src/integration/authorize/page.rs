//! The page of the Form Post Response Mode: it holds the answer and posts itself to the client.
//!
//! Without JavaScript there is a button. The one script is known by its digest, and the form can go to this client only.

use super::respond::Redirection;
use protocol::sha256;

const SCRIPT: &str = "document.forms[0].submit()";

/// The page.
pub fn form_post(back: &Redirection) -> String {
    let fields: String = back.params.iter().fold(String::new(), |all, (name, value)| {
        all + &format!("<input type=\"hidden\" name=\"{name}\" value=\"{}\">", escape(value))
    });
    let action = escape(&back.redirect_uri);
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\"><meta name=\"robots\" content=\"noindex\">\
         <title>One moment</title></head><body><form method=\"post\" action=\"{action}\">{fields}\
         <noscript><p>One more step: press the button to go on.</p></noscript><button type=\"submit\">Continue</button></form>\
         <script>{SCRIPT}</script></body></html>"
    )
}

/// What the page may do.
pub fn policy(back: &Redirection) -> String {
    let digest =
        base64::Engine::encode(&base64::engine::general_purpose::STANDARD, sha256(SCRIPT.as_bytes()));
    format!(
        "default-src 'none'; script-src 'sha256-{digest}'; form-action {}; frame-ancestors 'none'; base-uri 'none'",
        source(&back.redirect_uri)
    )
}

/// The origin of a registered URI as a source of Content Security Policy; for an application's own scheme, that.
fn source(uri: &str) -> String {
    let (scheme, rest) = uri.split_once(':').unwrap_or((uri, ""));
    match rest.strip_prefix("//").map(|rest| rest.split(['/', '?']).next().unwrap_or_default()) {
        Some(authority) if matches!(scheme, "http" | "https") && is_source(authority) => {
            format!("{scheme}://{authority}")
        }
        _ => format!("{scheme}:"),
    }
}

/// No character that would end the source, or the directive.
fn is_source(authority: &str) -> bool {
    authority.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'-' | b':' | b'[' | b']'))
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::integration::authorize::request::ResponseMode;

    fn back(redirect_uri: &str, state: &str) -> Redirection {
        let params = vec![("state".into(), state.to_owned())];
        Redirection { redirect_uri: redirect_uri.to_owned(), mode: ResponseMode::FormPost, params }
    }

    #[test]
    fn values_stay_values() {
        let page = form_post(&back("https://a.b/c?d=e&f", "\"><script>alert('1')</script>&amp;"));
        assert_eq!(page.matches("<script").count(), 1, "{page}");
        assert!(page.contains("action=\"https://a.b/c?d=e&amp;f\""), "{page}");
        assert!(
            page.contains("&quot;&gt;&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&amp;amp;"),
            "{page}"
        );
    }

    #[test]
    fn the_form_can_go_to_the_client_only() {
        for (uri, wanted) in [
            ("https://a.b:8443/c?d", "form-action https://a.b:8443;"),
            ("http://[::1]:1/c", "form-action http://[::1]:1;"),
            ("myapp:/c", "form-action myapp:;"),
            ("https://a.b;script-src/", "form-action https:;"),
        ] {
            assert!(policy(&back(uri, "")).contains(wanted), "{uri}");
        }
    }
}
