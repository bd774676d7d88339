//! Somebody at a browser without JavaScript: follows redirects and fills in the forms of the pages it comes to.

use super::party::{ORIGIN, Pairs, url_encoded};
use crate::app::{Answer, Browser, PASSWORD, Requests, TestApp};
use std::collections::HashMap;

/// An element's attributes.
pub type Attributes = HashMap<String, String>;

/// A form of a page.
#[derive(Debug, Clone)]
pub struct Form {
    /// Its own attributes.
    pub attributes: Attributes,
    /// Those of its input elements.
    pub inputs: Vec<Attributes>,
    /// Those of its buttons, with their words as `text`.
    pub buttons: Vec<Attributes>,
}

/// Where a browser ends up.
#[derive(Debug)]
pub enum Landing {
    /// At an address of somebody else, with these parameters.
    Elsewhere {
        /// The address without its query.
        url: String,
        /// What it was given.
        params: Pairs,
        /// Whether by a form.
        is_posted: bool,
    },
    /// On a page where there is nothing to fill in.
    Page(Answer),
}

/// Somebody at a browser.
#[derive(Clone)]
pub struct Person {
    /// The browser.
    pub browser: Browser,
    /// Whom they sign in as.
    pub identifier: String,
    /// Whether they consent.
    pub consents: bool,
    /// What they saw: method, status and path of each step.
    pub seen: std::sync::Arc<std::sync::Mutex<Vec<String>>>,
}

fn unescape(text: &str) -> String {
    let entities = [
        ("&quot;", "\""),
        ("&#34;", "\""),
        ("&#x22;", "\""),
        ("&#39;", "'"),
        ("&#x27;", "'"),
        ("&#x2f;", "/"),
        ("&#x2F;", "/"),
        ("&#43;", "+"),
        ("&#60;", "<"),
        ("&#62;", ">"),
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&#38;", "&"),
        ("&amp;", "&"),
    ];
    entities.iter().fold(text.to_owned(), |text, (entity, plain)| text.replace(entity, plain))
}

fn attributes(tag: &str) -> Attributes {
    let mut found = HashMap::new();
    let mut rest = tag.split_once(char::is_whitespace).map_or("", |(_, rest)| rest);
    while let Some(begin) = rest.find(|c: char| c.is_ascii_alphabetic()) {
        rest = &rest[begin..];
        let end = rest.find(|c: char| !(c.is_ascii_alphanumeric() || c == '-')).unwrap_or(rest.len());
        let name = rest[..end].to_ascii_lowercase();
        rest = rest[end..].trim_start();
        let value = match rest.strip_prefix('=').map(str::trim_start) {
            None => "",
            Some(after) => {
                let quote = after.chars().next().filter(|c| matches!(c, '"' | '\''));
                let (value, left) = match quote {
                    Some(quote) => after[1..].split_once(quote).expect("a closing quote"),
                    None => after.split_at(after.find(char::is_whitespace).unwrap_or(after.len())),
                };
                rest = left;
                value
            }
        };
        found.insert(name, unescape(value));
    }
    found
}

/// What lies between each `<name …>` and its `</name>`, with the tag.
fn elements<'a>(html: &'a str, name: &str) -> Vec<(&'a str, &'a str)> {
    let (open, close) = (format!("<{name}"), format!("</{name}>"));
    html.match_indices(&open)
        .filter(|(at, _)| html[at + open.len()..].starts_with(|c: char| c.is_whitespace() || c == '>'))
        .map(|(at, _)| {
            let (tag, rest) = html[at + 1..].split_once('>').expect("a tag");
            (tag, rest.split_once(&close).map_or("", |(inside, _)| inside))
        })
        .collect()
}

fn words(html: &str) -> String {
    let mut text = String::new();
    let mut is_inside = false;
    for c in html.chars() {
        match c {
            '<' => is_inside = true,
            '>' => is_inside = false,
            c if !is_inside => text.push(c),
            _ => {}
        }
    }
    unescape(text.trim())
}

/// The forms of a page.
pub fn forms(html: &str) -> Vec<Form> {
    elements(html, "form")
        .into_iter()
        .map(|(tag, inside)| {
            let button = |(tag, text): (&str, &str)| {
                let mut own = attributes(tag);
                own.insert("text".into(), words(text));
                own
            };
            Form {
                attributes: attributes(tag),
                inputs: elements(inside, "input").into_iter().map(|(tag, _)| attributes(tag)).collect(),
                buttons: elements(inside, "button").into_iter().map(button).collect(),
            }
        })
        .collect()
}

