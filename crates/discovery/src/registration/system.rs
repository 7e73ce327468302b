//! What this machine's own files say of names, and the resolver made from them: bounded, and read anew each time.

use std::fs::File;
use std::io::Read;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use hickory_resolver::config::{
    ConnectionConfig, NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::system_conf::parse_resolv_conf;
use hickory_resolver::{Hosts, TokioResolver};

use crate::ask_error::foreign_words;

/// Name servers that are asked.
const NAME_SERVERS_MAX: usize = 8;

/// So much of a hosts file is read; those that block advertisements have some megabytes.
const HOSTS_MAX: u64 = 16 << 20;

/// So much of a resolver configuration is read.
const RESOLV_CONF_MAX: u64 = 64 << 10;

/// What the hosts file tells; nothing, if it cannot be read.
pub(super) fn hosts(path: &Path) -> Hosts {
    let mut hosts = Hosts::default();
    let read = File::open(path).map_err(|error| error.to_string());
    let read = read.and_then(|file| {
        hosts
            .read_hosts_conf(file.take(HOSTS_MAX))
            .map_err(|error| error.to_string())
    });
    if let Err(error) = read {
        tracing::debug!(path = %path.display(), %error, "the hosts file cannot be read");
    }
    hosts
}

/// A resolver after the system's configuration; `dns_servers` stand in for its name servers if there are any.
///
/// # Errors
/// In words, where there is nobody to ask.
pub(super) fn resolver(
    resolv_conf: &Path,
    dns_servers: &[SocketAddr],
    patience: Duration,
) -> Result<TokioResolver, String> {
    let text = read_text(resolv_conf);
    let (config, mut options) = if dns_servers.is_empty() {
        text.and_then(|text| parse_resolv_conf(text).map_err(|error| foreign_words(&error.to_string())))
            .map_err(|words| format!("{} is no good: {words}", resolv_conf.display()))?
    } else {
        let (config, options) = search_domains(&text.unwrap_or_default());
        (
            ResolverConfig::from_parts(
                config.domain().cloned(),
                config.search().to_vec(),
                name_servers(dns_servers),
            ),
            options,
        )
    };
    options.timeout = options.timeout.min(patience);
    options.attempts = options.attempts.clamp(2, 5);
    // Nothing is remembered from refresh to refresh, and the hosts file is asked by us.
    options.cache_size = 0;
    options.use_hosts_file = ResolveHosts::Never;
    let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
    *builder.options_mut() = options;
    builder.build().map_err(|error| foreign_words(&error.to_string()))
}

fn read_text(path: &Path) -> Result<String, String> {
    let mut text = String::new();
    let file = File::open(path).map_err(|error| error.to_string())?;
    file.take(RESOLV_CONF_MAX)
        .read_to_string(&mut text)
        .map_err(|error| error.to_string())?;
    Ok(text)
}

/// All but the name servers. A file that is no good has no search domains.
fn search_domains(text: &str) -> (ResolverConfig, ResolverOpts) {
    // A file without a name server is refused, though nobody will be asked for it here.
    let text = format!("{text}\nnameserver 127.0.0.1\n");
    parse_resolv_conf(text).unwrap_or_else(|error| {
        tracing::debug!(%error, "the resolver configuration has no search domains that can be read");
        (
            ResolverConfig::from_parts(None, Vec::new(), Vec::new()),
            ResolverOpts::default(),
        )
    })
}

fn name_servers(servers: &[SocketAddr]) -> Vec<NameServerConfig> {
    let at = |mut connection: ConnectionConfig, port| {
        connection.port = port;
        connection
    };
    let name_server = |server: &SocketAddr| {
        let connections = vec![
            at(ConnectionConfig::udp(), server.port()),
            at(ConnectionConfig::tcp(), server.port()),
        ];
        NameServerConfig::new(server.ip(), true, connections)
    };
    servers.iter().take(NAME_SERVERS_MAX).map(name_server).collect()
}
