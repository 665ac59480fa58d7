use std::num::NonZeroU64;
use std::sync::Arc;

use kube_object::{CompactObject, InstanceName, Time};
use object_health::Health;

use crate::{ResourceVersion, Uid};

/// What is kept of one live object. Its key is where it was found.
#[derive(Clone, Debug, PartialEq)]
pub struct LiveObject {
    /// Identity in time.
    pub uid: Uid,
    /// Version of the stored object, as last read.
    pub resource_version: ResourceVersion,
    /// The `apiVersion` it was read in.
    pub api_version: Arc<str>,
    /// When it was created.
    pub created_at: Option<Time>,
    /// The uids of its owners.
    pub owners: Box<[Uid]>,
    /// The application it says it belongs to.
    pub tracking: Option<Tracking>,
    /// Its health; none when its kind has no rule, and until it was read in full. Of a newer version of which only
    /// the metadata were read, the last one known.
    pub health: Option<Health>,
    /// Whether its deletion was requested.
    pub is_deleting: bool,
    /// How much was read of the newest version.
    pub detail: Detail,
    /// Its body.
    pub body: Body,
    /// The container images of a Pod, sorted.
    pub images: Box<[Arc<str>]>,
    /// Of a StatefulSet, what the names of its volume claims start with: `<template>-<name>`.
    pub(crate) claims: Box<[Box<str>]>,
    /// Digest of what matters in the body; none when no comparison needs it.
    pub(crate) fingerprint: Option<NonZeroU64>,
    /// The reset in which it was last listed.
    pub(crate) listed_in: u32,
}

impl LiveObject {
    /// Tells whether the object has an owner. Such an object is never managed for being tracked (section 5.1 of the
    /// semantics): controllers copy the annotation onto what they create.
    pub fn has_owner(&self) -> bool {
        !self.owners.is_empty()
    }

    /// Returns the application that manages the object because the object says so.
    pub fn tracked_root_of(&self) -> Option<&InstanceName> {
        self.tracking.as_ref().filter(|_| !self.has_owner()).map(|tracking| &tracking.instance)
    }
}

/// How much of an object was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Detail {
    /// Only `apiVersion`, `kind` and `metadata`.
    MetadataOnly,
    /// All of it.
    Full,
}

/// What the tracking annotation of an object says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tracking {
    /// The application.
    pub instance: InstanceName,
    /// Which object the annotation was written for.
    pub of: TrackingOf,
}

/// Which object a tracking annotation was written for (section 3.8 of the semantics, self-referenced).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TrackingOf {
    /// The object that carries it.
    Itself,
    /// Another: it was copied, the object is not the application's own.
    Another,
}

/// The body of an object.
#[derive(Clone, Debug, Default, PartialEq)]
pub enum Body {
    /// The whole newest version.
    Held(CompactObject),
    /// A CustomResourceDefinition that no application renders, without schemas and `managedFields`.
    Outline(CompactObject),
    /// Nothing: nobody needs it, or only the metadata of the newest version were read.
    #[default]
    NotHeld,
}

impl Body {
    /// Returns the whole body, when it is held.
    pub fn held(&self) -> Option<&CompactObject> {
        match self {
            Self::Held(body) => Some(body),
            Self::Outline(_) | Self::NotHeld => None,
        }
    }

    /// Returns the bytes that are kept.
    pub(crate) fn bytes(&self) -> &[u8] {
        match self {
            Self::Held(body) | Self::Outline(body) => body.as_bytes(),
            Self::NotHeld => &[],
        }
    }
}
