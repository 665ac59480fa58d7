use application_api::{Explanation, Reason};

/// Why an application or one of its objects is as it is. It is put into words only when somebody asks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WhyLine {
    /// The object it is about, as `[group/]Kind [namespace/]name`; none for the application as a whole.
    pub object: Option<Box<str>>,
    /// The rule that decided, with its inputs.
    pub reason: Reason,
}

impl WhyLine {
    /// Puts the line into words.
    pub fn explain(&self) -> Explanation {
        self.reason.explain(self.object.as_deref().map(str::to_owned))
    }

    /// Tells whether the line is about the object named `kind/name` or `kind/namespace/name`, the kind in any case.
    pub fn is_about(&self, text: &str) -> bool {
        let Some((kind, place)) = self.object.as_deref().and_then(|object| object.split_once(' ')) else {
            return false;
        };
        let kind = kind.rsplit('/').next().unwrap_or(kind);
        let Some((wanted_kind, wanted_place)) = text.split_once('/') else { return false };
        let name = place.rsplit('/').next().unwrap_or(place);
        kind.eq_ignore_ascii_case(wanted_kind) && (wanted_place == place || wanted_place == name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_is_named_by_kind_and_name() {
        for (object, text, expected) in [
            ("apps/Deployment shop/web", "Deployment/web", true),
            ("apps/Deployment shop/web", "deployment/web", true),
            ("apps/Deployment shop/web", "Deployment/shop/web", true),
            ("apps/Deployment shop/web", "Deployment/other/web", false),
            ("apps/Deployment shop/web", "Deployment/api", false),
            ("apps/Deployment shop/web", "Service/web", false),
            ("Namespace shop", "namespace/shop", true),
            ("rbac.authorization.k8s.io/ClusterRole system:reader", "clusterrole/system:reader", true),
            ("Namespace shop", "Namespace", false),
            ("Namespace shop", "", false),
        ] {
            let line = WhyLine { object: Some(object.into()), reason: Reason::ObjectSame };
            assert_eq!(line.is_about(text), expected, "{object} {text}");
        }
        let of_the_application = WhyLine { object: None, reason: Reason::SkipReconcile };
        assert!(!of_the_application.is_about("Namespace/shop"));
    }
}
