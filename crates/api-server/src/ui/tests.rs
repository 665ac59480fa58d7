use super::*;

#[test]
fn text_is_safe_in_html() {
    assert_eq!(Escaped("<b a=\"x\">'&é</b>").to_string(), "&lt;b a=&quot;x&quot;&gt;&#39;&amp;é&lt;/b&gt;");
    assert_eq!(Escaped("plain").to_string(), "plain");
}

#[test]
fn ages_have_one_unit() {
    for (seconds, expected) in
        [(-5, "0 s"), (59, "59 s"), (60, "1 min"), (7199, "1 h"), (86_400, "1 d"), (900_000, "10 d")]
    {
        assert_eq!(age(seconds), expected);
    }
}

#[test]
fn only_commit_ids_are_shortened() {
    assert_eq!(short("0123456789abcdef0123456789abcdef01234567"), "01234567");
    assert_eq!(short("1.2.3-rc.1+build.7"), "1.2.3-rc.1+build.7");
    assert_eq!(short(""), "");
}

#[test]
fn the_policy_names_the_script_and_the_style_that_are_sent() {
    assert!(POLICY.matches("'sha256-").count() == 2, "{}", *POLICY);
    assert!(!SCRIPT.contains("</script") && !STYLE.contains("</style"));
}
