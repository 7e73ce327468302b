//! Every example file is a good configuration.

use std::path::Path;

use crate::program::run;

#[tokio::test]
async fn every_example_is_good() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples");
    let mut checked = 0;
    for entry in std::fs::read_dir(folder).expect("examples/") {
        let path = entry.expect("an entry").path();
        if path.extension().is_some_and(|extension| extension == "yaml") {
            let ended = run(["config", "check", &path.to_string_lossy(), "--profile", "generic"]).await;
            assert_eq!(ended.code, Some(0), "{}: {}", path.display(), ended.err);
            checked += 1;
        }
    }
    assert!(checked >= 6, "{checked} examples");
}
