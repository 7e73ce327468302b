//! kubeadm: the kubelet's kubeconfig names another server, in two lines. What is not a file of the node (kube-proxy's
//! ConfigMap) is told, not done.

use super::Mode;
use super::plan::Plan;
use super::scene::Scene;
use crate::profile::kubeadm::KUBELET;
use crate::profile::kubeconfig;

/// A kubelet holds a server to this name instead of the address that it dials; every kubeadm certificate has it.
const NAME: &str = "kubernetes";

/// The plan.
pub(crate) fn kubeadm(scene: &Scene, plan: &mut Plan) {
    if plan.mode == Mode::StandBehind {
        plan.block("kubeadm brings no balancer that jackline could stand behind: take --mode replace");
        return;
    }
    let mut problem = None;
    let text = scene
        .before
        .read(KUBELET)
        .text(KUBELET, |words| problem = Some(words));
    let Some(text) = text else {
        plan.block(
            problem
                .unwrap_or_else(|| format!("{KUBELET} is not there: let the node join first (kubeadm join)")),
        );
        return;
    };
    let server = match kubeconfig::server(&text) {
        Ok(server) => server,
        Err(words) => return plan.block(format!("{KUBELET}: {words}; mend it")),
    };
    let listener = scene.own.prepare(plan, Mode::Replace, None, true);
    let url = format!("https://{listener}");
    match edited(&text, &server, &url) {
        Some(edited) => plan.change(KUBELET, edited.into_bytes(), "the kubelet's server"),
        None => plan.block(format!(
            "{KUBELET} is not written as kubeadm writes it (the server on a line of its own): change it by hand: server: {url}, \
             and under it tls-server-name: {NAME}"
        )),
    }
    plan.check(format!(
        "the servers' certificates name {NAME}, as kubeadm makes them: \
         `openssl s_client -connect {} </dev/null 2>/dev/null | openssl x509 -noout -ext subjectAltName`",
        server.url.trim_start_matches("https://")
    ));
    plan.by_hand(format!(
        "kube-proxy reads its server from the cluster: once every node has jackline, `kubectl -n kube-system edit configmap \
         kube-proxy`, set server: {url} and tls-server-name: {NAME}, and restart its pods"
    ));
    plan.by_hand(
        "`kubeadm upgrade` and `kubeadm init phase kubeconfig` may write the file anew: then `jackline setup --write` once more",
    );
    plan.restart("systemctl restart kubelet");
    plan.then("kubectl get node, for this one: it is Ready again after the restart");
}

/// The text with another server, and the name to hold it to; the rest stays as it is, byte for byte. `None`: it is not laid
/// out as expected.
fn edited(text: &str, server: &kubeconfig::Server, url: &str) -> Option<String> {
    let at = usize::try_from(server.place.line).ok()?.checked_sub(1)?;
    let lines: Vec<&str> = text.split_inclusive('\n').collect();
    let line = lines.get(at)?;
    let bare = line.trim_end_matches(['\n', '\r']);
    let end = &line[bare.len()..];
    let (indent, value) = bare.split_once("server:")?;
    let value = value.trim().trim_matches(['"', '\'']);
    if value != server.url || !indent.chars().all(|c| c == ' ' || c == '-') {
        return None;
    }
    let end = if end.is_empty() { "\n" } else { end };
    let mut new = format!("{indent}server: {url}{end}");
    if server.tls_server_name.is_none() {
        let indent = indent.replace('-', " ");
        new.push_str(&format!("{indent}tls-server-name: {NAME}{end}"));
    }
    Some(lines[..at].concat() + &new + &lines[at + 1..].concat())
}

#[cfg(test)]
mod tests {
    use super::edited;
    use crate::profile::kubeconfig::server;

    fn edit(text: &str) -> Option<String> {
        edited(text, &server(text).expect("a server"), "https://127.0.0.1:6440")
    }

    const REST: &str = "contexts:\n- context: {cluster: k, user: u}\n  name: c\ncurrent-context: c";

    #[test]
    fn only_the_server_changes_and_the_name_is_put_under_it() {
        let text = format!("clusters:\n- cluster:\n    server: https://a:6443\n  name: k\n{REST}");
        let wanted = text.replace(
            "    server: https://a:6443\n",
            "    server: https://127.0.0.1:6440\n    tls-server-name: kubernetes\n",
        );
        assert_eq!(edit(&text), Some(wanted));
    }

    #[test]
    fn a_dash_carriage_returns_and_a_name_of_its_own_are_kept() {
        let text = format!(
            "clusters:\r\n- name: k\r\n  cluster:\r\n    server: \"https://a:6443\"\r\n    tls-server-name: b\r\n{REST}"
        );
        let wanted = text.replace("server: \"https://a:6443\"", "server: https://127.0.0.1:6440");
        assert_eq!(edit(&text), Some(wanted));
    }

    #[test]
    fn a_file_in_another_layout_is_left_to_people() {
        let text = format!("clusters: [{{name: k, cluster: {{server: \"https://a:6443\"}}}}]\n{REST}");
        assert_eq!(edit(&text), None);
    }
}
