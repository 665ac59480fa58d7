use std::str::FromStr;

use thiserror::Error;

/// A label selector as text, in Kubernetes' syntax: `a=b,c!=d,e in (f,g),h notin (i),j,!k`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LabelSelector(Vec<Requirement>);

/// A selector that cannot be read; the request has to change.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "`{selector}` is not a label selector: `{part}` is not of the form key, !key, key=value, key!=value, key in (a,b) or key notin (a,b)"
)]
pub struct InvalidSelector {
    /// What was given.
    pub selector: String,
    /// The part that cannot be read.
    pub part: String,
}

#[derive(Clone, Debug, PartialEq, Eq)]
struct Requirement {
    key: String,
    test: Test,
}

#[derive(Clone, Debug, PartialEq, Eq)]
enum Test {
    In(Vec<String>),
    /// Also holds where the label is absent.
    NotIn(Vec<String>),
    Exists,
    Absent,
}

impl LabelSelector {
    /// Tells whether the selector holds for labels; `label` looks one up.
    pub fn matches<'a>(&self, label: impl Fn(&str) -> Option<&'a str>) -> bool {
        self.0.iter().all(|requirement| {
            let value = label(&requirement.key);
            match &requirement.test {
                Test::In(values) => value.is_some_and(|value| values.iter().any(|known| known == value)),
                Test::NotIn(values) => value.is_none_or(|value| values.iter().all(|known| known != value)),
                Test::Exists => value.is_some(),
                Test::Absent => value.is_none(),
            }
        })
    }

    /// Tells whether the selector holds for everything.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl FromStr for LabelSelector {
    type Err = InvalidSelector;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let parts = split(text).into_iter().map(str::trim).filter(|part| !part.is_empty());
        let requirements = parts.map(|part| {
            requirement(part).ok_or_else(|| InvalidSelector { selector: text.to_owned(), part: part.to_owned() })
        });
        Ok(Self(requirements.collect::<Result<_, _>>()?))
    }
}

/// Splits at the commas that are not inside parentheses.
fn split(text: &str) -> Vec<&str> {
    let mut inside = false;
    text.split(|letter| {
        match letter {
            '(' => inside = true,
            ')' => inside = false,
            _ => {}
        }
        letter == ',' && !inside
    })
    .collect()
}

fn requirement(part: &str) -> Option<Requirement> {
    if let Some((key, value)) = part.split_once("!=") {
        return Some(Requirement { key: label_key(key)?, test: Test::NotIn(vec![label_value(value)?]) });
    }
    if let Some((key, value)) = part.split_once("==").or_else(|| part.split_once('=')) {
        return Some(Requirement { key: label_key(key)?, test: Test::In(vec![label_value(value)?]) });
    }
    if let Some(key) = part.strip_prefix('!') {
        return Some(Requirement { key: label_key(key)?, test: Test::Absent });
    }
    let Some((key, rest)) = part.split_once(char::is_whitespace) else {
        return Some(Requirement { key: label_key(part)?, test: Test::Exists });
    };
    let (operator, values) = rest.split_once('(')?;
    let values: Option<Vec<String>> = values.strip_suffix(')')?.split(',').map(label_value).collect();
    let test = match operator.trim() {
        "in" => Test::In(values?),
        "notin" => Test::NotIn(values?),
        _ => return None,
    };
    Some(Requirement { key: label_key(key)?, test })
}

fn label_key(text: &str) -> Option<String> {
    let text = text.trim();
    let known = |letter: char| letter.is_ascii_alphanumeric() || "-_./".contains(letter);
    (!text.is_empty() && text.chars().all(known)).then(|| text.to_owned())
}

fn label_value(text: &str) -> Option<String> {
    let text = text.trim();
    let known = |letter: char| letter.is_ascii_alphanumeric() || "-_.".contains(letter);
    text.chars().all(known).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selectors_hold_for_labels() {
        fn check(selector: &str, expected: bool) {
            let labels = [("team", "shop"), ("example.com/tier", "front")];
            let find = |key: &str| labels.iter().find(|(known, _)| *known == key).map(|(_, value)| *value);
            assert_eq!(selector.parse::<LabelSelector>().unwrap().matches(find), expected, "{selector}");
        }
        check("", true);
        check("team=shop", true);
        check("team==shop , example.com/tier=front", true);
        check("team=shop,example.com/tier=back", false);
        check("team=", false);
        check("team!=shop", false);
        check("absent!=shop", true);
        check("team in (bank, shop)", true);
        check("team in (bank)", false);
        check("team notin (bank,shop)", false);
        check("absent notin (bank)", true);
        check("team", true);
        check("absent", false);
        check("!absent", true);
        check("!team", false);
        check("team in (bank,shop),!absent", true);
    }

    #[test]
    fn what_is_no_selector_is_named() {
        for (selector, part) in [
            ("team=shop,a b", "a b"),
            ("team in shop", "team in shop"),
            ("team like (x)", "team like (x)"),
            ("te am=shop", "te am=shop"),
            ("=shop", "=shop"),
            ("team=a=b", "team=a=b"),
            ("!", "!"),
        ] {
            assert_eq!(selector.parse::<LabelSelector>().unwrap_err().part, part);
        }
    }
}
