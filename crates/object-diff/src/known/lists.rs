use super::Place;

/// The fields that tell the items of a keyed list apart, each with the default of an item that leaves it out.
pub(crate) type ListKeys = &'static [(&'static str, Option<&'static str>)];

/// Returns the keys of a built-in keyed list; an empty slice stands for a set of scalars, none for any other list.
pub(crate) fn list_keys(builtin: bool, place: &Place<'_>) -> Option<ListKeys> {
    match place.at.as_slice() {
        ["metadata", "finalizers"] => return Some(&[]),
        ["metadata", "ownerReferences"] => return Some(UID),
        _ => {}
    }
    if !builtin {
        return None;
    }
    LISTS.iter().find(|(root, pattern, _)| place.is(root, pattern)).map(|(_, _, keys)| *keys)
}

const NAME: ListKeys = &[("name", None)];
const UID: ListKeys = &[("uid", None)];

// Source: the list types of the published OpenAPI document of Kubernetes 1.36.
const LISTS: &[(&str, &str, ListKeys)] = &[
    ("PodSpec", "containers", NAME),
    ("PodSpec", "containers.*.env", NAME),
    ("PodSpec", "containers.*.ports", &[("containerPort", None), ("protocol", Some("TCP"))]),
    ("PodSpec", "containers.*.volumeMounts", &[("mountPath", None)]),
    ("PodSpec", "containers.*.volumeDevices", &[("devicePath", None)]),
    ("PodSpec", "containers.*.resources.claims", NAME),
    ("PodSpec", "volumes", NAME),
    ("PodSpec", "imagePullSecrets", NAME),
    ("PodSpec", "hostAliases", &[("ip", None)]),
    ("PodSpec", "topologySpreadConstraints", &[("topologyKey", None), ("whenUnsatisfiable", None)]),
    ("PodSpec", "resourceClaims", NAME),
    ("PodSpec", "schedulingGates", NAME),
    ("Service", "spec.ports", &[("port", None), ("protocol", Some("TCP"))]),
    ("ServiceAccount", "secrets", NAME),
    ("WebhookConfiguration", "webhooks", NAME),
    ("WebhookConfiguration", "webhooks.*.matchConditions", NAME),
    ("AdmissionPolicy", "spec.matchConditions", NAME),
    ("AdmissionPolicy", "spec.variables", NAME),
    ("ValidatingAdmissionPolicyBinding", "spec.validationActions", &[]),
];