fn is_named(attributes: &Attributes, parts: &[&str]) -> bool {
    attributes.get("name").is_some_and(|name| parts.iter().any(|part| name.contains(part)))
}

fn is_kind(attributes: &Attributes, kind: &str) -> bool {
    attributes.get("type").is_some_and(|own| own == kind)
}

impl Form {
    fn is_post(&self) -> bool {
        self.attributes.get("method").is_some_and(|method| method.eq_ignore_ascii_case("post"))
    }

    fn asks_for(&self, parts: &[&str]) -> bool {
        self.inputs.iter().any(|input| !is_kind(input, "hidden") && is_named(input, parts))
    }

    /// The parameters that it hands on as they are.
    pub fn hidden(&self) -> Pairs {
        let own = |input: &Attributes| {
            Some((input.get("name")?.clone(), input.get("value").cloned().unwrap_or_default()))
        };
        self.inputs.iter().filter(|input| is_kind(input, "hidden")).filter_map(own).collect()
    }
}

const IDENTIFIER: [&str; 3] = ["identifier", "email", "username"];

impl Person {
    /// Somebody at a new browser, who consents to everything.
    pub async fn new(app: &TestApp, name: &str) -> Self {
        let user = app.user(name).await;
        let browser = Browser::new(app, "localhost:8000").over_tls().without_header("origin");
        Self { browser, identifier: user.identifier, consents: true, seen: std::sync::Arc::default() }
    }

    /// The same person at another browser.
    pub fn elsewhere(&self, app: &TestApp) -> Self {
        let browser = Browser::new(app, "localhost:8000").over_tls().without_header("origin");
        Self { browser, seen: std::sync::Arc::default(), ..self.clone() }
    }

    /// The same person, but refusing what is asked of them.
    pub fn refusing(&self) -> Self {
        Self { consents: false, ..self.clone() }
    }

    /// Opens an address and goes on to where it leads.
    pub async fn open(&self, url: &str) -> Landing {
        self.walk(url.to_owned(), None).await
    }

    /// Submits parameters to an address from a page of another site, and goes on.
    pub async fn post_from_elsewhere(&self, url: &str, pairs: &Pairs) -> Landing {
        self.walk(url.to_owned(), Some(("https://rp.example".to_owned(), pairs.clone()))).await
    }

    /// Opens an address and does nothing there.
    pub async fn look(&self, url: &str) -> Answer {
        self.step(url, None).await
    }

    /// The steps so far.
    pub fn trail(&self) -> String {
        self.seen.lock().expect("the trail").join("\n")
    }

    async fn step(&self, url: &str, form: Option<&(String, Pairs)>) -> Answer {
        let path = url.strip_prefix(ORIGIN).unwrap_or_else(|| panic!("{url} is not ours"));
        let target = format!("ROOT{}", if path.is_empty() { "/" } else { path });
        let browser = self.browser.clone().with_header("accept", "text/html,application/xhtml+xml");
        let answer = match form {
            None => browser.get(&target).await,
            Some((origin, pairs)) => {
                let pairs: Vec<(&str, &str)> = pairs.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
                browser.with_header("origin", origin).form(&target, &pairs).await
            }
        };
        let method = if form.is_some() { "POST" } else { "GET" };
        let line = format!("{method} {} {}", answer.status, path.split('?').next().unwrap_or_default());
        self.seen.lock().expect("the trail").push(line);
        answer
    }

