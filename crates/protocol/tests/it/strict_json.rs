use proptest::prelude::*;
use protocol::jose::strict_json::{DEFAULT_MAX_DEPTH, from_slice};
use protocol::jose::{JsonError, JsonErrorKind};
use serde::Deserialize;
use serde_json::{Value, json};

fn refused(text: &str) -> JsonError {
    from_slice::<Value>(text.as_bytes(), DEFAULT_MAX_DEPTH).unwrap_err()
}

#[test]
fn duplicate_member_is_rejected_with_its_position() {
    let error = refused("{\"a\": 1,\n  \"b\": 2, \"a\": 3}");
    assert_eq!((error.kind, error.line, error.column), (JsonErrorKind::DuplicateMember, 2, 11));
    assert_eq!(error.to_string(), "duplicate member \"a\" at line 2 column 11");
}

#[test]
fn duplicate_member_is_rejected_at_every_depth_and_spelling() {
    for text in [
        r#"{"a":{"b":1,"b":2}}"#,
        r#"[1,{"x":[{"b":1,"c":{},"b":[]}]}]"#,
        r#"{"a":1,"\u0061":2}"#,
        r#"{"\"":1,"\u0022":2}"#,
        r#"{"":1,"":2}"#,
        r#"{"a":{"a":1},"a":2}"#,
    ] {
        assert_eq!(refused(text).kind, JsonErrorKind::DuplicateMember, "{text}");
    }
}

#[test]
fn duplicate_member_is_rejected_below_members_the_type_ignores() {
    #[derive(Debug, Deserialize)]
    struct Known {
        #[expect(dead_code, reason = "only the form of the document matters")]
        a: u8,
    }
    let parse = |text: &'static str| from_slice::<Known>(text.as_bytes(), 4);
    assert!(parse(r#"{"a":1,"b":{"c":1}}"#).is_ok());
    assert_eq!(parse(r#"{"a":1,"b":{"c":1,"c":2}}"#).unwrap_err().kind, JsonErrorKind::DuplicateMember);
    assert_eq!(parse(r#"{"a":1,"b":1,"b":2}"#).unwrap_err().kind, JsonErrorKind::DuplicateMember);
}

#[test]
fn duplicate_member_is_rejected_in_a_large_object() {
    let members: Vec<_> = (0..5000).map(|n| format!("\"m{n}\":{n}")).collect();
    let unique = format!("{{{}}}", members.join(","));
    assert!(from_slice::<Value>(unique.as_bytes(), 1).is_ok());
    let doubled = format!("{{{},\"m17\":0}}", members.join(","));
    assert_eq!(refused(&doubled).message, "duplicate member \"m17\"");
}

#[test]
fn equal_names_in_different_objects_are_accepted() {
    let text = r#"{"a":{"a":1},"b":[{"a":1},{"a":2}],"c":"a","d":["a","a"],"e":{"a":"{\"a\":1,\"a\":2}"}}"#;
    assert!(from_slice::<Value>(text.as_bytes(), 4).is_ok());
}

#[test]
fn nesting_beyond_the_limit_is_rejected() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(from_slice::<Value>(nested(32).as_bytes(), 32).is_ok());
    let error = refused(&nested(33));
    assert_eq!((error.kind, error.column), (JsonErrorKind::TooDeep, 33));
    assert_eq!(refused(&"[".repeat(1_000_000)).kind, JsonErrorKind::TooDeep);
    assert!(from_slice::<Value>(br#"{"a":1}"#, 1).is_ok());
    assert_eq!(from_slice::<Value>(br#"{"a":{}}"#, 1).unwrap_err().kind, JsonErrorKind::TooDeep);
}

#[test]
fn malformed_json_is_rejected_with_its_position() {
    for text in [
        "",
        "{",
        "{\"a",
        "{\"a\\",
        "{\"a\":1,}",
        "{} {}",
        "{'a':1}",
        "\u{feff}{}",
        "nul",
        "]",
        "{\"\\x\":1}",
        "[1,,2]",
    ] {
        assert_eq!(refused(text).kind, JsonErrorKind::Syntax, "{text}");
    }
    let error = refused("{\n\"a\": nope}");
    assert_eq!((error.line, error.column), (2, 7));
    assert!(!error.message.contains("line"), "{}", error.message);
}

#[test]
fn invalid_utf8_is_rejected_even_in_ignored_members() {
    let error = from_slice::<Value>(b"{\"a\":\"\xff\"}", 4).unwrap_err();
    assert_eq!((error.kind, error.column), (JsonErrorKind::Syntax, 7));
}

#[test]
fn wrong_shape_is_a_data_error() {
    assert_eq!(from_slice::<Vec<u8>>(b"{}", 4).unwrap_err().kind, JsonErrorKind::Data);
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        ".{0,8}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 6, |inner| {
        prop_oneof![
            proptest::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            proptest::collection::vec((".{0,4}", inner), 0..20)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn every_document_without_duplicates_is_read_unchanged(value in value(), pretty: bool) {
        let text = if pretty { serde_json::to_string_pretty(&value).unwrap() } else { value.to_string() };
        prop_assert_eq!(from_slice::<Value>(text.as_bytes(), DEFAULT_MAX_DEPTH), Ok(value));
    }

    #[test]
    fn every_doubled_member_is_found(value in value(), name in ".{0,4}") {
        let name = json!(name);
        let text = format!("[{value},{{{name}:{value},{name}:{value}}}]");
        let error = from_slice::<Value>(text.as_bytes(), DEFAULT_MAX_DEPTH).unwrap_err();
        prop_assert_eq!(error.kind, JsonErrorKind::DuplicateMember);
    }

    #[test]
    fn no_input_crashes_the_reader(bytes: Vec<u8>) {
        protocol::fuzzing::strict_json(&bytes);
    }
}
