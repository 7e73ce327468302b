//! What the admin socket tells, and whom it tells it to.

mod described;
mod fixture;
mod metrics;
mod page;
mod schema;
mod server;
mod status;
