//! What settings accept and say.

use super::*;

fn object(value: Value) -> Map<String, Value> {
    let Value::Object(map) = value else { panic!("an object") };
    map
}

#[test]
fn both_vocabularies_name_the_same_setting() {
    let mut flat = Config::default();
    flat.apply(&object(json!({"session_timeout": 7200}))).unwrap();
    let mut nested = Config::default();
    nested.apply(&object(json!({"token": {"access_timeout": 7200}}))).unwrap();
    assert_eq!(flat, nested);
    assert_eq!(flat.settings().access_timeout, 7200);
    let view = flat.view();
    assert_eq!(view["session_timeout"], 7200);
    assert_eq!(view["token"]["access_timeout"], 7200);
    assert_eq!(view["token"]["refresh_timeout"], 2_592_000);
}

#[test]
fn defaults_are_the_rulings() {
    let settings = Config::default().settings();
    assert_eq!((settings.access_timeout, settings.refresh_timeout), (3600, 2_592_000));
    assert_eq!((settings.login_attempts_limit, settings.login_attempts_window), (5, 300));
    assert!(settings.refresh_token_rotation && settings.password_require_special);
    assert!(!settings.password_require_numbers);
    assert_eq!(settings.audience, None);
}

#[test]
fn a_setting_of_the_wrong_type_is_refused_and_nothing_applied() {
    let mut config = Config::default();
    let errors = config
        .apply(&object(json!({"session_timeout": "long", "password_min_length": 9, "require_mfa": 1})))
        .unwrap_err();
    assert_eq!(errors.len(), 2);
    assert_eq!(config, Config::default());
}

#[test]
fn unknown_keys_are_kept_and_merged() {
    let mut config = Config::default();
    config.apply(&object(json!({"auth": {"otp_colour": 6}, "templates": {"a": {"x": 1}}}))).unwrap();
    config.apply(&object(json!({"templates": {"a": {"y": 2}}}))).unwrap();
    let view = config.view();
    assert_eq!(view["auth"]["otp_colour"], 6);
    assert_eq!(view["auth"]["password_min_length"], 8);
    assert_eq!(view["templates"]["a"], json!({"x": 1, "y": 2}));
}

fn refuses(patch: Value) -> bool {
    Config::default().apply(&object(patch)).is_err()
}

#[test]
fn cors_origins_are_exact_origins() {
    for good in
        ["https://app.example.com", "http://localhost:3000", "https://10.0.0.1:8443", "http://[::1]:3000"]
    {
        assert!(!refuses(json!({"cors_origins": [good]})), "{good}");
    }
    let bad = "* null app.example.com https:// https://*.example.com https://APP.example.com \
               HTTPS://app.example.com https://app.example.com/ https://app.example.com/path \
               https://app.example.com?q https://app.example.com#f https://user@app.example.com \
               https://app.example.com. https://app.example.com: https://app.example.com:0 \
               https://app.example.com:443 http://app.example.com:080 https://app.example.com:65536 \
               ftp://app.example.com file://x";
    for bad in bad.split(' ').chain(["", " https://app.example.com"]) {
        assert!(refuses(json!({"cors_origins": ["https://good.example", bad]})), "{bad}");
    }
    assert!(refuses(json!({"cors_origins": "https://app.example.com"})));
}

#[test]
fn a_cookie_domain_is_a_normal_host_name_of_two_labels() {
    assert!(!refuses(json!({"cookie_domain": "company-a.com"})));
    let bad = "com localhost .company-a.com company-a.com. Company-A.com company-a.com:80 127.0.0.1 *.a.com";
    for bad in bad.split(' ').chain(["", "[::ffff:1.2.3.4]", "a.com; Secure"]) {
        assert!(refuses(json!({"cookie_domain": bad})), "{bad}");
    }
}

#[test]
fn a_country_code_is_one_to_four_digits() {
    for good in ["+98", "98", "1", "+1684"] {
        assert!(!refuses(json!({"phone": {"default_country_code": good}})), "{good}");
    }
    for bad in ["", "+", "++98", "98+", "IR", "12345", "+ 98", "\u{6f9}\u{6f8}"] {
        assert!(refuses(json!({"phone": {"default_country_code": bad}})), "{bad}");
    }
}

#[test]
fn login_methods_are_known_and_never_none() {
    assert!(!refuses(json!({"allowed_login_methods": ["password", "magic_link", "oauth", "passkey"]})));
    assert!(!refuses(json!({"allowed_login_methods": ["email/otp", "phone/otp", "webauthn"]})));
    for bad in
        [json!([]), json!(["Password"]), json!(["password", "telepathy"]), json!([1]), json!("password")]
    {
        assert!(refuses(json!({"auth": {"allowed_login_methods": bad}})), "{bad}");
    }
}

#[test]
fn a_group_of_settings_is_an_object() {
    for group in ["auth", "token", "registration", "phone"] {
        assert!(refuses(json!({ group: "text" })) && refuses(json!({ group: [] })), "{group}");
        assert!(!refuses(json!({ group: null })), "{group}");
    }
}

#[test]
fn null_resets_a_setting() {
    let mut config = Config::default();
    config.apply(&object(json!({"session_timeout": 7200}))).unwrap();
    config.apply(&object(json!({"session_timeout": null}))).unwrap();
    assert_eq!(config.settings().access_timeout, 3600);
}
