//! `jackline rbac`: what a ServiceAccount needs for jackline to read the cluster, ready for `kubectl apply -f -`.
//!
//! Two rules, both read-only: the Endpoints (with the fleet's drain on them) and the Nodes; the EndpointSlices.

use clap::Args;
use serde_json::{Value, json};

use crate::args::Output;
use crate::doctor::json as pretty;
use crate::exit::Exit;
use crate::output::out;

pub(crate) const EXAMPLES: &str = "\
Examples:
  jackline rbac | kubectl apply -f -
  jackline rbac --namespace edge | kubectl apply -f -

Exit status: 0 printed, 64 wrong usage.";

#[derive(Args, Debug)]
pub(crate) struct RbacArgs {
    /// The namespace of the ServiceAccount
    #[arg(long, value_name = "NAME", default_value = "kube-system", value_parser = namespace)]
    pub(crate) namespace: String,
    /// YAML with remarks, or the same objects as a List in JSON, which kubectl takes too
    #[arg(long, short, value_enum, default_value_t = Output::Table)]
    pub(crate) output: Output,
}

/// The manifest; `NAMESPACE` stands for the ServiceAccount's.
const MANIFEST: &str = "\
# For nodes without a credential of the distribution's that may read Endpoints and Nodes. Apply it:
#   jackline rbac | kubectl apply -f -
# then give each node a token of the ServiceAccount and name the file in cluster.token-file:
#   kubectl -n NAMESPACE create token jackline --duration=8760h
# A token has an end: renew it before (jackline reads the file again by itself). To take all of it back:
#   jackline rbac | kubectl delete -f -
apiVersion: v1
kind: ServiceAccount
metadata:
  name: jackline
  namespace: NAMESPACE
automountServiceAccountToken: false
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: jackline
rules:
  - apiGroups: [\"\"]
    resources: [endpoints, nodes]
    verbs: [get, list, watch]
  - apiGroups: [discovery.k8s.io]
    resources: [endpointslices]
    verbs: [get, list, watch]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata:
  name: jackline
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: ClusterRole
  name: jackline
subjects:
  - kind: ServiceAccount
    name: jackline
    namespace: NAMESPACE
";

pub(crate) fn rbac(args: &RbacArgs) -> anyhow::Result<Exit> {
    out(&match args.output {
        Output::Table => MANIFEST.replace("NAMESPACE", &args.namespace),
        Output::Json => pretty(&list(&args.namespace))?,
    })?;
    Ok(Exit::Well)
}

/// What [`MANIFEST`] says; a test holds them to be the same.
fn list(namespace: &str) -> Value {
    let group = "rbac.authorization.k8s.io";
    let version = format!("{group}/v1");
    json!({ "apiVersion": "v1", "kind": "List", "items": [
        { "apiVersion": "v1", "kind": "ServiceAccount", "metadata": { "name": "jackline", "namespace": namespace },
          "automountServiceAccountToken": false },
        { "apiVersion": version, "kind": "ClusterRole", "metadata": { "name": "jackline" }, "rules": [
            { "apiGroups": [""], "resources": ["endpoints", "nodes"], "verbs": ["get", "list", "watch"] },
            { "apiGroups": ["discovery.k8s.io"], "resources": ["endpointslices"], "verbs": ["get", "list", "watch"] },
        ] },
        { "apiVersion": version, "kind": "ClusterRoleBinding", "metadata": { "name": "jackline" },
          "roleRef": { "apiGroup": group, "kind": "ClusterRole", "name": "jackline" },
          "subjects": [{ "kind": "ServiceAccount", "name": "jackline", "namespace": namespace }] },
    ] })
}

/// A namespace's name as Kubernetes allows it: it goes into YAML and into a command line.
pub(crate) fn namespace(text: &str) -> Result<String, String> {
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let good = (1..=63).contains(&text.len())
        && text.bytes().all(|byte| plain(byte) || byte == b'-')
        && text.bytes().next().is_some_and(plain)
        && text.bytes().last().is_some_and(plain);
    match good {
        true => Ok(text.to_owned()),
        false => Err("a namespace has 1 to 63 of a-z, 0-9 and -, not beginning or ending with -".to_owned()),
    }
}
