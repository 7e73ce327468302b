//! How each is configured: as its users would, for TCP, with two threads, for as many sessions as are measured.

use std::net::SocketAddr;
use std::path::Path;

/// Where nginx's modules are, from the folder that its program's folder is in.
const MODULE: &str = "lib/nginx/modules/ngx_stream_module.so";

pub(super) fn jackline(listen: SocketAddr, to: SocketAddr, folder: &Path) -> String {
    let folder = folder.display();
    format!(
        "profile: generic\n\
         endpoints: [\"{to}\"]\n\
         listen: [\"{listen}\"]\n\
         state-dir: {folder}/state\n\
         socket: {folder}/jackline.sock\n\
         allow-loopback-upstreams: true\n\
         log: {{ level: warn }}\n"
    )
}

pub(super) fn haproxy(listen: SocketAddr, to: SocketAddr, folder: &Path, splice: bool) -> String {
    let splicing = if splice {
        "  option splice-request\n  option splice-response\n"
    } else {
        ""
    };
    let stats = folder.join("stats");
    format!(
        "global\n  nbthread 2\n  maxconn 9500\n  stats socket {} mode 600 level admin\n\
         defaults\n  mode tcp\n  timeout connect 5s\n  timeout client 1h\n  timeout server 1h\n{splicing}\
         frontend clients\n  bind {listen}\n  default_backend servers\n\
         backend servers\n  server one {to} check inter 10s\n",
        stats.display()
    )
}

pub(super) fn nginx(listen: SocketAddr, to: SocketAddr, folder: &Path, program: &Path) -> String {
    let folder = folder.display();
    let module = program
        .parent()
        .and_then(Path::parent)
        .map(|prefix| prefix.join(MODULE))
        .unwrap_or_default();
    format!(
        "load_module {};\ndaemon off;\nuser root;\npid {folder}/nginx.pid;\nerror_log stderr warn;\nworker_processes 2;\n\
         worker_rlimit_nofile 20000;\nevents {{ worker_connections 19000; }}\n\
         stream {{\n  upstream servers {{ least_conn; server {to}; }}\n\
         server {{ listen {listen} backlog=1024; proxy_pass servers; proxy_timeout 1h; proxy_connect_timeout 1s; tcp_nodelay on; }}\n}}\n",
        module.display()
    )
}
