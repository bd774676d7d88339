//! The pages of signing out: that it is done, and whether it shall be. They work without JavaScript.

/// The page that says that it is done, and lets the browser tell these addresses.
pub fn signed_out(told: &[String]) -> (String, String) {
    let frames: String = told.iter().fold(String::new(), |all, uri| {
        all + &format!("<iframe hidden title=\"\" src=\"{}\"></iframe>", escape(uri))
    });
    let sources: Vec<&str> = told.iter().filter_map(|uri| origin(uri)).collect();
    let framed = if sources.is_empty() { "'none'".to_owned() } else { sources.join(" ") };
    let page = page("You are signed out", &format!("<p>You can close this window.</p>{frames}"));
    (
        page,
        format!(
            "default-src 'none'; frame-src {framed}; frame-ancestors 'none'; base-uri 'none'; form-action 'none'"
        ),
    )
}

/// The page that asks.
pub fn ask(action: &str) -> (String, String) {
    let form = format!(
        "<form method=\"post\" action=\"{}\"><button type=\"submit\" class=\"submit\">Sign out</button></form>",
        escape(action)
    );
    let policy = "default-src 'none'; form-action 'self'; frame-ancestors 'none'; base-uri 'none'";
    (page("Do you want to sign out?", &form), policy.to_owned())
}

fn page(title: &str, content: &str) -> String {
    format!(
        "<!doctype html><html lang=\"en\"><head><meta charset=\"utf-8\">\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"><meta name=\"robots\" content=\"noindex\">\
         <title>{title}</title></head><body><main><h1>{title}</h1>{content}</main></body></html>"
    )
}

/// The origin of a registered address, without anything that would end it as a source.
fn origin(uri: &str) -> Option<&str> {
    let start = uri.find("://")? + 3;
    let end = uri.get(start..)?.find(['/', '?']).map_or(uri.len(), |end| start + end);
    uri.get(..end).filter(|origin| !origin.contains([';', ',', ' ', '\'']))
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}
