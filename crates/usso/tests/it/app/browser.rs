//! A browser: it keeps cookies and says which page it is on.

use super::page::Page;
use super::requests::Template;
use super::{Answer, Requests, SetCookie, TestApp};
use http::{HeaderMap, HeaderValue};
use std::sync::{Arc, Mutex, MutexGuard};

/// A browser. Cloning gives another tab: the same cookies.
#[derive(Clone)]
pub struct Browser {
    template: Template,
    jar: Arc<Mutex<Vec<SetCookie>>>,
}

impl Requests for Browser {
    fn template(&self) -> &Template {
        &self.template
    }

    fn template_mut(&mut self) -> &mut Template {
        &mut self.template
    }

    fn prepare(&self, path: &str, headers: &mut HeaderMap) {
        let is_tls = self.template.is_tls || headers.get("x-forwarded-proto").is_some_and(|p| p == "https");
        let fits = |cookie: &&SetCookie| {
            let below = cookie.attribute("path").unwrap_or("/").trim_end_matches('/');
            let is_below =
                path.strip_prefix(below).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
            is_below && (is_tls || cookie.attribute("secure").is_none())
        };
        let pairs: Vec<String> =
            self.jar().iter().filter(fits).map(|c| format!("{}={}", c.name, c.value)).collect();
        if !pairs.is_empty() {
            headers.insert("cookie", HeaderValue::try_from(pairs.join("; ")).expect("cookies"));
        }
    }

    fn learn(&self, answer: &Answer) {
        let mut jar = self.jar();
        for cookie in answer.cookies() {
            let path = cookie.attribute("path").map(str::to_owned);
            jar.retain(|old| old.name != cookie.name || old.attribute("path") != path.as_deref());
            if cookie.attribute("max-age") != Some("0") {
                jar.push(cookie);
            }
        }
    }
}

impl Browser {
    /// A browser on a page of a host.
    pub fn new(app: &TestApp, host: &str) -> Self {
        let browser = Self { template: Template::new(app), jar: Arc::default() };
        let name = host.split(':').next().unwrap_or(host);
        browser.on_host(host).with_header("origin", &format!("http://{name}:8000"))
    }

    fn jar(&self) -> MutexGuard<'_, Vec<SetCookie>> {
        self.jar.lock().expect("the jar")
    }

    /// The value of a cookie it keeps.
    pub fn cookie(&self, name: &str) -> Option<String> {
        self.jar().iter().find(|cookie| cookie.name == name).map(|cookie| cookie.value.clone())
    }

    /// The path a cookie is kept for.
    pub fn path_of(&self, name: &str) -> Option<String> {
        self.jar().iter().find(|cookie| cookie.name == name)?.attribute("path").map(str::to_owned)
    }

    /// Forgets a cookie.
    pub fn forget(&self, name: &str) {
        self.jar().retain(|cookie| cookie.name != name);
    }

    /// Puts a cookie into the jar.
    pub fn keep(&self, name: &str, value: &str) {
        self.forget(name);
        self.jar().push(SetCookie {
            name: name.into(),
            value: value.into(),
            attributes: vec!["Path=/".into()],
        });
    }

    /// Goes to a page, and on to wherever that leads.
    pub async fn open(&self, path: &str) -> Page {
        let browser = self.clone().with_header("accept", "text/html,application/xhtml+xml,*/*;q=0.8");
        let answer = browser.get(&format!("ROOT{path}")).await;
        self.follow(answer).await
    }

    /// Fills in a form of a page, named by its id or the end of its action, submits it, and goes on to wherever that leads.
    pub async fn submit(&self, page: &Page, form: &str, typed: &[(&str, &str)]) -> Page {
        let (action, fields) = page.filled(form, typed);
        self.post_form(&action, &fields).await
    }

    /// Posts fields as a page's form does.
    pub async fn post_form(&self, action: &str, fields: &[(String, String)]) -> Page {
        let pairs: Vec<(&str, &str)> = fields.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
        let browser = self.clone().with_header("accept", "text/html,application/xhtml+xml,*/*;q=0.8");
        let answer = browser.form(&format!("ROOT{action}"), &pairs).await;
        if (300..400).contains(&answer.status) {
            assert_eq!(answer.status, 303, "{}: what follows a form is asked for by GET", answer.asked);
        }
        self.follow(answer).await
    }

    async fn follow(&self, first: Answer) -> Page {
        let browser = self.clone().with_header("accept", "text/html,application/xhtml+xml,*/*;q=0.8");
        let (mut answer, mut way) = (first, Vec::new());
        while let (300..400, Some(target)) = (answer.status, answer.header("location").map(str::to_owned)) {
            way.push(target.clone());
            // Other hosts are seen by their address only.
            if !target.starts_with('/') || target.starts_with("//") || way.len() > 8 {
                break;
            }
            answer = browser.get(&format!("ROOT{target}")).await;
        }
        Page::new(answer, way)
    }
}
