//! What every page has: the tenant, the language, the browser's form secret; and how a page is answered.

use super::brand::Brand;
use super::flow::Flow;
use super::language::Language;
use super::target::own_path;
use super::texts::Texts;
use super::{assets, form};
use crate::http::{ApiError, AppState, Tenant, cookie};
use crate::identity::devices::Device;
use crate::identity::sign_in::Context;
use crate::tenant::{ClientInfo, TenantScope};
use askama::Template;
use axum::extract::FromRequestParts;
use axum::response::{IntoResponse, Redirect, Response};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, StatusCode, header};
use kernel::ProblemKind;

/// Seconds a chosen language is remembered: a year.
const LANGUAGE_KEPT: i64 = 31_536_000;

/// A page that is asked for.
pub struct Page {
    /// The services.
    pub state: AppState,
    /// Whose page.
    pub tenant: Tenant,
    /// The issuer to write into tokens.
    pub issuer: String,
    /// The other end.
    pub client: ClientInfo,
    /// The request's headers.
    pub headers: HeaderMap,
    /// Its path, without the tenant's prefix.
    pub path: String,
    /// Its parameters; of several with one name the first.
    query: String,
    /// The language.
    pub language: Language,
    /// Its texts.
    pub t: &'static Texts,
    /// The tenant's look.
    pub brand: Brand,
    /// What forms of this browser are bound to.
    pub secret: form::Secret,
}

impl FromRequestParts<AppState> for Page {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, state: &AppState) -> Result<Self, ApiError> {
        let tenant = Tenant::from_request_parts(parts, state).await?;
        let query = parts.uri.query().unwrap_or_default().to_owned();
        let usual = Language::parse(&tenant.scope.profile().settings.default_language);
        let language = Language::asked(&query, &parts.headers).or(usual).unwrap_or(Language::English);
        Ok(Self {
            state: state.clone(),
            issuer: tenant.issuer(),
            client: tenant.client(),
            headers: parts.headers.clone(),
            path: parts.uri.path().to_owned(),
            query,
            language,
            t: language.texts(),
            brand: Brand::of(&tenant),
            secret: form::Secret::of(&tenant, &parts.headers),
            tenant,
        })
    }
}

impl Page {
    /// The tenant's scope.
    pub fn scope(&self) -> &TenantScope {
        &self.tenant.scope
    }

