//! Argo CD's build environment: `$ARGOCD_APP_…` in the fields of a source (Argo CD semantics, 1.2 and 6.9).

use crate::RenderContext;
use crate::context::ContextUse;

/// Replaces variables in texts, and remembers which parts of the context that took.
pub(crate) struct BuildEnv<'a> {
    context: &'a RenderContext,
    path: &'a str,
    pub(crate) used: ContextUse,
}

impl<'a> BuildEnv<'a> {
    /// Makes the environment of a source whose `path` is as the spec writes it.
    pub(crate) fn new(context: &'a RenderContext, path: &'a str) -> Self {
        Self { context, path, used: ContextUse::default() }
    }

    /// Replaces `$NAME` and `${NAME}`; unknown names become nothing, `$$` is a dollar sign.
    ///
    /// Reads names as Go's `os.Expand` does, which Argo CD uses: also `$1` and `$?` are names, and broken braces vanish.
    pub(crate) fn expand(&mut self, text: &str) -> String {
        let mut out = String::with_capacity(text.len());
        let mut rest = text;
        while let Some(at) = rest.find('$') {
            out.push_str(&rest[..at]);
            let after = &rest[at + 1..];
            if after.is_empty() {
                out.push('$');
                return out;
            }
            let (name, length) = shell_name(after);
            match name {
                "" if length == 0 => out.push('$'),
                "" => {}
                "$" => out.push('$'),
                name => out.push_str(&self.value(name)),
            }
            rest = &after[length..];
        }
        out.push_str(rest);
        out
    }

    fn value(&mut self, name: &str) -> String {
        let context = self.context;
        let (value, use_of): (&str, fn(&mut ContextUse) -> &mut bool) = match name {
            "ARGOCD_APP_NAME" => (&context.instance, |used| &mut used.application),
            "ARGOCD_APP_NAMESPACE" => (&context.namespace, |used| &mut used.application),
            "ARGOCD_APP_PROJECT_NAME" => (&context.project, |used| &mut used.application),
            "ARGOCD_APP_SOURCE_REPO_URL" => (&context.repo_url, |used| &mut used.application),
            "ARGOCD_APP_SOURCE_TARGET_REVISION" => (&context.target_revision, |used| &mut used.application),
            "ARGOCD_APP_REVISION" => (&context.revision, |used| &mut used.revision),
            "ARGOCD_APP_REVISION_SHORT" => (shortened(&context.revision, 7), |used| &mut used.revision),
            "ARGOCD_APP_REVISION_SHORT_8" => (shortened(&context.revision, 8), |used| &mut used.revision),
            // The path is an option of the render itself.
            "ARGOCD_APP_SOURCE_PATH" => return self.path.to_owned(),
            _ => return String::new(),
        };
        *use_of(&mut self.used) = true;
        value.to_owned()
    }
}

fn shortened(revision: &str, length: usize) -> &str {
    revision.get(..length).unwrap_or(revision)
}

/// Returns the name that a text begins with, and the bytes that it takes.
fn shell_name(text: &str) -> (&str, usize) {
    let is_special = |byte: u8| matches!(byte, b'*' | b'#' | b'$' | b'@' | b'!' | b'?' | b'-' | b'0'..=b'9');
    let bytes = text.as_bytes();
    if bytes[0] == b'{' {
        if bytes.len() > 2 && is_special(bytes[1]) && bytes[2] == b'}' {
            return (&text[1..2], 3);
        }
        return match text.find('}') {
            Some(1) => ("", 2),
            Some(end) => (&text[1..end], end + 1),
            None => ("", 1),
        };
    }
    if is_special(bytes[0]) {
        return (&text[..1], 1);
    }
    let length = bytes.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_').count();
    (&text[..length], length)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn variables_are_replaced_as_by_os_expand() {
        let context = RenderContext {
            app_name: "web".to_owned(),
            instance: "team_web".to_owned(),
            namespace: "shop".to_owned(),
            revision: "0123456789abcdef".to_owned(),
            ..RenderContext::default()
        };
        let nothing = ContextUse::default();
        let application = ContextUse { application: true, ..nothing };
        let revision = ContextUse { revision: true, ..nothing };
        for (text, expected, used) in [
            ("plain", "plain", nothing),
            ("$ARGOCD_APP_NAME-x", "team_web-x", application),
            ("a${ARGOCD_APP_NAMESPACE}b", "ashopb", application),
            ("$ARGOCD_APP_REVISION_SHORT", "0123456", revision),
            ("$ARGOCD_APP_REVISION_SHORT_8", "01234567", revision),
            ("$ARGOCD_APP_SOURCE_PATH/x", "apps/web/x", nothing),
            ("$HOME$UNKNOWN", "", nothing),
            ("$$ARGOCD_APP_NAME", "$ARGOCD_APP_NAME", nothing),
            ("100$", "100$", nothing),
            ("a$.b", "a$.b", nothing),
            ("${}x", "x", nothing),
            ("${x", "x", nothing),
            ("$1a ${?}b", "a b", nothing),
        ] {
            let mut env = BuildEnv::new(&context, "apps/web");
            assert_eq!((env.expand(text).as_str(), env.used), (expected, used), "{text}");
        }
    }
}
