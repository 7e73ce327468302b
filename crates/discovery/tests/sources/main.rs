//! Every source against servers in this process: the good paths, every kind of bad input, and every order of failures.

mod bad_input;
mod db_info;
mod dns;
mod dnsmasq;
mod drain;
mod etcd;
mod files;
mod heartbeat;
mod kubernetes;
mod nodes;
mod orders;
mod real_names;
mod refusals;
mod registration;
mod server;
mod services;
mod sibling;
mod stand;
mod supervisor;
mod watch;
mod way;
