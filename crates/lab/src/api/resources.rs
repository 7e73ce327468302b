//! Kubernetes objects over HTTP: get, list, create, update, patch, delete; watches are begun here and run in `watch`.

use std::net::SocketAddr;
use std::sync::Arc;

use bytes::Bytes;
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use hyper::{Method, Request, Response, StatusCode};
use serde_json::{Value, json};

use crate::api::answer::{Body, failure, json as answer_json};
use crate::api::auth::User;
use crate::api::query::{Query, Selector};
use crate::api::rights::{self, Verb};
use crate::objects::{Key, Resource, server_list};
use crate::server::process::Process;
use crate::store::Refused;
use crate::{pods, watch};

/// A longer object is refused.
const BODY_MAX: usize = 1024 * 1024;

/// What a path means.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Target {
    pub(crate) resource: Resource,
    pub(crate) namespace: Option<String>,
    pub(crate) name: Option<String>,
}

impl Target {
    pub(crate) fn of(path: &str) -> Option<Self> {
        let parts: Vec<&str> = path.split('/').skip(1).collect();
        let (group, rest) = match parts.as_slice() {
            ["api", "v1", rest @ ..] => ("", rest),
            ["apis", group, "v1", rest @ ..] => (*group, rest),
            _ => return None,
        };
        let (namespace, plural, name) = match rest {
            // Before the next line: Namespaces are objects themselves.
            [plural] => (None, *plural, None),
            ["namespaces", name] => (None, "namespaces", Some(*name)),
            ["namespaces", namespace, plural] => (Some(*namespace), *plural, None),
            ["namespaces", namespace, plural, name] => (Some(*namespace), *plural, Some(*name)),
            [plural, name] => (None, *plural, Some(*name)),
            _ => return None,
        };
        let resource = Resource::named(group, plural)?;
        // An object of a namespaced kind is named within its namespace; a kind without has none.
        let fits = if resource.namespaced() {
            namespace.is_some() || name.is_none()
        } else {
            namespace.is_none()
        };
        fits.then(|| Self {
            resource,
            namespace: namespace.map(str::to_owned),
            name: name.map(str::to_owned),
        })
    }

    fn key(&self, name: &str) -> Key {
        Key::new(self.resource, self.namespace.as_deref().unwrap_or_default(), name)
    }
}

/// Answers a request about objects.
pub(crate) async fn answer(
    process: &Arc<Process>,
    user: &User,
    target: &Target,
    query: &Query,
    request: Request<Incoming>,
) -> Response<Body> {
    let selector = match Selector::of(query) {
        Ok(selector) => selector,
        Err(message) => return failure(StatusCode::BAD_REQUEST, "BadRequest", &message),
    };
    let verb = match (request.method(), &target.name) {
        (&Method::GET, Some(_)) => Verb::Get,
        (&Method::GET, None) if query.is_set("watch") => Verb::Watch,
        (&Method::GET, None) => Verb::List,
        (&Method::POST, None) => Verb::Create,
        (&Method::PUT, Some(_)) => Verb::Update,
        (&Method::PATCH, Some(_)) => Verb::Patch,
        (&Method::DELETE, Some(_)) => Verb::Delete,
        _ => {
            return failure(
                StatusCode::METHOD_NOT_ALLOWED,
                "MethodNotAllowed",
                "the server does not allow this method here",
            );
        }
    };
    if !rights::may(user, verb, target, selector.name()) {
        return rights::forbidden_object(user, verb, target);
    }
    let name = target.name.as_deref().unwrap_or_default();
    match verb {
        Verb::Get => get(process, &target.key(name)),
        Verb::List => list(process, target, &selector),
        Verb::Watch => watch::answer(process, target, selector, query),
        Verb::Delete => delete(process, &target.key(name)),
        Verb::Create | Verb::Update | Verb::Patch => match body(request).await {
            Ok(object) => write(process, verb, target, object),
            Err(message) => failure(StatusCode::BAD_REQUEST, "BadRequest", &message),
        },
    }
}

