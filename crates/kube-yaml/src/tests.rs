use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

fn read(text: &str) -> Result<Vec<(Value, u32)>, DecodeError> {
    let documents = decode("app/x.yaml", text.as_bytes(), &Limits::default())?;
    Ok(documents.into_iter().map(|document| (document.value, document.line)).collect())
}

fn one(text: &str) -> Value {
    match read(text) {
        Ok(mut documents) if documents.len() == 1 => documents.remove(0).0,
        other => panic!("{text:?}: {other:?}"),
    }
}

#[test]
fn documents_know_their_lines() {
    let check = |text: &str, expected: &[(Value, u32)]| assert_eq!(read(text).as_deref(), Ok(expected), "{text:?}");
    check("", &[]);
    check("# a\n---\n\n---\nnull\n", &[]);
    check("# a\nx: 1\n--- # b\n\n# c\np: 2\n", &[(json!({"x": 1}), 2), (json!({"p": 2}), 6)]);
    check("---\nx: 1\r\n---\r\np: 2", &[(json!({"x": 1}), 2), (json!({"p": 2}), 4)]);
    check("\u{feff}x: 1\n", &[(json!({"x": 1}), 1)]);
    check("\n{\"x\": 1}\n\n{\"p\": 2}", &[(json!({"x": 1}), 2), (json!({"p": 2}), 4)]);
    check("{\"x\": 1}\n---\n# c\np: 2\n", &[(json!({"x": 1}), 1), (json!({"p": 2}), 4)]);
    check("\n{x: 1}\n---\np: 2\n", &[(json!({"x": 1}), 2), (json!({"p": 2}), 4)]);
}

#[test]
fn merges_happen_in_document_order() {
    let check = |text: &str, expected: Value| assert_eq!(one(text)["c"], expected, "{text}");
    let base = "a: &a {x: 1, p: 1}\nb: &b {x: 2}\nc: ";
    check(&format!("{base}{{<<: *a, x: 3}}"), json!({"x": 3, "p": 1}));
    check(&format!("{base}{{x: 3, <<: *a}}"), json!({"x": 1, "p": 1}));
    check(&format!("{base}{{<<: [*b, *a]}}"), json!({"x": 2, "p": 1}));
    check(&format!("{base}{{<<: {{<<: *a, z: 4}}}}"), json!({"x": 1, "p": 1, "z": 4}));
    check(&format!("{base}{{\"<<\": *b}}"), json!({"<<": {"x": 2}}));
}

#[test]
fn what_libyaml_does_not_read_is_read() {
    assert_eq!(
        one("a: {b:, c:}\nd: \"it\\'s\"\ne: [f:]\n"),
        json!({"a": {"b:": null, "c:": null}, "d": "it's", "e": ["f:"]})
    );
    assert_eq!(one("- a\n- \u{feff}b\n"), json!(["a", "\u{feff}b"]));
}

#[test]
fn errors_name_place_and_step() {
    let check = |text: &str, line: u32, column: u32, step: DecodeStep| {
        let error = read(text).unwrap_err();
        assert_eq!((error.line, error.column, error.step), (line, column, step), "{text:?}: {error}");
    };
    check("x: 1\n---\na: b: c\n", 3, 5, DecodeStep::Yaml);
    check("a: [1, 2\n", 2, 1, DecodeStep::Yaml);
    check("a:\n\tb: 1\n", 2, 1, DecodeStep::Yaml);
    check("a: 1\n--- b\n", 2, 4, DecodeStep::Yaml);
    check("a: \u{7}\n", 1, 4, DecodeStep::Read);
    check("a: 1\n\nb: !!int x\n", 3, 4, DecodeStep::Resolve);
    check("a: .nan\n", 1, 4, DecodeStep::Resolve);
    check("~: 1\n", 1, 1, DecodeStep::Resolve);
    check("a: 1\n<<: 2\n", 2, 5, DecodeStep::Resolve);
    check("a: *b\n", 1, 4, DecodeStep::Yaml);
    check("a: &b [*b]\n", 1, 8, DecodeStep::Resolve);
    check("a: \"x\\/y\"\n", 1, 4, DecodeStep::Yaml);
    check("{\"a\": 1}\n{\"b\": 2}\n{\"c\": x}\n", 3, 7, DecodeStep::Json);
    check("{\"a\": 1}\n---\nb: [\n", 4, 1, DecodeStep::Yaml);
    let error = decode("f", b"a: 1\nb: \xc3\xa9\xff", &Limits::default()).unwrap_err();
    assert_eq!((error.line, error.column, error.step), (2, 5, DecodeStep::Read));
}

#[test]
fn errors_say_what_to_do_and_never_quote_values() {
    let error = read("password: !!int hunter2\n").unwrap_err().to_string();
    assert_eq!(
        error,
        "app/x.yaml:1:11: found a !!str value under the tag !!int; make the value fit its tag, or remove the tag"
    );
}

#[test]
fn a_json_file_holds_one_object() {
    let check = |text: &str, expected: Result<Value, (u32, u32)>| {
        let found = decode_json("f", text.as_bytes(), &Limits::default());
        assert_eq!(
            found.map(|document| document.value).map_err(|error| (error.line, error.column)),
            expected,
            "{text}"
        );
    };
    check(" {\"a\": 1}\n", Ok(json!({"a": 1})));
    check("[]", Err((1, 1)));
    check("", Err((1, 1)));
    check("{}\n{}", Err((2, 1)));
    check("a: 1", Err((1, 1)));
}

