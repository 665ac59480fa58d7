use std::{path::Path, sync::Arc};

use application_api::RepoUrl;

use crate::{
    GitError, GitStep, RevisionName,
    mirror::open,
    objects::{Home, Objects},
    remote::text,
    revision::{References, Tip, prefixes},
    tree_cache::TreeShelf,
};

/// Opens a repository of this machine where it is.
pub(crate) fn open_in_place(
    url: &RepoUrl,
    path: &Path,
    trees: &TreeShelf,
) -> Result<(gix::ThreadSafeRepository, Arc<Objects>), GitError> {
    if !path.exists() {
        return Err(GitError::NotFound { url: url.clone(), detail: "no such directory".to_owned() });
    }
    let repository = open(path).map_err(|error| GitError::NotFound { url: url.clone(), detail: error.to_string() })?;
    let objects = Arc::new(Objects::of(&repository, trees.clone(), Arc::new(Home::default())));
    Ok((repository, objects))
}

/// Reads the references that the revisions may stand for, tags followed.
pub(crate) fn references(
    url: &RepoUrl,
    repository: &gix::ThreadSafeRepository,
    wanted: &[RevisionName],
) -> Result<References, GitError> {
    let repository = repository.to_thread_local();
    let failed =
        |error: gix::Error| GitError::Corrupt { url: url.clone(), step: GitStep::ListReferences, detail: text(&error) };
    let mut references = References::new();
    for prefix in prefixes(wanted) {
        if prefix.ends_with('/') {
            let platform = repository.references().map_err(failed)?;
            for reference in platform.prefixed(prefix.as_str()).map_err(failed)? {
                add(&mut references, reference.map_err(failed)?);
            }
        // A text that cannot be a reference's name names none.
        } else if gix::refs::FullName::try_from(prefix.as_str()).is_ok()
            && let Some(reference) = repository.try_find_reference(prefix.as_str()).map_err(failed)?
        {
            add(&mut references, reference);
        }
    }
    Ok(references)
}

/// Adds a reference unless it leads to nothing, such as `HEAD` in an empty repository.
fn add(references: &mut References, mut reference: gix::Reference<'_>) {
    let name = reference.name().as_bstr().to_string();
    if let Ok(id) = reference.peel_to_id() {
        references.insert(name, Tip { commit: id.detach(), advertised: id.detach() });
    }
}
