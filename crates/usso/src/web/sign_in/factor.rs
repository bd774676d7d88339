//! What else is needed: the second factor, of those the user has.

use super::password::retry_after;
use super::{arrived, captcha};
use crate::http::ApiError;
use crate::identity::codes::Purpose;
use crate::identity::codes::request::request;
use crate::identity::links::request as links;
use crate::identity::sign_in::proof::Method;
use crate::identity::sign_in::{
    Input, Register, SignInError, Standing, Wanted, advance, reached_by, standing,
};
use crate::web::flow::Flow;
use crate::web::form::Posted;
use crate::web::page::Page;
use crate::web::problem::Alert;
use crate::web::target::own_path;
use askama::Template;
use axum::response::Response;
use http::StatusCode;

/// In which order they are offered.
const ORDER: [Method; 7] = [
    Method::Totp,
    Method::Webauthn,
    Method::EmailOtp,
    Method::PhoneOtp,
    Method::Password,
    Method::MagicLink,
    Method::BackupCodes,
];

#[derive(Template)]
#[template(path = "factor.html")]
struct FactorPage<'a> {
    page: &'a Page,
    alert: Option<Alert>,
    captcha: Option<String>,
    told: String,
    now: &'static str,
    sends: bool,
    sent: bool,
    others: Vec<(String, &'static str)>,
    return_to: String,
    next: String,
    more: String,
}

/// What was asked of the page.
struct Asked {
    return_to: String,
    method: String,
    was_sent: bool,
}

/// The sign-in under way, or the way to begin one.
async fn under_way(page: &Page, return_to: &str) -> Result<Result<Standing, Response>, ApiError> {
    let token = page.temporary().unwrap_or_default();
    let found = standing(page.context(), &token).await?;
    Ok(found.ok_or_else(|| page.go(&page.with("/login", &[("return_to", return_to)]))))
}

/// The page.
pub async fn show(page: Page) -> Result<Response, ApiError> {
    let asked = Asked {
        return_to: page.return_to().unwrap_or_default(),
        method: page.param("via").unwrap_or_default(),
        was_sent: page.param("sent").is_some(),
    };
    let standing = match under_way(&page, &asked.return_to).await? {
        Ok(standing) => standing,
        Err(elsewhere) => return Ok(elsewhere),
    };
    if standing.methods.is_empty() {
        return Ok(page.go(&page.with("/login/enrol", &[("return_to", asked.return_to.as_str())])));
    }
    let wait = captcha::first(&page)?;
    render(&page, &standing, &asked, (None, wait))
}

fn render(
    page: &Page,
    standing: &Standing,
    asked: &Asked,
    (alert, captcha): (Option<Alert>, Option<String>),
) -> Result<Response, ApiError> {
    let offered: Vec<Method> = ORDER.into_iter().filter(|method| standing.methods.contains(method)).collect();
    let wanted = offered.iter().copied().find(|method| method.as_str() == asked.method);
    let Some(now) = wanted.or(offered.first().copied()) else {
        return Err(SignInError::NoSecondFactor.into());
    };
    let return_to = asked.return_to.as_str();
    let link = |method: &Method| {
        let url = page.with("/login/factor", &[("via", method.as_str()), ("return_to", return_to)]);
        (url, way(page, *method))
    };
    let status = alert.as_ref().map_or(StatusCode::OK, |alert| alert.status);
    let is_sent = matches!(now, Method::EmailOtp | Method::PhoneOtp | Method::MagicLink);
    let view = FactorPage {
        page,
        captcha,
        told: told(page, standing, now, asked.was_sent),
        now: now.as_str(),
        sends: is_sent && !asked.was_sent,
        sent: is_sent && asked.was_sent,
        others: offered.iter().filter(|other| **other != now).map(link).collect(),
        return_to: asked.return_to.clone(),
        next: page.with("/signed-in", &[("return_to", return_to)]),
        more: page.with("/login/factor", &[("return_to", return_to)]),
        alert,
    };
    let mut response = page.show(status, &view)?;
    retry_after(&mut response, view.alert.as_ref());
    Ok(response)
}

fn way(page: &Page, method: Method) -> &'static str {
    match method {
        Method::Totp => page.t.way_totp,
        Method::BackupCodes => page.t.way_backup,
        Method::EmailOtp => page.t.way_mail,
        Method::PhoneOtp => page.t.way_text,
        Method::MagicLink => page.t.way_link,
        Method::Password => page.t.way_password,
        _ => page.t.way_webauthn,
    }
}

