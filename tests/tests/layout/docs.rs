//! The links and paths in the pages exist.

use std::path::Path;

use tongban_tests::markdown::{anchors, links, paths, resolved};
use tongban_tests::repository::{files, root, text};

/// Pages whose paths in backticks are relative to the top of the repository.
const PAGES: [&str; 4] = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "tests/README.md"];

#[test]
fn every_link_leads_to_a_file_or_a_heading_of_the_repository() {
    let mut broken = Vec::new();
    for page in files("", ".md") {
        for link in links(&text(page.to_str().expect("a path in UTF-8"))) {
            let (path, anchor) = link.split_once('#').unwrap_or((&link, ""));
            let path = if path.is_empty() { page.clone() } else { resolved(&page, path) };
            let is_there = path.is_relative() && !path.starts_with("..") && root().join(&path).exists();
            let is_page = is_there && path.extension().is_some_and(|ending| ending == "md");
            let has_anchor = anchor.is_empty()
                || !is_page
                || anchors(&text(path.to_str().expect("a path in UTF-8")))
                    .iter()
                    .any(|known| known == anchor);
            if !is_there || !has_anchor {
                broken.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:#?}");
}

#[test]
fn every_path_that_the_pages_at_the_top_name_exists() {
    let mut missing = Vec::new();
    for page in PAGES {
        let named = paths(&text(page)).into_iter().filter(|path| !root().join(path).exists());
        missing.extend(named.map(|path| format!("{page}: {path}")));
    }
    assert!(missing.is_empty(), "{missing:#?}");
}

/// `tests/FAULTS.md` is the only list of faults.
#[test]
fn nothing_refers_to_a_list_of_faults_outside_of_the_repository() {
    let other = ["faults", ".md"].concat();
    for ending in [".rs", ".md", ".toml", ".yaml", ".py"] {
        for path in files("", ending) {
            let is_there = text(path.to_str().expect("a path in UTF-8")).contains(&other);
            assert!(!is_there, "{} names {other}", Path::new(&path).display());
        }
    }
}
