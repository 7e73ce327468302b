//! A TUN device: a link whose other end is a file, from which packets are read and to which they are written.
//!
//! The only place of the lab with `unsafe`: no safe wrapper exists for the call that names the device.

use std::ffi::c_int;
use std::fs::File;
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;

use anyhow::Context;
use rustix::fs::OFlags;
use rustix::ioctl::{Opcode, Setter, ioctl, opcode};

/// The device that makes devices.
const MAKER: &str = "/dev/net/tun";

/// `TUNSETIFF`, declared by the kernel with an int though it takes a whole request.
const TUNSETIFF: Opcode = opcode::write::<c_int>(b'T', 202);

/// Whole IP packets, without a head of the kernel's own.
const IFF_TUN: i16 = 0x0001;
const IFF_NO_PI: i16 = 0x1000;

/// `IFNAMSIZ`, with the NUL at its end.
const NAME_MAX: usize = 16;

/// `struct ifreq`: a name, and a union of which the flags are used. The kernel copies all 40 bytes.
#[repr(C)]
struct Request {
    name: [u8; NAME_MAX],
    flags: i16,
    rest: [u8; 22],
}

/// Whether devices can be made here; the kernel's words if not.
pub(super) fn can_be_made() -> Result<(), String> {
    match File::options().read(true).write(true).open(MAKER) {
        Ok(_) => Ok(()),
        Err(error) => Err(format!("{MAKER}: {error}")),
    }
}

/// Makes a device in the network of the calling thread. It is down, and goes with the file, which does not block.
pub(super) fn make(name: &str) -> anyhow::Result<File> {
    anyhow::ensure!(name.len() < NAME_MAX, "the name of a link is too long: {name}");
    let nonblocking = OFlags::NONBLOCK.bits().cast_signed();
    let file = File::options()
        .read(true)
        .write(true)
        .custom_flags(nonblocking)
        .open(MAKER)
        .with_context(|| format!("opening {MAKER}"))?;
    let mut request = Request {
        name: [0; NAME_MAX],
        flags: IFF_TUN | IFF_NO_PI,
        rest: [0; 22],
    };
    request.name[..name.len()].copy_from_slice(name.as_bytes());
    name_device(&file, request).with_context(|| format!("making the device {name}"))?;
    Ok(file)
}

#[expect(unsafe_code, reason = "no safe wrapper names a TUN device; see SAFETY")]
fn name_device(file: &File, request: Request) -> rustix::io::Result<()> {
    const { assert!(size_of::<Request>() == 40) }
    // SAFETY: TUNSETIFF reads one `struct ifreq` from the pointer and writes none but that; `Request` has its size and layout
    // (asserted above, `repr(C)`), lives until the call returns, and is exclusively ours. On a file that is no TUN device the
    // kernel refuses the number.
    unsafe { ioctl(file.as_fd(), Setter::<TUNSETIFF, Request>::new(request)) }
}
