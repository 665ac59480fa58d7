use app_view::AppSnapshot;
use application_api::RepoUrl;
use axum::extract::{FromRequestParts, Query};
use axum::http::request::Parts;

use crate::fields::Fields;
use crate::{ApiFailure, Code, LabelSelector};

/// The query parameters of a request about applications. Unknown ones are ignored, as Argo CD does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ListQuery {
    /// `name`: the application of this name.
    pub name: String,
    /// `selector`: a label selector.
    pub selector: String,
    /// `project`, `projects`, `project[]` or `projects[]`, repeatable: applications of any of these projects.
    pub projects: Vec<String>,
    /// `repo`: applications with a source of this URL.
    pub repo: String,
    /// `appNamespace`: applications in this namespace.
    pub app_namespace: String,
    /// `resourceVersion`: what the client has seen.
    pub resource_version: String,
    /// `fields`: the fields to answer with.
    pub fields: String,
    /// `object`: the object that explanations are asked for.
    pub object: String,
}

impl<S: Send + Sync> FromRequestParts<S> for ListQuery {
    type Rejection = ApiFailure;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Self::Rejection> {
        let Query(pairs) = Query::<Vec<(String, String)>>::try_from_uri(&parts.uri)
            .map_err(|error| ApiFailure::new(Code::InvalidArgument, format!("the query cannot be read: {error}")))?;
        Ok(pairs.into_iter().collect())
    }
}

impl FromIterator<(String, String)> for ListQuery {
    fn from_iter<I: IntoIterator<Item = (String, String)>>(pairs: I) -> Self {
        let mut query = Self::default();
        for (key, value) in pairs {
            match key.as_str() {
                "name" => query.name = value,
                "selector" => query.selector = value,
                "project" | "projects" | "project[]" | "projects[]" => query.projects.push(value),
                "repo" => query.repo = value,
                "appNamespace" => query.app_namespace = value,
                "resourceVersion" => query.resource_version = value,
                "fields" => query.fields = value,
                "object" => query.object = value,
                _ => {}
            }
        }
        query.projects.retain(|project| !project.is_empty());
        query
    }
}

impl ListQuery {
    pub(crate) fn filter(&self) -> Result<AppFilter, ApiFailure> {
        let selector = self
            .selector
            .parse()
            .map_err(|error: crate::InvalidSelector| ApiFailure::new(Code::InvalidArgument, error.to_string()))?;
        Ok(AppFilter {
            name: self.name.clone(),
            namespace: self.app_namespace.clone(),
            projects: self.projects.clone(),
            repo: self.repo.clone(),
            selector,
        })
    }

    pub(crate) fn fields(&self, prefix: &[&str]) -> Option<Fields> {
        Fields::parse(&self.fields, prefix)
    }
}

/// Which applications a request is about; empty parts hold for all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct AppFilter {
    name: String,
    namespace: String,
    projects: Vec<String>,
    repo: String,
    selector: LabelSelector,
}

impl AppFilter {
    /// Tells whether the application is among those asked for.
    pub fn matches(&self, app: &AppSnapshot) -> bool {
        let named = (self.name.is_empty() || self.name == app.name())
            && (self.namespace.is_empty() || self.namespace == app.namespace());
        named && (self.needs_no_body() || self.matches_body(app))
    }

    /// Tells whether the request names one application.
    pub(crate) fn has_name(&self) -> bool {
        !self.name.is_empty()
    }

    fn needs_no_body(&self) -> bool {
        self.projects.is_empty() && self.repo.is_empty() && self.selector.is_empty()
    }

    fn matches_body(&self, app: &AppSnapshot) -> bool {
        let json = app.json();
        let summary = json.summary();
        let labels = |key: &str| summary.labels.iter().find(|(known, _)| ***known == *key).map(|(_, value)| &**value);
        let wanted = RepoUrl::new(&self.repo);
        (self.projects.is_empty() || self.projects.iter().any(|project| **project == *summary.project))
            && (self.repo.is_empty() || summary.repos.iter().any(|repo| RepoUrl::new(repo).same_repository(&wanted)))
            && self.selector.matches(labels)
    }
}