#[test]
fn limits_bound_every_dimension() {
    let check = |text: &str, limits: Limits| {
        let error = decode("f", text.as_bytes(), &limits).unwrap_err();
        assert_eq!(error.step, DecodeStep::Limit, "{error}");
    };
    let limits = Limits::default();
    check("a: 1", Limits { max_bytes: 3, ..limits });
    check("a\n---\nb", Limits { max_documents: 1, ..limits });
    check("a: 1\n---\n[a, b]", Limits { max_values: 5, ..limits });
    check("{\"a\": [1, 2]}", Limits { max_values: 3, ..limits });
    check("a: {b: [c]}", Limits { max_depth: 2, ..limits });
    check("{\"a\": [[]]}", Limits { max_depth: 2, ..limits });
    check("a: &a [[1]]\nb: &b [*a]\nc: [*b]\n", Limits { max_depth: 4, ..limits });
    check("a: &a [1, 2, 3]\nb: [*a, *a, *a]\n", Limits { max_values: 20, ..limits });
    check("a: &a xxxxxxxxxx\nb: [*a, *a, *a]\n", Limits { max_alias_bytes: 20, ..limits });
    check(&"[".repeat(100_000), Limits { max_depth: usize::MAX, ..limits });
    check(&"- ".repeat(100_000), limits);
    check(&"{\"a\":".repeat(100_000), limits);
}

#[test]
fn aliases_that_multiply_are_refused() {
    let mut bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n".to_owned();
    for level in 1..10 {
        let row = format!("*a{}, ", level - 1).repeat(9);
        bomb = format!("{bomb}a{level}: &a{level} [{row}]\n");
    }
    let error = read(&bomb).unwrap_err();
    assert_eq!(
        (error.step, error.problem.as_str()),
        (DecodeStep::Resolve, "found too many values that come from aliases")
    );
}

#[test]
fn written_yaml_is_what_people_write() {
    let check = |value: Value, expected: &str| assert_eq!(to_yaml(&value), expected);
    check(
        json!({
            "apiVersion": "v1",
            "data": {"empty": "", "script": "#!/bin/sh\necho hi\n", "tail": "a\nb", "many": "a\n\n", "on": "yes"},
            "list": [1, "1", [true, "true"], {"a": null, "b": {}}, []],
            "nested": [[{"x": "a: b"}]],
        }),
        concat!(
            "apiVersion: v1\n",
            "data:\n",
            "  empty: \"\"\n",
            "  many: |+\n    a\n\n",
            "  \"on\": \"yes\"\n",
            "  script: |\n    #!/bin/sh\n    echo hi\n",
            "  tail: |-\n    a\n    b\n",
            "list:\n",
            "- 1\n",
            "- \"1\"\n",
            "- - true\n  - \"true\"\n",
            "- a: null\n  b: {}\n",
            "- []\n",
            "nested:\n",
            "- - x: \"a: b\"\n",
        ),
    );
    for (text, expected) in [
        ("5Gi", "5Gi\n"),
        ("1.2.3", "1.2.3\n"),
        ("nginx:1.27", "nginx:1.27\n"),
        ("0644", "\"0644\"\n"),
        ("2001-01-01", "\"2001-01-01\"\n"),
        ("12:30", "\"12:30\"\n"),
        ("a ", "\"a \"\n"),
        ("...", "\"...\"\n"),
        ("\u{1}\u{85}\u{2028}\u{e9}", "\"\\x01\\x85\\u2028\u{e9}\"\n"),
    ] {
        check(json!(text), expected);
    }
    assert!(to_yaml(&json!({"k".repeat(2000): {"a": 1}})).starts_with("? \"kkk"));
}

/// Texts of the pieces that YAML gives a meaning.
fn yaml_like() -> impl Strategy<Value = String> {
    const PIECES: &[&str] = &[
        "a", "b", ": ", ":", "- ", "? ", "[", "]", "{", "}", ", ", "\n", "\n  ", "\n    ", "\"", "'", "|", ">", "&a ",
        "*a", "<<: ", "!!str ", "!", "#", "---\n", "...\n", "%", "\\", "\t", "\r\n", "\u{feff}", "\u{e9}", "~", "1",
        "0x", ".inf", "{\"a\": ",
    ];
    prop::collection::vec(prop::sample::select(PIECES), 0..200).prop_map(|pieces| pieces.concat())
}

fn json_value() -> impl Strategy<Value = Value> {
    let text = prop_oneof![any::<String>(), yaml_like()];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        text.clone().prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 40, 5, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::btree_map(text.clone(), inner, 0..5).prop_map(Value::from_iter),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_input_panics(text in yaml_like(), bytes in any::<Vec<u8>>()) {
        for input in [text.as_bytes(), &bytes] {
            let _ = decode("f", input, &Limits::default());
            let _ = decode_json("f", input, &Limits::default());
            looks_like_manifest(input);
        }
    }

    #[test]
    fn written_values_read_back(value in json_value()) {
        let expected = if value.is_null() { Vec::new() } else { vec![value.clone()] };
        let found: Vec<Value> = read(&to_yaml(&value)).unwrap().into_iter().map(|(value, _)| value).collect();
        prop_assert_eq!(found, expected);
    }
}
