//! How each is configured: as its users would, for TCP, with two threads, for as many sessions as are measured.

use std::net::SocketAddr;
use std::path::Path;

use super::Sort;

/// Where nginx's modules are, from the folder that its program's folder is in.
const MODULE: &str = "lib/nginx/modules/ngx_stream_module.so";

pub(super) fn jackline(listen: SocketAddr, to: &[SocketAddr], folder: &Path) -> String {
    let folder = folder.display();
    let to: Vec<String> = to.iter().map(|server| format!("\"{server}\"")).collect();
    let to = to.join(", ");
    format!(
        "profile: generic\n\
         endpoints: [{to}]\n\
         listen: [\"{listen}\"]\n\
         state-dir: {folder}/state\n\
         socket: {folder}/jackline.sock\n\
         allow-loopback-upstreams: true\n\
         timing: {{ shutdown-time: 1s }}\n\
         log: {{ level: warn }}\n"
    )
}

pub(super) fn haproxy(sort: &Sort, listen: SocketAddr, to: &[SocketAddr], folder: &Path) -> String {
    let splicing = if *sort == Sort::HaproxySplice {
        "  option splice-request\n  option splice-response\n"
    } else {
        ""
    };
    let (times, backend, check) = match sort {
        // Kubespray's template haproxy.cfg.j2, as far as it concerns a TCP backend.
        Sort::HaproxyKubespray => (
            "retries 5\n  timeout connect 30s\n  timeout client 15m\n  timeout server 15m\n  timeout check 30s",
            "balance leastconn\n  option httpchk GET /healthz\n  http-check expect status 200\n  \
             default-server inter 15s downinter 15s rise 2 fall 2 slowstart 60s maxconn 1000 maxqueue 256 weight 100",
            "check check-ssl verify none",
        ),
        // What its manual offers for a quick change.
        Sort::HaproxyTuned => (
            "retries 3\n  option redispatch 1\n  timeout connect 300ms\n  timeout client 1h\n  timeout server 1h\n  \
             timeout check 500ms",
            "option httpchk GET /readyz\n  http-check expect status 200\n  \
             default-server inter 500ms fastinter 100ms downinter 500ms rise 1 fall 2 on-marked-down shutdown-sessions",
            "check check-ssl verify none",
        ),
        _ => (
            "timeout connect 5s\n  timeout client 1h\n  timeout server 1h",
            "balance roundrobin",
            "check inter 10s",
        ),
    };
    let servers = to
        .iter()
        .zip(1..)
        .fold(String::new(), |mut text, (server, number)| {
            text.push_str(&format!("  server s{number} {server} {check}\n"));
            text
        });
    format!(
        "global\n  nbthread 2\n  maxconn 9400\n  maxpipes 256\n  stats socket {} mode 600 level admin\n\
         defaults\n  mode tcp\n  {times}\n{splicing}\
         frontend clients\n  bind {listen}\n  default_backend servers\n\
         backend servers\n  {backend}\n{servers}",
        folder.join("stats").display()
    )
}

pub(super) fn nginx(listen: SocketAddr, to: &[SocketAddr], folder: &Path, program: &Path) -> String {
    let folder = folder.display();
    let servers: String = to.iter().map(|server| format!("server {server}; ")).collect();
    let module = program
        .parent()
        .and_then(Path::parent)
        .map(|prefix| prefix.join(MODULE))
        .unwrap_or_default();
    format!(
        "load_module {};\ndaemon off;\nuser root;\npid {folder}/nginx.pid;\nerror_log stderr warn;\nworker_processes 2;\n\
         worker_rlimit_nofile 20000;\nevents {{ worker_connections 19000; }}\n\
         stream {{\n  upstream servers {{ least_conn; {servers}}}\n\
         server {{ listen {listen} backlog=1024; proxy_pass servers; proxy_timeout 1h; proxy_connect_timeout 1s; tcp_nodelay on; }}\n}}\n",
        module.display()
    )
}
