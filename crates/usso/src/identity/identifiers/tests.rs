//! Tests of the identifiers, by rule and by property.

use super::*;
use IdentifierError as E;
use IdentifierKind::{Email, Phone, Username};
use proptest::prelude::*;
use unicode_normalization::{IsNormalized, is_nfc_quick};

const PLAIN: NormaliseOptions<'static> =
    NormaliseOptions { default_country_code: None, allow_reserved: false };
const IRAN: NormaliseOptions<'static> =
    NormaliseOptions { default_country_code: Some("+98"), allow_reserved: false };

fn key(input: &str) -> Result<String, E> {
    Identifier::parse(None, input, &PLAIN).map(|identifier| identifier.key())
}

fn value(kind: IdentifierKind, input: &str) -> Result<String, E> {
    Identifier::parse(Some(kind), input, &PLAIN).map(|identifier| identifier.into_parts().1)
}

#[test]
fn kind_is_inferred_as_email_then_phone_then_username() {
    for (input, expected) in [
        ("Admin@Example.com", "email:admin@example.com"),
        ("  alice@example.com ", "email:alice@example.com"),
        ("+1234567890", "phone:+1234567890"),
        ("0912 345 67 89", "phone:+09123456789"),
        ("1234567", "phone:+1234567"),
        ("123456", "username:123456"),
        ("Alice", "username:alice"),
        ("alice1234567", "username:alice1234567"),
        ("1234_5678", "username:1234_5678"),
    ] {
        assert_eq!(key(input).as_deref(), Ok(expected), "{input}");
    }
}

#[test]
fn reason_given_is_that_of_the_likeliest_kind() {
    assert_eq!(key("alice@"), Err(E::EmailSyntax));
    assert_eq!(key("+12"), Err(E::PhoneLength));
    assert_eq!(key("al"), Err(E::UsernameLength));
    assert_eq!(key("alice smith"), Err(E::UsernameSyntax));
}

#[test]
fn input_limits_hold_for_every_kind() {
    for kind in [None, Some(Email), Some(Phone), Some(Username)] {
        let parse = |input: &str| Identifier::parse(kind, input, &PLAIN).unwrap_err();
        assert_eq!(parse(""), E::Empty);
        assert_eq!(parse(" \u{a0}\u{3000} "), E::Empty);
        assert_eq!(parse(&" ".repeat(321)), E::TooLong);
        for control in ["\0", "\n", "\t", "\u{7f}", "\u{85}"] {
            assert_eq!(parse(&format!("alice@example.com{control}")), E::ControlCharacter);
        }
    }
}

#[test]
fn kinds_nobody_can_type_are_refused() {
    for kind in IdentifierKind::ALL.into_iter().skip(3) {
        assert_eq!(value(kind, "12345678"), Err(E::UnsupportedKind));
    }
}

#[test]
fn email_keeps_dots_and_plus_signs() {
    assert_eq!(value(Email, "A.B+c@GMAIL.com").unwrap(), "a.b+c@gmail.com");
}

#[test]
fn email_is_lower_case_and_composed_in_both_parts() {
    assert_eq!(value(Email, "JOSE\u{301}@BU\u{308}CHER.example").unwrap(), "jos\u{e9}@b\u{fc}cher.example");
    assert_eq!(value(Email, "کاربر@مثال.ایران").unwrap(), "کاربر@مثال.ایران");
    assert_eq!(value(Email, "u@xn--bcher-kva.example").unwrap(), "u@xn--bcher-kva.example");
}

#[test]
fn email_syntax_is_checked() {
    for input in [
        "alice",
        "@example.com",
        "alice@",
        "a@b@example.com",
        ".a@example.com",
        "a.@example.com",
        "a..b@example.com",
        "a b@example.com",
        "\"a b\"@example.com",
        "a@example",
        "a@.example.com",
        "a@example..com",
        "a@example.com.",
        "a@-example.com",
        "a@example-.com",
        "a@exa_mple.com",
        "a@[127.0.0.1]",
        "a@127.0.0.1",
        "a@example.com>",
        "a,b@example.com",
        "a\u{200b}b@example.com",
        "a\u{202e}@example.com",
        "a\u{3164}@example.com",
        "a@exam\u{fe0f}ple.com",
        "a@example\u{3002}com",
        "a😀@example.com",
    ] {
        assert_eq!(value(Email, input), Err(E::EmailSyntax), "{input}");
    }
}

