//! All texts of the pages, in each language.
//!
//! A text that a language lacks is a compile error. `{name}` and the like stand for values.

mod en;
mod fa;

pub use en::EN;
pub use fa::FA;

/// The texts of a language.
pub struct Texts {
    /// Before the title of a page with an error.
    pub error: &'static str,
    /// Above what is wrong.
    pub problem_title: &'static str,
    /// A page that only says what is wrong.
    pub error_title: &'static str,
    /// The name of an error.
    pub error_code: &'static str,
    /// The id of a request.
    pub request_id: &'static str,
    /// Any other error.
    pub problem_other: &'static str,
    /// After too many attempts.
    pub wait_seconds: &'static str,
    /// The choice of languages.
    pub languages: &'static str,
    /// A link to the support.
    pub support: &'static str,
    /// A link to the terms.
    pub terms: &'static str,
    /// A link to the privacy notice.
    pub privacy: &'static str,
    /// A link to the imprint.
    pub imprint: &'static str,
    /// Between two ways.
    pub or: &'static str,
    /// Beside a field that may stay empty.
    pub optional: &'static str,
    /// To the next step.
    pub continue_: &'static str,
    /// Another identifier.
    pub change: &'static str,
    /// Another method.
    pub other_way: &'static str,
    /// Back to the start.
    pub begin_again: &'static str,
    /// While something happens.
    pub one_moment: &'static str,
    /// The act.
    pub sign_in: &'static str,
    /// The act.
    pub sign_out: &'static str,
    /// Below the title; {name}.
    pub sign_in_lead: &'static str,
    /// Back to signing in.
    pub to_sign_in: &'static str,
    /// A field for an address.
    pub id_email: &'static str,
    /// A field for a number.
    pub id_phone: &'static str,
    /// A field for a name.
    pub id_username: &'static str,
    /// A field for either.
    pub id_email_phone: &'static str,
    /// A field for either.
    pub id_email_username: &'static str,
    /// A field for either.
    pub id_phone_username: &'static str,
    /// A field for any.
    pub id_any: &'static str,
    /// A field for either.
    pub mail_or_phone: &'static str,
    /// An empty field.
    pub need_identifier: &'static str,
    /// An empty field.
    pub need_password: &'static str,
    /// An empty field.
    pub need_code: &'static str,
    /// A button.
    pub passkey_button: &'static str,
    /// A button.
    pub passkey_use: &'static str,
    /// What went wrong.
    pub passkey_failed: &'static str,
    /// Without JavaScript.
    pub passkey_needs_script: &'static str,
    /// A button.
    pub qr_button: &'static str,
    /// A button; {provider}.
    pub with_provider: &'static str,
    /// Before a link.
    pub no_account: &'static str,
    /// Before a link.
    pub have_account: &'static str,
    /// The act.
    pub create_account: &'static str,
    /// A field.
    pub password: &'static str,
    /// A title.
    pub password_title: &'static str,
    /// A title.
    pub choose_way: &'static str,
    /// A link.
    pub forgot: &'static str,
    /// A button.
    pub mail_code: &'static str,
    /// A button.
    pub text_code: &'static str,
    /// A button.
    pub mail_link: &'static str,
    /// A field.
    pub code: &'static str,
    /// A title.
    pub code_title: &'static str,
    /// What happened; {minutes}.
    pub code_sent: &'static str,
    /// Before one was sent.
    pub code_ask: &'static str,
    /// After registering.
    pub code_register: &'static str,
    /// A button.
    pub resend: &'static str,
    /// A title.
    pub link_title: &'static str,
    /// What happened; {minutes}.
    pub link_sent: &'static str,
    /// Before a button; {name}.
    pub magic_text: &'static str,
    /// A title.
    pub factor_title: &'static str,
    /// What to do.
    pub factor_totp: &'static str,
    /// What to do.
    pub factor_backup: &'static str,
    /// What to do.
    pub factor_webauthn: &'static str,
    /// What to do; {address}.
    pub factor_send: &'static str,
    /// What to do; {address}.
    pub factor_send_link: &'static str,
    /// What happened; {address}.
    pub factor_sent: &'static str,
    /// What to do.
    pub factor_password: &'static str,
    /// What is needed; {count}.
    pub factor_several: &'static str,
    /// A choice.
    pub way_totp: &'static str,
    /// A choice.
    pub way_backup: &'static str,
    /// A choice.
    pub way_webauthn: &'static str,
    /// A choice.
    pub way_mail: &'static str,
    /// A choice.
    pub way_text: &'static str,
    /// A choice.
    pub way_link: &'static str,
    /// A choice.
    pub way_password: &'static str,
    /// A field.
    pub backup_code: &'static str,
    /// A button.
    pub send: &'static str,
    /// A title.
    pub enrol_title: &'static str,
    /// Why; {name}.
    pub enrol_lead: &'static str,
    /// A button.
    pub enrol_totp: &'static str,
    /// A button.
    pub enrol_passkey: &'static str,
    /// A title.
    pub totp_title: &'static str,
    /// What to do.
    pub totp_lead: &'static str,
    /// What a picture is.
    pub totp_picture: &'static str,
    /// Beside the secret.
    pub totp_secret: &'static str,
    /// A link.
    pub totp_open: &'static str,
    /// A field.
    pub totp_code: &'static str,
    /// What happens.
    pub captcha_wait: &'static str,
    /// What happened.
    pub captcha_done: &'static str,
    /// What went wrong.
    pub captcha_failed: &'static str,
    /// What to do.
    pub captcha_early: &'static str,
    /// A title.
    pub register_title: &'static str,
    /// Below the title; {name}.
    pub register_lead: &'static str,
    /// A field.
    pub your_name: &'static str,
    /// A field.
    pub new_password: &'static str,
    /// What a password needs; {min}.
    pub password_hint: &'static str,
    /// What a password needs.
    pub hint_special: &'static str,
    /// A field.
    pub referral_code: &'static str,
    /// Before a link.
    pub terms_agree: &'static str,
    /// A rule; {min}.
    pub rule_too_short: &'static str,
    /// A rule.
    pub rule_too_long: &'static str,
    /// A rule.
    pub rule_special: &'static str,
    /// A rule.
    pub rule_number: &'static str,
    /// A rule.
    pub rule_uppercase: &'static str,
    /// A rule.
    pub rule_lowercase: &'static str,
    /// A rule.
    pub rule_guessable: &'static str,
    /// A rule.
    pub rule_breached: &'static str,
    /// A title.
    pub reset_title: &'static str,
    /// What happens.
    pub reset_lead: &'static str,
    /// What happened; {minutes}.
    pub reset_sent: &'static str,
    /// What happened.
    pub reset_code_sent: &'static str,
    /// A title.
    pub choose_password: &'static str,
    /// A button.
    pub set_password: &'static str,
    /// A title.
    pub password_set_title: &'static str,
    /// What happened.
    pub password_set_text: &'static str,
    /// A title; {name}.
    pub invited_title: &'static str,
    /// A title.
    pub activated_title: &'static str,
    /// What happened.
    pub activated_text: &'static str,
    /// A title.
    pub verify_title: &'static str,
    /// What happens.
    pub verify_lead: &'static str,
    /// A title.
    pub verified_title: &'static str,
    /// What happened.
    pub verified_text: &'static str,
    /// A title.
    pub signed_in_title: &'static str,
    /// What happened; {name}.
    pub signed_in_text: &'static str,
    /// A title.
    pub accounts_title: &'static str,
    /// Below the title; {name}.
    pub accounts_lead: &'static str,
    /// A button.
    pub another_account: &'static str,
    /// A title.
    pub signed_out_title: &'static str,
    /// What happened.
    pub signed_out_text: &'static str,
    /// A title.
    pub sign_out_title: &'static str,
    /// What happens; {name}.
    pub sign_out_text: &'static str,
    /// A title.
    pub qr_title: &'static str,
    /// What to do.
    pub qr_lead: &'static str,
    /// What a picture is.
    pub qr_picture: &'static str,
    /// Beside a number.
    pub qr_number: &'static str,
    /// What happens.
    pub qr_waiting: &'static str,
    /// What happens.
    pub qr_scanned: &'static str,
    /// What happened.
    pub qr_rejected: &'static str,
    /// What happened.
    pub qr_expired: &'static str,
    /// A link.
    pub qr_again: &'static str,
    /// Without JavaScript.
    pub qr_needs_script: &'static str,
    /// A title.
    pub approve_title: &'static str,
    /// A warning.
    pub approve_lead: &'static str,
    /// A fact.
    pub approve_ip: &'static str,
    /// A fact.
    pub approve_agent: &'static str,
    /// What to do.
    pub approve_number: &'static str,
    /// A button.
    pub approve_refuse: &'static str,
    /// A title.
    pub approved_title: &'static str,
    /// What happened.
    pub approved_text: &'static str,
    /// A title.
    pub refused_title: &'static str,
    /// What happened.
    pub refused_text: &'static str,
    /// A title.
    pub device_title: &'static str,
    /// What to do.
    pub device_lead: &'static str,
    /// A label.
    pub device_code: &'static str,
    /// Who asks, `{client}`.
    pub device_asks: &'static str,
    /// A warning.
    pub device_warning: &'static str,
    /// A button.
    pub device_connect: &'static str,
    /// What happened.
    pub device_connected: &'static str,
    /// What happened.
    pub device_refused: &'static str,
    /// What is wrong.
    pub device_unknown: &'static str,
    /// What went wrong.
    pub provider_failed: &'static str,
    /// A title.
    pub provider_failed_title: &'static str,
    /// Without JavaScript.
    pub telegram_needs_script: &'static str,
    /// A title; {client}.
    pub consent_title: &'static str,
    /// Before a list.
    pub consent_lead: &'static str,
    /// A button.
    pub consent_allow: &'static str,
    /// A button.
    pub consent_deny: &'static str,
    /// How long; {minutes}.
    pub consent_while: &'static str,
    /// How long; {days}.
    pub consent_away: &'static str,
    /// Where the answer goes; `{host}`.
    pub consent_goes_to: &'static str,
    /// Of a client that registered itself; `{client}`.
    pub consent_unknown: &'static str,
    /// What a scope allows.
    pub scope_openid: &'static str,
    /// What a scope allows.
    pub scope_profile: &'static str,
    /// What a scope allows.
    pub scope_email: &'static str,
    /// What a scope allows.
    pub scope_phone: &'static str,
    /// What a scope allows.
    pub scope_offline: &'static str,
    /// What a scope allows; {scope}.
    pub scope_other: &'static str,
    /// A sentence for each code of an error that people meet.
    pub problems: &'static [(&'static str, &'static str)],
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_languages_have_sentences_for_the_same_problems() {
        let codes = |texts: &Texts| texts.problems.iter().map(|(code, _)| *code).collect::<Vec<_>>();
        assert_eq!(codes(&EN), codes(&FA));
        for (code, sentence) in EN.problems.iter().chain(FA.problems) {
            assert!(crate::http::error::CODES.iter().any(|(listed, ..)| listed == code), "{code}");
            assert!(sentence.ends_with('.'), "{sentence}");
        }
    }
}