fn told(page: &Page, standing: &Standing, now: Method, was_sent: bool) -> String {
    let t = page.t;
    let address = reached_by(&standing.user, now).map(|own| masked(own.value())).unwrap_or_default();
    let text = match (now, was_sent) {
        (Method::Totp, _) => t.factor_totp,
        (Method::BackupCodes, _) => t.factor_backup,
        (Method::Password, _) => t.factor_password,
        (Method::EmailOtp | Method::PhoneOtp, true) => t.factor_sent,
        (Method::EmailOtp | Method::PhoneOtp, false) => t.factor_send,
        (Method::MagicLink, _) => t.factor_send_link,
        _ => t.factor_webauthn,
    };
    let text = page.put(text, &[("address", &address)]);
    match standing.required {
        0 | 1 => text,
        count => format!("{text} {}", page.put(t.factor_several, &[("count", &count.to_string())])),
    }
}

/// Enough of an address or number for its owner to know it.
fn masked(value: &str) -> String {
    let (name, rest) =
        value.split_once('@').map_or((value, String::new()), |(name, host)| (name, format!("@{host}")));
    let letters: Vec<char> = name.chars().collect();
    match (rest.is_empty(), letters.as_slice()) {
        (false, [first, ..]) => format!("{first}•••{rest}"),
        (true, [.., a, b]) => format!("•••{a}{b}"),
        _ => "•••".to_owned(),
    }
}

fn posted(form: &Posted, was_sent: bool) -> Asked {
    Asked {
        return_to: own_path(form.get("return_to")).unwrap_or_default().to_owned(),
        method: form.get("method").to_owned(),
        was_sent,
    }
}

/// Sends what is sent.
pub async fn send(form: Posted) -> Result<Response, ApiError> {
    let page = &form.page;
    let asked = posted(&form, false);
    let standing = match under_way(page, &asked.return_to).await? {
        Ok(standing) => standing,
        Err(elsewhere) => return Ok(elsewhere),
    };
    let sent = [("via", asked.method.as_str()), ("sent", "1"), ("return_to", asked.return_to.as_str())];
    match sent_to(&form, &standing, &asked).await {
        Ok(()) => Ok(page.go(&page.with("/login/factor", &sent))),
        Err(error) => {
            let alert = Alert::of(page, error, "")?;
            let asked = Asked { was_sent: alert.retry_after.is_some(), ..asked };
            let wait = captcha::again(&form, &alert)?;
            render(page, &standing, &asked, (Some(alert), wait))
        }
    }
}

async fn sent_to(form: &Posted, standing: &Standing, asked: &Asked) -> Result<(), SignInError> {
    captcha::require(form).await?;
    let page = &form.page;
    let offered = standing.methods.iter().copied().find(|method| method.as_str() == asked.method);
    let refused = || SignInError::MethodNotAllowed(asked.method.clone());
    let method = offered.ok_or_else(refused)?;
    let identifier = reached_by(&standing.user, method).ok_or_else(refused)?;
    if method == Method::MagicLink {
        let target = Some(asked.return_to.as_str()).filter(|target| !target.is_empty());
        return links::request(page.context(), &identifier, target).await;
    }
    request(page.scope(), (Purpose::Login, &identifier), &page.client).await
}

/// Takes the factor.
pub async fn submit(form: Posted) -> Result<Response, ApiError> {
    let page = &form.page;
    let is_sent = matches!(form.get("method"), "email/otp" | "phone/otp");
    let asked = posted(&form, is_sent);
    let standing = match under_way(page, &asked.return_to).await? {
        Ok(standing) => standing,
        Err(elsewhere) => return Ok(elsewhere),
    };
    let return_to = Some(asked.return_to.clone()).filter(|target| !target.is_empty());
    let tried = if form.trimmed("code").is_empty() { None } else { Some(proved(&form, &asked).await) };
    let alert = match tried {
        None => Alert::missing(page.t.need_code, "code"),
        Some(Ok(step)) => return arrived(page, step, &Flow { return_to, ..Flow::default() }),
        Some(Err(error)) => Alert::of(page, error, "code")?,
    };
    let wait = captcha::again(&form, &alert)?;
    render(page, &standing, &asked, (Some(alert), wait))
}

async fn proved(form: &Posted, asked: &Asked) -> Result<crate::identity::sign_in::Step, SignInError> {
    let page = &form.page;
    let is_password = asked.method == Method::Password.as_str();
    let secret = if is_password { form.secret("code") } else { form.trimmed("code").into() };
    let input = Input {
        kind: None,
        identifier: None,
        method: Some(asked.method.clone()),
        secret: Some(secret),
        register: Register::No,
        name: None,
        referral_code: None,
        wanted: Wanted::default(),
        device: page.device(),
        temporary: page.temporary(),
        captchas: captcha::presented(form).await?,
    };
    advance(page.context(), input).await
}

#[cfg(test)]
mod tests {
    use super::masked;

    #[test]
    fn an_address_is_shown_to_who_knows_it() {
        assert_eq!(masked("alice@example.com"), "a•••@example.com");
        assert_eq!(masked("+989121234567"), "•••67");
        assert_eq!(masked(""), "•••");
    }
}
