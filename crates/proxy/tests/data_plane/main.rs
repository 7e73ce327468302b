//! The data plane as a whole, on loopback, against upstreams inside the test: no root, no fixed ports, and nothing waits
//! by sleeping.

mod bytes;
mod closing;
mod copying;
mod dead_peers;
mod dialling;
mod first_flight;
mod limits;
mod list;
mod resting;
mod support;
mod tls;
mod way;
