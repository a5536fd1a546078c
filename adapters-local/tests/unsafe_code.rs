//! Unsafe code is in one module of the workspace, and nowhere else.

#![expect(clippy::unwrap_used, reason = "a test of files that are there")]

use std::fs;
use std::path::{Path, PathBuf};

/// The workspace denies `unsafe_code`; whoever wants it must allow it by name.
const ALLOWED: &str = "adapters-local/src/hashing/machine.rs";

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn members() -> Vec<PathBuf> {
    let root = workspace();
    let manifest = fs::read_to_string(root.join("Cargo.toml")).unwrap();
    let (_, members) = manifest.split_once("members = [").unwrap();
    let names = members.split(']').next().unwrap().split('"').skip(1).step_by(2);
    names.map(|name| root.join(name)).collect()
}

fn rust_files(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("peers") && !path.ends_with("target") {
            rust_files(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

#[test]
fn every_crate_denies_unsafe_code() {
    assert!(members().len() >= 8);
    let root = fs::read_to_string(workspace().join("Cargo.toml")).unwrap();
    assert!(root.contains("\nunsafe_code = \"deny\"\n"));
    for member in members() {
        let manifest = fs::read_to_string(member.join("Cargo.toml")).unwrap();
        assert!(manifest.contains("[lints]\nworkspace = true"), "{}", member.display());
    }
}

#[test]
fn one_module_allows_it() {
    let mut files = Vec::new();
    for member in members() {
        rust_files(&member, &mut files);
    }
    assert!(files.len() > 100);
    // In two, so that this file does not find itself.
    let lint = concat!("unsafe", "_code");
    let allow = |path: &PathBuf| fs::read_to_string(path).unwrap().contains(&format!("({lint}"));
    let allowing: Vec<_> = files.into_iter().filter(allow).collect();
    assert_eq!(allowing, [workspace().join(ALLOWED)]);
    let module = fs::read_to_string(&allowing[0]).unwrap();
    assert_eq!(module.matches("unsafe {").count(), 3);
}
