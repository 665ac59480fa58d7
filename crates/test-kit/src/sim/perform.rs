//! What the outside does about effects.

use std::collections::{BTreeMap, BTreeSet};

use kube_object::{ApiError, ClusterId, Gvk, InstanceName, Object, TrackingId};
use reconciler::{
    Answer, AppKey, Call, ClusterRequest, DryRun, Effect, Event, RenderFailure, RepoFailure, WatchChange,
};
use serde_json::Value;

use super::server::{Deleted, Server, error};
use super::world::{Fault, World, application_key};

impl World {
    pub(super) fn perform(&mut self, at: usize, effect: Effect) {
        let fault = (self.faults)(&effect).filter(|fault| !matches!(fault, Fault::Held));
        let is_lost = matches!(fault, Some(Fault::AnswerLost));
        let refusal = match fault {
            Some(Fault::Refused(error)) => Some(error),
            _ => None,
        };
        let cluster = ClusterId::in_cluster();
        let event = match effect {
            Effect::Discover(_) => {
                let result = refusal.map_or_else(|| Ok(Box::new(self.server.discovery())), Err);
                Event::Discovered { cluster, result }
            }
            Effect::StartWatch { resource, .. } => {
                // A watch that fails is tried again by itself.
                if let Some(error) = refusal {
                    self.daemons[at].report(&resource.gvk, WatchChange::Failed(error));
                }
                return self.relist(at, &resource.gvk);
            }
            Effect::StopWatch { group_kind, .. } => return self.daemons[at].stop_watch(&group_kind),
            Effect::Sweep { resources, .. } => {
                let unserved = resources.iter().filter(|resource| !self.server.serves(&resource.gvk));
                let mut failed: Vec<_> =
                    unserved.map(|resource| (resource.gvk.clone(), error(404, "NotFound", "page not found"))).collect();
                failed.extend(refusal.map(|error| (resources[0].gvk.clone(), error)));
                Event::Swept { cluster, started_at: self.now, found: sweep(&self.server), failed }
            }
            Effect::PollRepo { repo, revisions } => {
                let failure = refusal.map(|error| RepoFailure { message: error.message });
                let result = failure.map_or_else(|| self.git.poll(&revisions), Err);
                Event::RepoPolled { repo, started_at: self.now, result }
            }
            Effect::Render { app, ticket, commit, sources, context, .. } => {
                let failure = refusal.map(|error| RenderFailure::Unavailable(error.message));
                let result = failure.map_or_else(|| self.git.render_all(&sources, &commit, &context), Err);
                Event::Rendered { app, ticket, result }
            }
            Effect::Request { app, ticket, request } => {
                let answer = refusal.map_or_else(|| self.request(&request), |error| refused(&request, error));
                let answer = if is_lost { lost(&request) } else { answer };
                Event::Answered { app, ticket, answer }
            }
            Effect::Write { app, ticket, patch } => {
                let result = refusal.map_or_else(|| self.write(&app, &patch).map(Box::new), Err);
                let result = if is_lost { Err(ApiError::no_answer("connection reset")) } else { result };
                Event::Written { app, ticket, result }
            }
            Effect::Reread(app) => {
                let found = self.server.get(&application_key(&app)).cloned().map(Box::new);
                let result = refusal.map_or(Ok(found), Err);
                Event::Reread { app, result }
            }
            Effect::CreateDefaultProject(project) => return self.create_project(&project),
            _ => return,
        };
        self.daemons[at].answer(event);
    }

    /// Performs a request whose sender is gone.
    pub(super) fn perform_unheard(&mut self, effect: Effect) {
        match effect {
            Effect::Request { request, .. } => _ = self.request(&request),
            Effect::Write { app, patch, .. } => _ = self.write(&app, &patch),
            _ => {}
        }
    }

    fn create_project(&mut self, project: &Object) {
        if self.server.get(&project.key(ClusterId::in_cluster())).is_none() {
            self.server.create(project.clone().into_value());
        }
    }

    /// Writes an Application, and checks what was stored.
    fn write(&mut self, app: &AppKey, patch: &Value) -> Result<Object, ApiError> {
        let target = application_key(app);
        let before = self.server.get(&target).cloned();
        let after = self.server.merge_patch(&target, patch)?;
        if let Some(before) = before {
            self.check_write(&before, &after, patch);
        }
        Ok(after)
    }