/// The objects of a kind as this server tells them: a just-started one may tell a list of its own. Also the version.
pub(crate) fn told(
    process: &Process,
    resource: Resource,
    namespace: Option<&str>,
) -> (u64, Vec<(Key, Arc<Value>)>) {
    let told: Option<Vec<SocketAddr>> = process.told.borrow().clone();
    let (version, mut objects) = process.cluster.store.list(resource, namespace);
    if let Some(servers) = told
        && namespace.is_none_or(|namespace| namespace == "default")
    {
        objects.retain(|(key, _)| !key.is_server_list());
        for (key, mut object) in server_list(&servers)
            .into_iter()
            .filter(|(key, _)| key.resource == resource)
        {
            object["metadata"]["resourceVersion"] = json!(version.to_string());
            objects.push((key, Arc::new(object)));
        }
    }
    (version, objects)
}

fn get(process: &Process, key: &Key) -> Response<Body> {
    let namespace = key.resource.namespaced().then_some(key.namespace.as_str());
    let (_, objects) = told(process, key.resource, namespace);
    match objects.iter().find(|(own, _)| own == key) {
        Some((_, object)) => answer_json(StatusCode::OK, object),
        None => not_found(key),
    }
}

fn list(process: &Process, target: &Target, selector: &Selector) -> Response<Body> {
    let (version, objects) = told(process, target.resource, target.namespace.as_deref());
    let wanted = objects.iter().filter(|(_, object)| selector.matches(object));
    let items: Vec<Value> = wanted.map(|(_, object)| item(object)).collect();
    let list = json!({
        "kind": format!("{}List", target.resource.kind()),
        "apiVersion": target.resource.api_version(),
        "metadata": { "resourceVersion": version.to_string() },
        "items": items,
    });
    answer_json(StatusCode::OK, &list)
}

/// In a list the objects do not repeat their kind.
fn item(object: &Value) -> Value {
    let mut item = object.clone();
    if let Some(fields) = item.as_object_mut() {
        fields.remove("kind");
        fields.remove("apiVersion");
    }
    item
}

fn delete(process: &Process, key: &Key) -> Response<Body> {
    let store = &process.cluster.store;
    let deleted = match process.loses_writes() {
        true => store.object(key),
        false => store.delete(key),
    };
    match deleted {
        Some(object) => answer_json(StatusCode::OK, &object),
        None => not_found(key),
    }
}

fn write(process: &Process, verb: Verb, target: &Target, mut object: Value) -> Response<Body> {
    let store = &process.cluster.store;
    let named = target
        .name
        .as_deref()
        .or_else(|| object["metadata"]["name"].as_str())
        .unwrap_or_default()
        .to_owned();
    if named.is_empty() {
        return failure(
            StatusCode::UNPROCESSABLE_ENTITY,
            "Invalid",
            "metadata.name: Required value",
        );
    }
    let key = target.key(&named);
    let present = store.object(&key);
    match (verb, &present) {
        (Verb::Create, Some(_)) => {
            let message = format!("{} \"{named}\" already exists", target.resource.plural());
            return failure(StatusCode::CONFLICT, "AlreadyExists", &message);
        }
        (Verb::Update | Verb::Patch, None) => return not_found(&key),
        (Verb::Patch, Some(present)) => {
            let mut merged = Value::clone(present);
            merge(&mut merged, &object);
            object = merged;
        }
        _ => {}
    }
    object["metadata"]["name"] = json!(named);
    if (verb, target.resource) == (Verb::Create, Resource::Pods) {
        pods::started(&mut object);
    }
    if let Some(namespace) = &target.namespace {
        object["metadata"]["namespace"] = json!(namespace);
    }
    let written = match process.loses_writes() {
        true => Ok(Arc::new(object)),
        false => store.put(&key, object),
    };
    match written {
        Ok(written) => {
            if process.loses_writes() {
                tracing::debug!(server = %process.machine.name, ?key, "a write is lost");
            } else if key.resource == Resource::Leases && key.namespace == "kube-node-lease" {
                process.cluster.heard(&named);
            }
            answer_json(
                if verb == Verb::Create {
                    StatusCode::CREATED
                } else {
                    StatusCode::OK
                },
                &written,
            )
        }
        Err(Refused::NotFound) => not_found(&key),
        Err(Refused::Conflict) => {
            let message = format!(
                "Operation cannot be fulfilled on {} \"{named}\": the object has been modified; please apply your changes to the latest version and try again",
                target.resource.plural()
            );
            failure(StatusCode::CONFLICT, "Conflict", &message)
        }
        Err(Refused::Full) => failure(
            StatusCode::INSUFFICIENT_STORAGE,
            "InternalError",
            "etcdserver: mvcc: database space exceeded",
        ),
    }
}

