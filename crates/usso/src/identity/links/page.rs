//! The page a link leads a browser to.
//!
//! Scanners of mail follow links, and following must not use one up: the page has a button that does (ruling D17).

/// What the page may do: nothing but show itself and send its form home.
pub const POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";

/// The page, with its button.
pub fn confirm(tenant: &str, token: &str, language: &str) -> String {
    let (dir, sentence, button) = match language {
        "fa" => ("rtl", "برای ورود روی دکمه بزنید.", "ورود"),
        _ => ("ltr", "Press the button to sign in.", "Sign in"),
    };
    let tenant = escape(tenant);
    let token = escape(token);
    format!(
        "<!doctype html><html lang=\"{language}\" dir=\"{dir}\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><meta name=\"robots\" content=\"noindex\">\
         <title>{tenant}</title><style>body{{font-family:system-ui,Tahoma,sans-serif;display:grid;place-items:center;\
         min-height:100vh;margin:0;color-scheme:light dark}}main{{max-width:24rem;padding:2rem;text-align:center}}\
         button{{font:inherit;padding:.75rem 2rem;border:0;border-radius:.4rem;background:#1f4fd8;color:#fff;cursor:pointer}}\
         </style></head><body><main><h1>{tenant}</h1><p>{sentence}</p><form method=\"post\">\
         <input type=\"hidden\" name=\"token\" value=\"{token}\"><button type=\"submit\">{button}</button></form></main>\
         </body></html>"
    )
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace('\'', "&#39;")
}
