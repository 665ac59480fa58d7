use application_api::{DestinationServiceAccount, GroupKindPattern};

use super::*;

fn strings(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}

fn project(change: impl FnOnce(&mut AppProjectSpec)) -> Project {
    let mut spec = default_project_spec();
    change(&mut spec);
    Project::new("web", &spec)
}

#[test]
fn sources_are_globs_with_separators() {
    let check = |rules: &[&str], url: &str, expected: bool| {
        let project = project(|spec| spec.source_repos = strings(rules));
        assert_eq!(project.permits_source(&RepoUrl::new(url)).is_ok(), expected, "{url} with {rules:?}");
    };
    let url = "https://github.com/org/app";
    check(&[], url, false);
    check(&["*"], url, true);
    check(&["**"], url, true);
    check(&["https://github.com/org/app.git"], url, true);
    check(&["https://GitHub.com/Org/App/"], url, true);
    check(&["https://github.com/org/*"], url, true);
    check(&["https://github.com/*"], url, false);
    check(&["https://github.com/**"], url, true);
    check(&["https://github.com/other/*"], url, false);
    check(&["git@github.com:org/*"], "ssh://git@github.com/org/app", true);
    // A denial alone allows the rest, and wins wherever it stands.
    check(&["!https://github.com/org/secret"], url, true);
    check(&["!https://github.com/org/*"], url, false);
    check(&["*", "!https://github.com/org/app"], url, false);
    check(&["!https://github.com/org/app", "*"], url, false);
    check(&["!*"], url, false);
    // What cannot be read allows nothing and denies everything.
    check(&["https://github.com/[org"], url, false);
    check(&["*", "!https://github.com/[org"], url, false);

    let refusal = project(|spec| spec.source_repos.clear()).permits_source(&RepoUrl::new("https://u:p@host/r"));
    assert_eq!(refusal.unwrap_err().to_string(), "application repo https://host/r is not permitted in project 'web'");
}

#[test]
fn destinations_are_globs_without_separators() {
    /// Each rule is server, name, namespace.
    fn check(rules: &[[&str; 3]], namespace: &str, expected: bool) {
        let rule = |[server, name, namespace]: &[&str; 3]| ApplicationDestination {
            server: (*server).to_owned(),
            name: (*name).to_owned(),
            namespace: (*namespace).to_owned(),
        };
        let project = project(|spec| spec.destinations = rules.iter().map(rule).collect());
        let server = ClusterId::new("https://prod.example.com");
        let cluster = Cluster { server: &server, name: "prod", project: "" };
        let destination =
            ApplicationDestination { namespace: namespace.to_owned(), ..ApplicationDestination::default() };
        assert_eq!(project.permits_destination(&destination, &cluster).is_ok(), expected, "{namespace} with {rules:?}");
    }
    check(&[], "shop", false);
    check(&[["*", "", "*"]], "shop", true);
    check(&[["", "prod", "shop"]], "shop", true);
    check(&[["", "pro?", "sh*"]], "shop", true);
    check(&[["", "", "*"]], "shop", false);
    check(&[["https://*.example.com", "", "*"]], "shop", true);
    check(&[["https://dev", "prod", "shop"]], "shop", true);
    check(&[["https://dev", "dev", "shop"]], "shop", false);
    check(&[["*", "", "shop"]], "", false);
    check(&[["*", "", "*"]], "", true);
    check(&[["*", "", ""]], "", true);
    check(&[["*", "", ""]], "shop", false);
    // Each part negates its own match.
    check(&[["*", "", "!kube-system"]], "shop", true);
    check(&[["*", "", "*"], ["*", "", "!kube-*"]], "kube-system", false);
    check(&[["*", "", "!kube-*"], ["*", "", "*"]], "kube-system", false);
    check(&[["*", "", "*"], ["https://dev", "", "!shop"]], "shop", true);
    check(&[["*", "", "*"], ["!https://prod.*", "", "shop"]], "shop", false);
    check(&[["*", "", "*"], ["!https://prod.*", "", "other"]], "shop", true);
    check(&[["!https://dev", "", "*"]], "shop", true);
    check(&[["*", "", "*"], ["", "!prod", "other"]], "shop", false);
    check(&[["", "!dev", "*"]], "shop", true);
    // An item that matches by its server does not deny by its name.
    check(&[["*", "!prod", "*"]], "shop", true);
    // What cannot be read allows nothing and denies everything.
    check(&[["*", "", "["]], "shop", false);
    check(&[["*", "", "*"], ["*", "", "!["]], "shop", false);
}

#[test]
fn a_cluster_without_a_name_is_denied_by_rules_about_names() {
    for (name, expected) in [("", true), ("dev", true), ("!dev", false)] {
        let rule = |server: &str, name: &str| ApplicationDestination {
            server: server.to_owned(),
            name: name.to_owned(),
            namespace: "*".to_owned(),
        };
        let project = project(|spec| spec.destinations = vec![rule("*", ""), rule("", name)]);
        let cluster = Cluster { server: &ClusterId::in_cluster(), name: "", project: "" };
        assert_eq!(
            project.permits_destination(&ApplicationDestination::default(), &cluster).is_ok(),
            expected,
            "{name}"
        );
    }
}

