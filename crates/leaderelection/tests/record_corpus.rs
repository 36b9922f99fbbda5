//! The fuzz target's property, of every golden record and of everything in its corpus.

#![allow(clippy::unwrap_used, clippy::panic, reason = "tests speak by failing")]

#[path = "../fuzz/record_property.rs"]
mod record_property;

use std::fs;
use std::path::Path;

#[test]
fn the_property_holds_of_the_whole_corpus() {
    for (folder, least) in [("tests/records", 27), ("fuzz/corpus/record", 20)] {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        let mut files = 0;
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            println!("{}", path.display());
            record_property::holds(&fs::read(&path).unwrap());
            files += 1;
        }
        assert!(files >= least, "{}: {files} files", folder.display());
    }
}
