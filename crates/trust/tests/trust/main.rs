//! Trust material as a process meets it: files on disk, and servers that are to be believed or not.

mod common;
mod material;
mod verification;