#[test]
fn a_refused_destination_is_called_as_the_spec_calls_it() {
    let project = project(|spec| spec.destinations.clear());
    let server = ClusterId::in_cluster();
    let cluster = Cluster { server: &server, name: "in-cluster", project: "" };
    let message = |name: &str| {
        let destination = ApplicationDestination {
            name: name.to_owned(),
            namespace: "shop".to_owned(),
            ..ApplicationDestination::default()
        };
        project.permits_destination(&destination, &cluster).unwrap_err().to_string()
    };
    assert_eq!(
        message(""),
        "application destination server 'https://kubernetes.default.svc' and namespace 'shop' do not match any of the allowed \
         destinations in project 'web'"
    );
    assert!(message("in-cluster").starts_with("application destination server 'in-cluster' and"));
}

#[test]
fn a_project_may_insist_on_clusters_of_its_own() {
    let project = project(|spec| spec.permit_only_project_scoped_clusters = true);
    let server = ClusterId::in_cluster();
    for (owner, expected) in [("", false), ("other", false), ("web", true)] {
        let cluster = Cluster { server: &server, name: "in-cluster", project: owner };
        assert_eq!(
            project.permits_destination(&ApplicationDestination::default(), &cluster).is_ok(),
            expected,
            "{owner}"
        );
    }
}

#[test]
fn secrets_of_the_project_add_repositories_and_clusters() {
    let listed = ScopedCluster { server: ClusterId::new("https://a"), namespaces: vec!["shop".to_owned()] };
    let open = ScopedCluster { server: ClusterId::new("https://b"), namespaces: vec![] };
    let project = Project::new("web", &AppProjectSpec::default())
        .with_scoped(&[RepoUrl::new("https://host/Repo.git")], &[listed.clone(), open.clone()]);
    assert!(project.permits_source(&RepoUrl::new("https://host/repo")).is_ok());
    assert!(project.permits_source(&RepoUrl::new("https://host/other")).is_err());
    for (server, namespace, expected) in
        [(&listed.server, "shop", true), (&listed.server, "other", false), (&open.server, "other", true)]
    {
        let destination =
            ApplicationDestination { namespace: namespace.to_owned(), ..ApplicationDestination::default() };
        let cluster = Cluster { server, name: "x", project: "web" };
        assert_eq!(project.permits_destination(&destination, &cluster).is_ok(), expected, "{server} {namespace}");
    }
}

fn object(project: &Project, group_kind: &GroupKind, scope: Scope, name: &str) -> Result<(), Refusal> {
    let server = ClusterId::in_cluster();
    let namespace = if scope == Scope::Namespaced { "shop" } else { "" };
    project.permits_object(
        group_kind,
        scope,
        namespace,
        name,
        &Cluster { server: &server, name: "in-cluster", project: "" },
    )
}

#[test]
fn namespaced_kinds_are_all_allowed_unless_there_is_a_list() {
    let check = |allowed: Option<&[[&str; 2]]>, denied: &[[&str; 2]], expected: bool| {
        let rule =
            |[group, kind]: &[&str; 2]| GroupKindPattern { group: (*group).to_owned(), kind: (*kind).to_owned() };
        let project = project(|spec| {
            spec.namespace_resource_whitelist = allowed.map(|rules| rules.iter().map(rule).collect());
            spec.namespace_resource_blacklist = denied.iter().map(rule).collect();
        });
        let verdict = object(&project, &GroupKind::new("apps", "Deployment"), Scope::Namespaced, "x");
        assert_eq!(verdict.is_ok(), expected, "{allowed:?} without {denied:?}");
    };
    check(None, &[], true);
    check(Some(&[]), &[], false);
    check(Some(&[["apps", "Deployment"]]), &[], true);
    check(Some(&[["*", "Deploy*"]]), &[], true);
    check(Some(&[["", "Deployment"]]), &[], false);
    check(Some(&[["apps", "deployment"]]), &[], false);
    check(Some(&[["apps", "[!D]*"]]), &[], true);
    check(Some(&[["apps", "[^D]*"]]), &[], false);
    check(None, &[["apps", "*"]], false);
    check(Some(&[["*", "*"]]), &[["apps", "Deployment"]], false);
    check(Some(&[["*", "*"]]), &[["", "Deployment"]], true);
    check(Some(&[["apps", "["]]), &[], false);
    check(None, &[["apps", "["]], false);
    check(None, &[["batch", "["]], true);
}

