//! The exhaustive checker: what it says of the core, and that it can find what it looks for.

use jackline_sim::exhaustive::*;

#[test]
fn no_state_of_the_core_is_stuck_to_depth_4() {
    for cast in CASTS {
        let outcome = examine(&jackline(cast, None), Limits::depth(depth()), &mut |level| {
            println!("{} {level:?}", cast.name);
        });
        println!("{outcome}");
    }
}

#[test]
fn k3s() {
    for cast in CASTS {
        let outcome = examine(&k3s_before_2024(cast), Limits::depth(depth()), &mut |_| {});
        println!("{outcome}");
    }
}

fn depth() -> u32 {
    std::env::var("DEPTH")
        .ok()
        .and_then(|d| d.parse().ok())
        .unwrap_or(3)
}