    fn request(&mut self, request: &ClusterRequest) -> Answer {
        let object = |object: Result<Object, ApiError>| match object {
            Ok(object) => Answer::Object(Box::new(object)),
            Err(error) => Answer::Failed(error),
        };
        match &request.call {
            Call::Apply { object: body, .. } => {
                let body = body.decode();
                let before = self.server.get(&request.key).cloned().filter(|_| request.key.kind == "Application");
                let applied = self.server.apply(&body);
                if let (Some(before), Ok(after)) = (&before, &applied) {
                    self.check_apply(before, after);
                }
                object(applied)
            }
            Call::DryRun { object, bodies, .. } => {
                let object = object.decode();
                Answer::Tried(bodies.iter().map(|_| self.server.dry_apply(&object)).collect())
            }
            Call::Get => match self.server.get(&request.key) {
                Some(object) => Answer::Object(Box::new(object.clone())),
                None => Answer::NotFound(error(404, "NotFound", "not found")),
            },
            Call::CreateNamespace => {
                let name = &request.key.name;
                let namespace =
                    serde_json::json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
                object(self.server.apply(&Object::from_value(namespace).expect("it is a map")))
            }
            Call::Replace { object: body, dry_run, .. } => object(self.server.replace(&body.decode(), *dry_run)),
            Call::MergePatch(patch) => match self.server.merge_patch_as("argocd-controller", &request.key, patch) {
                Err(error) if error.code == 404 => Answer::NotFound(error),
                patched => object(patched),
            },
            Call::Delete { dry_run: DryRun::Yes, .. } => Answer::Gone,
            Call::Delete { uid, resource_version, propagation, .. } => {
                match self.server.delete(&request.key, uid, resource_version, *propagation) {
                    Ok(Deleted::Gone) => Answer::Gone,
                    Ok(Deleted::Pending(object)) => Answer::Deleting(Box::new(object)),
                    Err(error) if error.code == 404 => Answer::NotFound(error),
                    Err(error) => Answer::Failed(error),
                }
            }
        }
    }
}

fn sweep(server: &Server) -> BTreeMap<InstanceName, BTreeSet<Gvk>> {
    let mut found: BTreeMap<InstanceName, BTreeSet<Gvk>> = BTreeMap::new();
    for object in server.objects() {
        if let Some(id) = TrackingId::of_live(object) {
            found.entry(id.instance).or_default().insert(object.gvk());
        }
    }
    found
}

fn refused(request: &ClusterRequest, error: ApiError) -> Answer {
    match &request.call {
        Call::DryRun { bodies, .. } => Answer::Tried(bodies.iter().map(|_| Err(error.clone())).collect()),
        Call::Get | Call::MergePatch(_) | Call::Delete { .. } if error.code == 404 => Answer::NotFound(error),
        _ => Answer::Failed(error),
    }
}

fn lost(request: &ClusterRequest) -> Answer {
    refused(request, ApiError::no_answer("connection reset"))
}

/// Writes an effect as one line; none for what readers are shown.
pub(super) fn line(effect: &Effect) -> Option<String> {
    Some(match effect {
        Effect::Discover(_) => "discover".to_owned(),
        Effect::StartWatch { resource, .. } => format!("watch {}", resource.gvk.kind),
        Effect::StopWatch { group_kind, .. } => format!("stop {}", group_kind.kind),
        Effect::Sweep { .. } => "sweep".to_owned(),
        Effect::PollRepo { .. } => "poll".to_owned(),
        Effect::Render { app, .. } => format!("render {}", app.name),
        Effect::Request { app, request, .. } => {
            let key = &request.key;
            let call = match &request.call {
                Call::Apply { .. } => "apply".to_owned(),
                Call::DryRun { .. }
                | Call::Delete { dry_run: DryRun::Yes, .. }
                | Call::Replace { dry_run: DryRun::Yes, .. } => "try".to_owned(),
                Call::Replace { .. } => "replace".to_owned(),
                Call::MergePatch(_) => "patch".to_owned(),
                Call::Get => "get".to_owned(),
                Call::CreateNamespace => "create".to_owned(),
                Call::Delete { propagation, .. } => format!("delete {}", propagation.as_str()),
            };
            format!("{call} {}/{} for {}", key.kind, key.name, app.name)
        }
        Effect::Write { app, patch, .. } => format!("write {} {patch}", app.name),
        Effect::Reread(app) => format!("reread {}", app.name),
        Effect::CreateDefaultProject(_) => "create the project".to_owned(),
        Effect::Record(record) => format!("event {} {}: {}", record.app.name, record.reason, record.message),
        Effect::Verified { app, revision } => format!("verified {} {revision}", app.name),
        Effect::KeepRenders { app, deployments, render } => {
            let revisions: Vec<&str> = deployments.iter().map(|entry| entry.revision.as_str()).collect();
            let render = render.as_ref().map_or_else(String::new, |render| format!(" {:?}", render.mode));
            format!("keep {} [{}]{render}", app.name, revisions.join(" "))
        }
        Effect::Ready => "ready".to_owned(),
        _ => return None,
    })
}