#[test]
fn cluster_kinds_are_denied_unless_listed() {
    let check = |allowed: &[[&str; 3]], denied: &[[&str; 3]], expected: bool| {
        let rule = |[group, kind, name]: &[&str; 3]| ClusterResourceRestriction {
            group: (*group).to_owned(),
            kind: (*kind).to_owned(),
            name: (*name).to_owned(),
        };
        let project = project(|spec| {
            spec.cluster_resource_whitelist = allowed.iter().map(rule).collect();
            spec.cluster_resource_blacklist = denied.iter().map(rule).collect();
        });
        let verdict = object(&project, &GroupKind::new("", "Namespace"), Scope::Cluster, "team-a");
        assert_eq!(verdict.is_ok(), expected, "{allowed:?} without {denied:?}");
    };
    check(&[], &[], false);
    check(&[["", "Namespace", ""]], &[], true);
    check(&[["*", "*", ""]], &[], true);
    check(&[["", "Namespace", "team-*"]], &[], true);
    check(&[["", "Namespace", "other-*"]], &[], false);
    check(&[["*", "*", ""]], &[["", "Namespace", ""]], false);
    check(&[["*", "*", ""]], &[["", "Namespace", "team-a"]], false);
    check(&[["*", "*", ""]], &[["", "Namespace", "team-b"]], true);
    check(&[["*", "*", "["]], &[], false);
    check(&[["*", "*", ""]], &[["", "Namespace", "["]], false);
}

#[test]
fn refused_objects_are_told_in_argo_cds_words() {
    let none = Project::new("web", &AppProjectSpec { destinations: vec![], ..default_project_spec() });
    let deployment = GroupKind::new("apps", "Deployment");
    let refusal = object(&none, &deployment, Scope::Namespaced, "x").unwrap_err();
    assert_eq!(refusal.to_string(), "namespace shop is not permitted in project 'web'");
    let role = GroupKind::new("rbac.authorization.k8s.io", "ClusterRole");
    let refusal = object(&project(|spec| spec.cluster_resource_whitelist.clear()), &role, Scope::Cluster, "x");
    let message = "resource rbac.authorization.k8s.io:ClusterRole is not permitted in project web";
    assert_eq!(refusal.unwrap_err().condition().message, message);
    assert_eq!(object(&none, &role, Scope::Cluster, "x"), Ok(()), "cluster-scoped objects have no namespace to permit");
}

#[test]
fn applications_live_in_the_control_plane_or_a_listed_namespace() {
    let project = project(|spec| spec.source_namespaces = strings(&["team-*", "/^dev-[0-9]+$/", "["]));
    for (namespace, expected) in [
        ("argocd", true),
        ("", true),
        ("team-a", true),
        ("dev-1", true),
        ("dev-x", false),
        ("other", false),
        ("[", false),
    ] {
        assert_eq!(project.permits_application(namespace, "shop", "argocd").is_ok(), expected, "{namespace}");
    }
    assert_eq!(project.problems().len(), 1);
    assert_eq!(
        project.permits_application("other", "shop", "argocd").unwrap_err().to_string(),
        "application 'shop' in namespace 'other' is not allowed to use project web"
    );
}

#[test]
fn the_first_matching_service_account_is_acted_as() {
    let rule = |server: &str, namespace: &str, account: &str| DestinationServiceAccount {
        server: server.to_owned(),
        namespace: namespace.to_owned(),
        default_service_account: account.to_owned(),
    };
    let project = project(|spec| {
        spec.destination_service_accounts = vec![
            rule("https://a", "shop", "deployer"),
            rule("https://a", "sh*", "second"),
            rule("https://a", "ops", "robots:admin"),
            rule("https://a", "", "nowhere"),
            rule("https://b", "*", "bad/name"),
            rule("!https://c", "*", "negated"),
        ];
    });
    let user = |server: &str, namespace: &str| {
        let account = project.service_account(&ClusterId::new(server), namespace, "argocd");
        account.map(|account| account.user_name()).map_err(|refusal| refusal.to_string())
    };
    assert_eq!(user("https://a", "shop").unwrap(), "system:serviceaccount:shop:deployer");
    assert_eq!(user("https://a", "ship").unwrap(), "system:serviceaccount:ship:second");
    assert_eq!(user("https://a", "ops").unwrap(), "system:serviceaccount:robots:admin");
    assert_eq!(user("https://a", "").unwrap(), "system:serviceaccount:argocd:nowhere");
    assert_eq!(user("https://b", "x").unwrap_err(), "default service account contains invalid chars 'bad/name'");
    assert_eq!(
        user("https://d", "x").unwrap_err(),
        "no matching service account found for destination server https://d and namespace x"
    );
}

#[test]
fn the_default_project_allows_everything() {
    let project = Project::new("default", &default_project_spec());
    assert_eq!(project.problems(), []);
    assert!(project.permits_source(&RepoUrl::new("https://any/where")).is_ok());
    assert_eq!(object(&project, &GroupKind::new("apps", "Deployment"), Scope::Namespaced, "x"), Ok(()));
    assert_eq!(object(&project, &GroupKind::new("", "Node"), Scope::Cluster, "x"), Ok(()));
    assert!(project.permits_application("other", "x", "argocd").is_err());
}