    async fn walk(&self, mut url: String, mut form: Option<(String, Pairs)>) -> Landing {
        for _ in 0..20 {
            if !url.starts_with(ORIGIN) {
                let (page, query) = url.split_once('?').unwrap_or((&url, ""));
                let in_query = form_urlencoded::parse(query.as_bytes()).into_owned().collect();
                let is_posted = form.is_some();
                return Landing::Elsewhere {
                    url: page.to_owned(),
                    params: form.map_or(in_query, |(_, pairs)| pairs),
                    is_posted,
                };
            }
            let answer = self.step(&url, form.as_ref()).await;
            assert!(answer.status < 500, "{}\n{}", self.trail(), answer.text());
            if let Some(location) = answer.header("location") {
                // What was posted must not be posted again to where it leads (RFC 9700 §4.12).
                assert!(form.is_none() || answer.status == 303 || answer.status == 302, "{}", self.trail());
                (url, form) = (absolute(location, &url), None);
                continue;
            }
            let Some((action, pairs)) = self.fill(&answer) else { return Landing::Page(answer) };
            // Filling it in takes a moment.
            self.browser.template().app.clock.advance(std::time::Duration::from_millis(100));
            form = Some((ORIGIN.to_owned(), pairs));
            url = absolute(&action, &url);
        }
        panic!("it never ends:\n{}", self.trail());
    }

    /// What somebody does with a page's forms: where the one they submit leads, and what they put into it.
    fn fill(&self, page: &Answer) -> Option<(String, Pairs)> {
        let all: Vec<Form> = forms(&page.text()).into_iter().filter(Form::is_post).collect();
        let has_password = |f: &&Form| f.inputs.iter().any(|input| is_kind(input, "password"));
        let form = all
            .iter()
            .find(has_password)
            .or_else(|| all.iter().find(|f| f.asks_for(&IDENTIFIER)))
            .or_else(|| {
                all.iter().find(|f| {
                    f.attributes.get("action").is_some_and(|a| !a.starts_with(ORIGIN) && a.contains("://"))
                })
            })
            .or_else(|| all.iter().find(|f| !f.buttons.is_empty()))?;
        let mut pairs = form.hidden();
        for input in form.inputs.iter().filter(|input| !is_kind(input, "hidden") && !is_kind(input, "submit"))
        {
            let Some(name) = input.get("name") else { continue };
            let given = input.get("value").cloned().unwrap_or_default();
            let value = match input.get("type").map(String::as_str) {
                Some("password") => PASSWORD.to_owned(),
                Some("checkbox" | "radio") if !input.contains_key("checked") => continue,
                _ if is_named(input, &IDENTIFIER) => self.identifier.clone(),
                _ => given,
            };
            pairs.push((name.clone(), value));
        }
        let refuses = |button: &&Attributes| {
            let said = format!("{} {}", button.get("value").map_or("", String::as_str), button["text"])
                .to_lowercase();
            ["deny", "cancel", "reject", "refuse", "decline"].iter().any(|no| said.contains(no))
        };
        let submits = |button: &&Attributes| button.get("type").is_none_or(|kind| kind == "submit");
        let buttons = || form.buttons.iter().filter(submits);
        let wanted = buttons().find(|button| refuses(button) != self.consents).or_else(|| buttons().next());
        let action = wanted.and_then(|b| b.get("formaction")).or_else(|| form.attributes.get("action"));
        if let Some((name, button)) = wanted.and_then(|button| Some((button.get("name")?, button))) {
            pairs.push((name.clone(), button.get("value").cloned().unwrap_or_default()));
        }
        Some((action.cloned().unwrap_or_default(), pairs))
    }
}

/// An address as a page at `base` names it.
fn absolute(url: &str, base: &str) -> String {
    let page = base.split(['?', '#']).next().unwrap_or(base);
    match url {
        "" => base.to_owned(),
        url if url.starts_with('/') && !url.starts_with("//") => format!("{ORIGIN}{url}"),
        url if url.starts_with('?') => format!("{page}{url}"),
        url if url.contains("://") => url.to_owned(),
        url => format!("{}/{url}", page.rsplit_once('/').map_or(page, |(parent, _)| parent)),
    }
}

impl Landing {
    /// Insists on somebody else's address: what it was given.
    #[track_caller]
    pub fn elsewhere(self, expected: &str) -> HashMap<String, String> {
        let Self::Elsewhere { url, params, .. } = self else { panic!("it led nowhere else: {self:?}") };
        assert_eq!(url, expected);
        let found: HashMap<String, String> = params.iter().cloned().collect();
        assert_eq!(found.len(), params.len(), "a parameter comes twice: {}", url_encoded(&params));
        found
    }

    /// Insists on a page that leads nowhere.
    #[track_caller]
    pub fn page(self) -> Answer {
        let Self::Page(answer) = self else { panic!("it led elsewhere: {self:?}") };
        answer
    }
}