#[test]
fn email_length_is_limited_to_254_bytes_and_the_local_part_to_64() {
    let domain = format!("{}.{}.{}.example", "d".repeat(63), "e".repeat(63), "f".repeat(53));
    let local = "a".repeat(64);
    assert_eq!(format!("{local}@{domain}").len(), 254);
    assert!(value(Email, &format!("{local}@{domain}")).is_ok());
    assert_eq!(value(Email, &format!("{local}@f{domain}")), Err(E::EmailTooLong));
    assert_eq!(value(Email, &format!("a{local}@example.com")), Err(E::EmailTooLong));
    assert_eq!(value(Email, &format!("a@{}.com", "d".repeat(64))), Err(E::EmailSyntax));
    // Shorter in upper case than in lower case.
    assert_eq!(value(Email, &format!("{}@example.com", "\u{23a}".repeat(32))), Err(E::EmailTooLong));
}

#[test]
fn phone_is_plus_and_digits() {
    for input in
        ["+98 912 345 67 89", "+98-912-345-6789", "(+98) 912/345.6789", "\u{202a}+989123456789\u{202c}"]
    {
        assert_eq!(value(Phone, input).unwrap(), "+989123456789", "{input}");
    }
    assert_eq!(value(Phone, "+۹۸۹۱۲۳۴۵۶۷۸۹").unwrap(), "+989123456789");
    assert_eq!(value(Phone, "+٩٨٩١٢٣٤٥٦٧٨٩").unwrap(), "+989123456789");
    assert_eq!(value(Phone, "00989123456789").unwrap(), "+989123456789");
}

#[test]
fn phone_has_7_to_15_digits() {
    for (input, expected) in [
        ("+123456", Err(E::PhoneLength)),
        ("+1234567", Ok("+1234567".to_owned())),
        ("+123456789012345", Ok("+123456789012345".to_owned())),
        ("+1234567890123456", Err(E::PhoneLength)),
        ("00123456", Err(E::PhoneLength)),
        ("+", Err(E::PhoneLength)),
    ] {
        assert_eq!(value(Phone, input), expected, "{input}");
    }
}

#[test]
fn phone_with_anything_but_digits_and_separators_is_refused() {
    for input in ["1-800-FLOWERS", "+1234+567890", "12345678+", "++12345678", "tel:+12345678", "+12345678#9"]
    {
        assert_eq!(value(Phone, input), Err(E::PhoneSyntax), "{input}");
    }
}

#[test]
fn national_number_gets_the_tenants_country_code() {
    let with = |code, input: &str| {
        let options = NormaliseOptions { default_country_code: Some(code), allow_reserved: false };
        Identifier::parse(None, input, &options).map(|identifier| identifier.into_parts().1)
    };
    for input in ["09123456789", "9123456789", "989123456789", "00989123456789", "+989123456789"] {
        assert_eq!(with("98", input).unwrap(), "+989123456789", "{input}");
        assert_eq!(with("+98", input).unwrap(), "+989123456789", "{input}");
    }
    assert_eq!(with("1", "(212) 555-1234").unwrap(), "+12125551234");
    assert_eq!(with("1", "1 212 555 1234").unwrap(), "+12125551234");
    assert_eq!(with("39", "06 1234567").unwrap(), "+39061234567");
    for unusable in ["", "0", "abc", "12345"] {
        assert_eq!(with(unusable, "09123456789").unwrap(), "+09123456789");
    }
    let too_long = Identifier::parse(Some(Phone), "123456789012345", &IRAN);
    assert_eq!(too_long, Err(E::PhoneLength));
}

#[test]
fn username_is_lower_case_ascii_with_single_separators() {
    for (input, expected) in
        [("Alice.Smith", "alice.smith"), ("_alice", "_alice"), ("a-b_c.d", "a-b_c.d"), ("007", "007")]
    {
        assert_eq!(value(Username, input).unwrap(), expected);
    }
    for input in [
        "alice..smith",
        "alice._smith",
        ".alice",
        "-alice",
        "alice-",
        "alice_",
        "__alice",
        "_.alice",
        "___",
        "al ice",
        "al@ice",
        "älice",
        "аlice",
        "al/ice",
        "۱۲۳",
    ] {
        assert_eq!(value(Username, input), Err(E::UsernameSyntax), "{input}");
    }
}

#[test]
fn username_has_3_to_30_characters() {
    assert_eq!(value(Username, "ab"), Err(E::UsernameLength));
    assert!(value(Username, "abc").is_ok());
    assert!(value(Username, &"a".repeat(30)).is_ok());
    assert_eq!(value(Username, &"a".repeat(31)), Err(E::UsernameLength));
}

