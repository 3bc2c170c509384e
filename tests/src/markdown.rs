//! Links and paths in Markdown.

use std::path::{Component, Path, PathBuf};

/// Prefixes of texts that contain a slash but are no path of the repository: media types, URLs, build output.
const NO_PATHS: [&str; 6] = ["application/", "text/", "image/", "multipart/", "http", "target/"];

/// The targets, as written, of a page's links to files and headings of the repository.
#[must_use]
pub fn links(markdown: &str) -> Vec<String> {
    let text = without_code_blocks(markdown);
    let inline = text.split("](").skip(1).filter_map(|rest| rest.split([')', ' ']).next());
    let references = text.lines().filter_map(|line| line.strip_prefix('[')?.split_once("]: "));
    let all = inline.chain(references.filter_map(|(_, target)| target.split_whitespace().next()));
    let is_own =
        |target: &&str| !target.contains("://") && !target.starts_with("mailto:") && !target.is_empty();
    all.filter(is_own).map(str::to_owned).collect()
}

/// The paths of the repository that a page names in backticks, without `::item` at their end. A wildcard ends the path.
#[must_use]
pub fn paths(markdown: &str) -> Vec<String> {
    let text = without_code_blocks(markdown);
    let quoted = text.split('`').skip(1).step_by(2);
    let is_path = |text: &&str| {
        text.contains('/')
            && !text.starts_with('/')
            && !text.contains(char::is_whitespace)
            && !NO_PATHS.iter().any(|begin| text.starts_with(begin))
            && text.chars().all(|sign| sign.is_ascii_alphanumeric() || "/._-:*<>".contains(sign))
    };
    let known = |text: &str| {
        let path = text.split("::").next().unwrap_or(text);
        match path.find(['*', '<']) {
            Some(wildcard) => path[..wildcard].rsplit_once('/').map_or("", |(folder, _)| folder).to_owned(),
            None => path.to_owned(),
        }
    };
    quoted.filter(is_path).map(known).collect()
}

/// The anchors that GitHub gives to a page's headings.
#[must_use]
pub fn anchors(markdown: &str) -> Vec<String> {
    let text = without_code_blocks(markdown);
    let headings = text.lines().filter(|line| line.starts_with('#'));
    let anchor = |line: &str| {
        let stored = line.trim_start_matches('#').trim().to_lowercase();
        let stored = stored.chars().filter(|sign| sign.is_alphanumeric() || " -_".contains(*sign));
        stored.collect::<String>().replace(' ', "-")
    };
    headings.map(anchor).collect()
}

/// The path that a link on a page leads to.
#[must_use]
pub fn resolved(page: &Path, link: &str) -> PathBuf {
    let mut path = PathBuf::new();
    for part in page.parent().unwrap_or(Path::new("")).join(link).components() {
        match part {
            Component::ParentDir if path.pop() => {}
            Component::CurDir => {}
            part => path.push(part),
        }
    }
    path
}

fn without_code_blocks(markdown: &str) -> String {
    let mut is_code = false;
    let mut text = String::new();
    for line in markdown.lines() {
        if line.trim_start().starts_with("```") {
            is_code = !is_code;
        } else if !is_code {
            text.push_str(line);
            text.push('\n');
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "# A page: what, why\n[one](a/b.md#top) and [two](https://example.org/x), ![p](c.png \"title\")\n\
                        ```sh\n[no](link.md) `no/path.rs`\n```\n[ref]: d.md\n`x/y.rs::f`, `/v1/a`, `text/plain`, `a b/c`, `x/*/z.rs`";

    #[test]
    fn links_and_paths_are_found_outside_of_code_blocks() {
        assert_eq!(links(PAGE), ["a/b.md#top", "c.png", "d.md"]);
        assert_eq!(paths(PAGE), ["x/y.rs", "x"]);
        assert_eq!(anchors(PAGE), ["a-page-what-why"]);
    }

    #[test]
    fn a_link_is_resolved_from_its_page() {
        assert_eq!(resolved(Path::new("a/b/page.md"), "../c.md"), Path::new("a/c.md"));
        assert_eq!(resolved(Path::new("page.md"), "../c.md"), Path::new("../c.md"));
    }
}