/// A JSON merge patch (RFC 7386); a strategic one is taken for the same, which it is wherever no list is patched.
fn merge(target: &mut Value, patch: &Value) {
    let Some(patch) = patch.as_object() else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = json!({});
    }
    for (name, value) in patch {
        if value.is_null() {
            target.as_object_mut().map(|fields| fields.remove(name));
        } else {
            merge(&mut target[name], value);
        }
    }
}

/// An object with metadata, or a sentence.
async fn body(request: Request<Incoming>) -> Result<Value, String> {
    let bytes: Bytes = match Limited::new(request.into_body(), BODY_MAX).collect().await {
        Ok(body) => body.to_bytes(),
        Err(_) => return Err("the body is longer than 1 MiB, or broke off".to_owned()),
    };
    let mut object: Value =
        serde_json::from_slice(&bytes).map_err(|error| format!("the body is not JSON: {error}"))?;
    let fields = object.as_object_mut().ok_or("the body is not an object")?;
    if !fields.entry("metadata").or_insert_with(|| json!({})).is_object() {
        return Err("metadata is not an object".to_owned());
    }
    Ok(object)
}

fn not_found(key: &Key) -> Response<Body> {
    failure(
        StatusCode::NOT_FOUND,
        "NotFound",
        &format!("{} \"{}\" not found", key.resource.plural(), key.name),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_mean_what_they_mean_on_a_real_server() {
        let target = |resource, namespace: Option<&str>, name: Option<&str>| {
            Some(Target {
                resource,
                namespace: namespace.map(str::to_owned),
                name: name.map(str::to_owned),
            })
        };
        assert_eq!(Target::of("/api/v1/nodes"), target(Resource::Nodes, None, None));
        assert_eq!(
            Target::of("/api/v1/nodes/n1"),
            target(Resource::Nodes, None, Some("n1"))
        );
        assert_eq!(
            Target::of("/api/v1/namespaces"),
            target(Resource::Namespaces, None, None)
        );
        assert_eq!(
            Target::of("/api/v1/namespaces/default"),
            target(Resource::Namespaces, None, Some("default"))
        );
        assert_eq!(
            Target::of("/api/v1/namespaces/default/endpoints/kubernetes"),
            target(Resource::Endpoints, Some("default"), Some("kubernetes"))
        );
        assert_eq!(
            Target::of("/apis/discovery.k8s.io/v1/endpointslices"),
            target(Resource::EndpointSlices, None, None)
        );
        for nothing in [
            "/",
            "/api/v1",
            "/api/v1/endpointslices",
            "/api/v1/endpoints/x",
            "/api/v1/namespaces/a/nodes",
            "/apis/x/v1/nodes",
        ] {
            assert_eq!(Target::of(nothing), None, "{nothing}");
        }
    }

    #[test]
    fn a_merge_patch_adds_replaces_and_removes() {
        let mut object = json!({ "metadata": { "annotations": { "a": "1", "b": "2" } }, "list": [1] });
        merge(
            &mut object,
            &json!({ "metadata": { "annotations": { "a": null, "c": "3" } }, "list": [2], "new": { "x": null } }),
        );
        assert_eq!(
            object,
            json!({ "metadata": { "annotations": { "b": "2", "c": "3" } }, "list": [2], "new": {} })
        );
    }
}