#[test]
fn reserved_username_is_refused_unless_allowed() {
    let allowing = NormaliseOptions { allow_reserved: true, ..PLAIN };
    for input in ["admin", "ROOT", "system", "support", "null", "Ad.Min", "_admin", "s-u-p-p-o-r-t"] {
        assert_eq!(key(input), Err(E::UsernameReserved), "{input}");
        assert!(Identifier::parse(None, input, &allowing).is_ok(), "{input}");
    }
    assert_eq!(key("me"), Err(E::UsernameReserved));
    assert_eq!(Identifier::parse(None, "me", &allowing), Err(E::UsernameLength));
    assert_eq!(key("administratrix").as_deref(), Ok("username:administratrix"));
    assert_eq!(key("admin@example.com").as_deref(), Ok("email:admin@example.com"));
}

#[test]
fn kinds_have_the_names_of_the_wire() {
    for kind in IdentifierKind::ALL {
        assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        assert_eq!(kind.as_str().parse(), Ok(kind));
    }
    assert_eq!("mail".parse::<IdentifierKind>(), Err(E::UnknownKind));
}

#[test]
fn stored_form_is_stable() {
    let identifier = Identifier::parse(None, "Alice@Example.com", &PLAIN).unwrap();
    let stored = serde_json::json!({"kind": "email", "value": "alice@example.com"});
    assert_eq!(serde_json::to_value(&identifier).unwrap(), stored);
    assert_eq!(serde_json::from_value::<Identifier>(stored).unwrap(), identifier);
}

#[test]
fn every_character_that_changes_normalises_to_something_stable() {
    let changes = |c: &char| {
        c.to_lowercase().next() != Some(*c) || is_nfc_quick(std::iter::once(*c)) != IsNormalized::Yes
    };
    for c in ('\u{80}'..='\u{2ffff}').filter(changes) {
        for input in [format!("{c}a@example.com"), format!("a@a{c}.example")] {
            fuzzing::fuzz_identifier(format!("1{input}").as_bytes());
        }
    }
}

/// The seeds that the fuzzer starts from.
#[test]
fn fuzz_seeds_hold() {
    let seeds = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fuzz/corpus/identifiers");
    let mut count = 0;
    for seed in std::fs::read_dir(seeds).unwrap() {
        fuzzing::fuzz_identifier(&std::fs::read(seed.unwrap().path()).unwrap());
        count += 1;
    }
    assert!(count >= 20, "{count} seeds");
}

/// Texts near enough to identifiers to get past the first check.
fn plausible() -> impl Strategy<Value = String> {
    prop_oneof![
        any::<String>(),
        "[ +0-9۰-۹٠-٩().-]{0,20}",
        "[a-zA-Z0-9._-]{0,34}",
        "[a-zA-ZÀ-ɏΑ-ω\u{300}-\u{345}İı.+_-]{1,20}@[a-zA-ZÀ-ɏ\u{300}-\u{345}.-]{1,20}\\.[a-zA-Zß]{2,5}",
    ]
}

proptest! {
    #[test]
    fn normalising_is_idempotent_and_never_panics(choice in any::<u8>(), input in plausible()) {
        let mut data = vec![choice];
        data.extend(input.bytes());
        fuzzing::fuzz_identifier(&data);
    }

    #[test]
    fn arbitrary_bytes_never_panic(data in proptest::collection::vec(any::<u8>(), 0..400)) {
        fuzzing::fuzz_identifier(&data);
    }

    #[test]
    fn email_is_the_same_in_any_case_and_between_blanks(
        email in "[a-z0-9]{1,10}([.+_-][a-z0-9]{1,5})?@[a-z0-9]{1,10}\\.[a-z]{2,6}",
        blanks in "[ \u{a0}\u{3000}]{0,5}",
    ) {
        let plain = key(&email);
        prop_assert!(plain.is_ok());
        prop_assert_eq!(&plain, &key(&email.to_uppercase()));
        prop_assert_eq!(&plain, &key(&format!("{blanks}{email}{blanks}")));
    }

    #[test]
    fn username_is_the_same_in_any_case(name in "[a-z]{3,10}[._-][0-9]{1,5}") {
        prop_assert_eq!(key(&name), key(&name.to_uppercase()));
    }

    #[test]
    fn phone_is_the_same_with_any_separators(digits in "[1-9][0-9]{6,14}", separator in "[ ()./-]{1,2}") {
        let spread: Vec<String> = digits.chars().map(String::from).collect();
        let spread = format!("+{}", spread.join(&separator));
        prop_assert_eq!(key(&spread), Ok(format!("phone:+{digits}")));
        // An international number means the same whatever the tenant's country.
        let elsewhere = Identifier::parse(None, &spread, &IRAN).map(|identifier| identifier.key());
        prop_assert_eq!(elsewhere, Ok(format!("phone:+{digits}")));
    }
}
