//! Repositories, revisions and paths that are not there, and links that lead away.

use serde_json::json;

use super::stage::{BystanderIn, Stage};

#[tokio::test(flavor = "multi_thread")]
async fn a_missing_path() {
    let stage = Stage::set("bad-path", BystanderIn::SameRepository).await;
    stage.repo.git(&["mv", "victim", "moved"]);
    stage.repo.commit("bad");
    stage.wait_unreadable("victim: app path does not exist").await;
    stage.assert_unharmed(&[]).await;

    stage.recorder.forget();
    stage.repo.git(&["mv", "moved", "victim"]);
    stage.change("two").commit("two");
    stage.assert_recovers(&stage.repo.head(), &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_revision() {
    let stage = Stage::set("bad-revision", BystanderIn::SameRepository).await;
    // One that was never there: a typing error in the spec.
    stage.edit_spec(json!({"source": {"targetRevision": "release"}})).await;
    stage.wait_unreadable("unable to resolve 'release' to a commit SHA").await;
    stage.assert_unharmed(&[]).await;
    stage.repo.branch("release");
    let head = stage.repo.head();
    crate::reading::wait_settled(&stage.env, &stage.victim, &head).await;
    stage.assert_unharmed(&[]).await;

    // One that was followed and is deleted.
    stage.repo.git(&["branch", "--delete", "--force", "release"]);
    stage.wait_unreadable("unable to resolve 'release' to a commit SHA").await;
    stage.change("two").commit("two");
    stage.assert_unharmed(&[]).await;
    stage.recorder.forget();
    stage.repo.branch("release");
    stage.assert_recovers(&stage.repo.head(), &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_repository_that_goes_away_and_comes_back() {
    let stage = Stage::set("bad-gone", BystanderIn::OwnRepository).await;
    let (there, away) = (stage.repo.path().to_owned(), stage.env.directory().join("away"));
    stage.change("two").commit("two");
    std::fs::rename(&there, &away).unwrap();
    let url = stage.env.git_url("app");
    let gone = format!(
        "there is no Git repository at {url} (HTTP status 404); check the address and, if it is private, the credentials"
    );
    stage.wait_unreadable(&gone).await;
    stage.assert_unharmed(&[]).await;

    stage.recorder.forget();
    std::fs::rename(&away, &there).unwrap();
    stage.assert_recovers(&stage.repo.head(), &[]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_symlink_out_of_the_tree() {
    let stage = Stage::set("bad-link", BystanderIn::SameRepository).await;
    for target in ["/etc/passwd", "../../secret.yaml", "../bystander/../../x.yaml"] {
        stage.change("bad").symlink("victim/link.yaml", target).commit("bad");
        stage.wait_unreadable("repository contains out-of-bounds symlinks. file: victim/link.yaml").await;
        stage.assert_unharmed(&[]).await;
        std::fs::remove_file(stage.repo.path().join("victim/link.yaml")).unwrap();
    }
    stage.recorder.forget();
    stage.change("two").symlink("victim/link.yaml", "settings.json.none").commit("two");
    stage.assert_recovers(&stage.repo.head(), &[]).await;
}