    /// The surroundings of a flow.
    pub fn context(&self) -> Context<'_> {
        Context {
            identity: &self.state.identity,
            tenant: self.scope(),
            issuer: &self.issuer,
            client: &self.client,
        }
    }

    /// A parameter of the address.
    pub fn param(&self, name: &str) -> Option<String> {
        let mut pairs = form_urlencoded::parse(self.query.as_bytes());
        pairs.find(|(own, value)| own == name && !value.is_empty()).map(|(_, value)| value.into_owned())
    }

    /// Where to go afterwards, if the address names a page of this origin.
    pub fn return_to(&self) -> Option<String> {
        self.param("return_to").filter(|target| own_path(target).is_some())
    }

    /// What the address says of the sign-in under way.
    pub fn flow(&self) -> Option<Flow> {
        self.param("flow").and_then(|text| Flow::open(self.scope(), &text))
    }

    /// The device's cookie.
    pub fn device(&self) -> Device {
        Device::parse(cookie::get(&self.headers, cookie::DEVICE))
    }

    /// The token of the sign-in under way. Pages take it from its cookie only.
    pub fn temporary(&self) -> Option<String> {
        cookie::get(&self.headers, cookie::LOGIN).map(str::to_owned)
    }

    /// What the request has of solved captchas.
    pub fn captchas(&self) -> Vec<String> {
        cookie::get(&self.headers, cookie::CAPTCHA).map(str::to_owned).into_iter().collect()
    }

    /// An address of this tenant's pages: `at("/login")` is `/t/org_a/login` below a tenant's path.
    pub fn at(&self, path: &str) -> String {
        match self.tenant.cookie_path().as_str() {
            "/" => path.to_owned(),
            prefix => format!("{prefix}{path}"),
        }
    }

    /// The same, with parameters.
    pub fn with(&self, path: &str, params: &[(&str, &str)]) -> String {
        let given = params.iter().filter(|(_, value)| !value.is_empty());
        let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(given).finish();
        if query.is_empty() { self.at(path) } else { format!("{}?{query}", self.at(path)) }
    }

    /// The address of a file the page needs.
    pub fn asset(&self, name: &str) -> String {
        assets::address(name)
    }

    /// The address of the tenant's style.
    pub fn tenant_style(&self) -> String {
        self.with("/static/tenant.css", &[("v", &self.brand.version)])
    }

    /// This page in another language. What was posted is not repeated.
    pub fn in_language(&self, language: &Language) -> String {
        let kept = form_urlencoded::parse(self.query.as_bytes()).filter(|(name, _)| name != "lang");
        let mut query = form_urlencoded::Serializer::new(String::new());
        query.extend_pairs(kept).append_pair("lang", language.tag());
        format!("{}?{}", self.at(&self.path), query.finish())
    }

    /// The languages this page could be in, but for the one it is in.
    pub fn other_languages(&self) -> Vec<Language> {
        Language::ALL.into_iter().filter(|other| *other != self.language).collect()
    }

    /// A text with values in the places of their names.
    pub fn put(&self, text: &str, values: &[(&str, &str)]) -> String {
        values.iter().fold(text.to_owned(), |text, (name, value)| text.replace(&format!("{{{name}}}"), value))
    }

    /// A text that names the tenant.
    pub fn named(&self, text: &str) -> String {
        self.put(text, &[("name", &self.brand.name)])
    }

    /// The id of the request, for who asks for help.
    pub fn request_id(&self) -> &str {
        self.tenant.info.id()
    }

    /// 303 to an address: what was posted isn't posted again (RFC 9110 section 15.4.4).
    pub fn go(&self, target: &str) -> Response {
        // A target with a character no header takes leads to the start.
        match HeaderValue::from_str(target) {
            Ok(_) => Redirect::to(target).into_response(),
            Err(_) => Redirect::to(&self.at("/")).into_response(),
        }
    }

    /// Shows a page.
    ///
    /// # Errors
    /// A template that can't be rendered: a defect.
    pub fn show(&self, status: StatusCode, template: &impl Template) -> Result<Response, ApiError> {
        let html = template.render().map_err(|error| {
            tracing::error!(request_id = self.request_id(), %error, "a page can't be rendered");
            ApiError::new(ProblemKind::Internal, "INTERNAL_ERROR", "Internal error")
        })?;
        let mut response = html_response(status, html, &self.brand);
        let headers = response.headers_mut();
        self.secret.keep(headers, &self.tenant);
        if let Some(language) = self.param("lang").as_deref().and_then(Language::parse) {
            cookie::set(headers, &self.tenant, (cookie::LANGUAGE, language.tag()), LANGUAGE_KEPT);
        }
        Ok(response)
    }
}

/// A page with what every page says of itself: nothing runs or is loaded but what is ours, nobody frames it, and its address
/// goes to nobody else. To ourselves it does, or browsers would say that our forms come from nowhere. `form-action` is
/// not limited: browsers count the redirections behind a form in, and those lead on to the client of a sign-in.
pub fn html_response(status: StatusCode, html: String, brand: &Brand) -> Response {
    let pictures: String = brand.picture_origins().iter().map(|origin| format!(" {origin}")).collect();
    let policy = format!(
        "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self' data:{pictures}; \
         base-uri 'none'; frame-ancestors 'none'"
    );
    let mut response = (status, html).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::REFERRER_POLICY, HeaderValue::from_static("same-origin"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(policy) = HeaderValue::from_str(&policy) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    response
}
