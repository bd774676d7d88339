//! A browser: it keeps cookies and says which page it is on.

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
}
