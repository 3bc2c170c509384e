//! Finds circular uses between the files of a crate: `a.rs` uses a name of `b.rs`, which uses a name of `a.rs`.
//!
//! A file uses another when one of its paths, in a `use` or in the code, leads to an item that the other file defines.
//! `mod child;` and `pub use child::Name` alone are no use of the child: the parent only lists and re-exports it. A
//! name that is imported from the parent and only re-exported there counts for the file that defines the name. Code
//! under `#[cfg(test)]` is ignored.

mod graph;
mod module;
mod tokens;

use std::collections::BTreeMap;
use std::path::Path;

use crate::repository;

/// The sources of a crate, by path.
pub type Sources = BTreeMap<String, String>;

/// Every circle in the crates under these folders, written as `a.rs -> (Name) b.rs -> (Other) a.rs`.
///
/// # Panics
/// A source cannot be read or is not Rust.
#[must_use]
pub fn circles_under(folders: &[&str]) -> Vec<String> {
    let mut sources = Sources::new();
    for path in folders.iter().flat_map(|folder| repository::files(folder, ".rs")) {
        let path = path.to_str().expect("a path in UTF-8").to_owned();
        sources.insert(path.clone(), repository::text(&path));
    }
    let roots = sources.keys().filter(|path| is_root(path)).cloned().collect::<Vec<_>>();
    roots.iter().flat_map(|root| circles(root, &sources)).collect()
}

/// Whether this file is the root of a library or of a binary.
fn is_root(path: &str) -> bool {
    let path = Path::new(path);
    let folder = path.parent().and_then(Path::file_name).and_then(|name| name.to_str());
    match path.file_name().and_then(|name| name.to_str()) {
        Some("lib.rs") => folder == Some("src"),
        Some("main.rs") => folder == Some("src") || path.parent().and_then(Path::parent).is_some_and(is_bin),
        _ => path.parent().is_some_and(is_bin),
    }
}

fn is_bin(folder: &Path) -> bool {
    folder.ends_with("src/bin")
}

/// The circles of the crate whose root file is `root`.
fn circles(root: &str, sources: &Sources) -> Vec<String> {
    let modules = module::read_crate(root, sources);
    graph::circles(&modules.uses())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(files: &[(&str, &str)]) -> Vec<String> {
        let sources = files
            .iter()
            .map(|(path, text)| (format!("a/src/{path}"), (*text).to_owned()))
            .collect::<Sources>();
        circles("a/src/lib.rs", &sources)
    }

    #[test]
    fn a_tree_without_a_circle_has_none() {
        let files = [
            ("lib.rs", "mod one; mod two; pub use one::One; pub fn run() { two::two(); }"),
            ("one.rs", "pub struct One;"),
            ("two.rs", "use crate::one::One; pub fn two() -> One { One }"),
        ];
        assert_eq!(found(&files), Vec::<String>::new());
    }

    #[test]
    fn two_files_that_use_each_other_are_a_circle() {
        let files = [
            ("lib.rs", "mod one; mod two;"),
            ("one.rs", "use crate::two::Two; pub struct One(Two);"),
            ("two.rs", "pub struct Two; impl Two { fn of(_: &super::one::One) {} }"),
        ];
        assert_eq!(found(&files), ["a/src/one.rs -> (Two) a/src/two.rs -> (One) a/src/one.rs"]);
    }

    #[test]
    fn three_files_in_a_ring_are_a_circle() {
        let files = [
            ("lib.rs", "mod one; mod two; mod three;"),
            ("one.rs", "use crate::two; pub fn one() { two::two() }"),
            ("two.rs", "pub fn two() { crate::three::three() }"),
            ("three.rs", "use super::one::{self as first, one}; pub fn three() { one(); first::one() }"),
        ];
        assert_eq!(
            found(&files),
            ["a/src/one.rs -> (two) a/src/two.rs -> (three) a/src/three.rs -> (one) a/src/one.rs"]
        );
    }

    #[test]
    fn a_parent_and_a_child_that_use_each_other_are_a_circle() {
        let files = [
            ("lib.rs", "mod parent;"),
            ("parent.rs", "mod child; pub struct Parent; fn run() { child::act(&Parent); }"),
            ("parent/child.rs", "use super::Parent; pub fn act(_: &Parent) {}"),
        ];
        assert_eq!(found(&files).len(), 1);
    }

    #[test]
    fn a_child_may_use_its_parent_when_the_parent_only_lists_and_re_exports_it() {
        let files = [
            ("lib.rs", "mod parent;"),
            ("parent.rs", "mod child; pub use child::{Act, self}; pub struct Parent;"),
            ("parent/child.rs", "use super::Parent; pub struct Act(Parent);"),
        ];
        assert_eq!(found(&files), Vec::<String>::new());
    }

    #[test]
    fn a_parent_that_uses_what_it_re_exports_uses_the_child() {
        let files = [
            ("lib.rs", "mod parent;"),
            ("parent.rs", "mod child; pub use child::Act; pub struct Parent; fn f(_: Act) {}"),
            ("parent/child.rs", "use super::Parent; pub struct Act(Parent);"),
        ];
        assert_eq!(found(&files).len(), 1);
    }

    #[test]
    fn a_name_that_the_parent_re_exports_counts_for_the_file_that_defines_it() {
        let files = [
            ("lib.rs", "mod parent;"),
            ("parent.rs", "mod one; mod two; pub use one::One; fn f() { two::two() }"),
            ("parent/one.rs", "pub struct One;"),
            ("parent/two.rs", "use super::One; pub fn two() -> One { One }"),
        ];
        assert_eq!(found(&files), Vec::<String>::new());
        let ring = [
            ("lib.rs", "mod parent;"),
            ("parent.rs", "mod one; mod two; pub use one::One;"),
            ("parent/one.rs", "pub struct One(super::two::Two);"),
            ("parent/two.rs", "use super::*; pub struct Two(One);"),
        ];
        assert_eq!(found(&ring).len(), 1);
    }

    #[test]
    fn paths_in_macros_and_inline_modules_count_and_tests_do_not() {
        let files = [
            ("lib.rs", "mod one; mod two;"),
            ("one.rs", "pub mod inner { pub fn one() { println!(\"{}\", crate::two::two()); } }"),
            ("two.rs", "pub fn two() -> u8 { 2 } #[cfg(test)] mod tests { use crate::one::inner::one; }"),
        ];
        assert_eq!(found(&files), Vec::<String>::new());
        let ring = [
            ("lib.rs", "mod one; mod two;"),
            files[1],
            ("two.rs", "use crate::one::inner; pub fn two() -> u8 { inner::one(); 2 }"),
        ];
        assert_eq!(found(&ring).len(), 1);
    }

    #[test]
    fn names_of_other_crates_strings_and_comments_are_no_use() {
        let files = [
            ("lib.rs", "mod one; mod two; mod http;"),
            ("one.rs", "use crate::two::Two; pub struct One(Two, ::http::Two);"),
            (
                "two.rs",
                "// crate::one::One\npub struct Two; const T: &str = \"crate::one::One\"; use std::fmt;",
            ),
            ("http.rs", "pub struct Two(crate::one::One);"),
        ];
        assert_eq!(found(&files), Vec::<String>::new());
    }
}
