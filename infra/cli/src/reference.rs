//! The reference pages of the hub's interfaces (`GET /docs`), for the package of the function that serves them: pages,
//! and a renderer from the npm registry.
//!
//! npm fetches the renderer, because npm knows the registry, the mirror and the proxy of this machine and compares the
//! content with the lock file.

use std::fs;
use std::io::Write as _;
use std::path::Path;

use anyhow::{Context as _, Result, bail};
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest as _, Sha256};

use crate::node::NodeTools;
use crate::terminal::Terminal;
use crate::workspace::Workspace;

/// The function whose package has the files.
pub const FUNCTION: &str = "intake";
/// Folder of the files in the package.
const IN_PACKAGE: &str = "reference";
/// Sources of the pages, and the pinned renderer.
const SOURCES: &str = "functions/intake/reference";
/// The renderer's folder among the installed packages.
const RENDERER: &str = "node_modules/swagger-ui-dist";
/// The description of the interface for agencies.
const AGENCIES: &str = "shared/protocol/contracts/agency.openapi.yaml";
/// Limit of one file, in bytes: a function answers with 6 MB at most, of which base64 takes a third.
const MAX_BYTES: usize = 4 * 1024 * 1024;

/// Names in a package, each with its content.
pub type Files = Vec<(String, Vec<u8>)>;

/// Builds the pages. Hold [`Workspace::lock`] during the call.
///
/// # Errors
/// Node or npm is missing or too old, or the renderer cannot be fetched.
pub fn build(workspace: &Workspace, terminal: &Terminal) -> Result<Files> {
    let tools = NodeTools::install(workspace, SOURCES, terminal)?;
    let renderer = tools.folder().join(RENDERER);
    let ours = |name: &str| workspace.text(&format!("{SOURCES}/{name}"));
    let mut licences = Vec::new();
    for name in ["LICENSE", "NOTICE", "swagger-ui-bundle.js.LICENSE.txt"] {
        licences.extend(file(&renderer, name)?);
        licences.push(b'\n');
    }
    let assets = vec![
        ("renderer.js", file(&renderer, "swagger-ui-bundle.js")?),
        ("renderer.css", file(&renderer, "swagger-ui.css")?),
        ("start.js", ours("start.js")?.into_bytes()),
        ("page.css", ours("page.css")?.into_bytes()),
        ("agencies.yaml", workspace.text(AGENCIES)?.into_bytes()),
        ("licences.txt", licences),
    ];
    assemble(&ours("page.html")?, assets)
}

fn file(folder: &Path, name: &str) -> Result<Vec<u8>> {
    let path = folder.join(name);
    fs::read(&path).with_context(|| format!("{} cannot be read", path.display()))
}

/// One of the two pages. Its links are relative, because the local AWS serves the hub below a path.
struct Page {
    file: &'static str,
    title: &'static str,
    /// From the page to the top of the hub.
    top: &'static str,
    /// From the page to `/docs/`.
    docs: &'static str,
    /// The description that the page shows: an address, or an asset as in the page's own links.
    description: &'static str,
}

const PAGES: [Page; 2] = [
    Page {
        file: "page.html",
        title: "通办 应用接口 Tongban API for apps",
        top: "",
        docs: "docs/",
        description: "{{top}}v1/openapi.json",
    },
    Page {
        file: "page-agencies.html",
        title: "通办 机构接口 Tongban API for agencies",
        top: "../",
        docs: "",
        description: "{{file:agencies.yaml}}",
    },
];

/// Names each asset by its content, writes these names into the pages, and adds a compressed form of each file.
fn assemble(template: &str, assets: Vec<(&'static str, Vec<u8>)>) -> Result<Files> {
    let mut files = Files::new();
    let mut names = Vec::new();
    for (name, content) in assets {
        let named = named_by_content(name, &content)?;
        names.push((format!("{{{{file:{name}}}}}"), named.clone()));
        files.push((named, content));
    }
    for page in &PAGES {
        let mut text = template.replace("{{description}}", page.description).replace("{{title}}", page.title);
        for (place, name) in &names {
            text = text.replace(place, &format!("{}{name}", page.docs));
        }
        text = text.replace("{{docs}}", page.docs).replace("{{top}}", page.top);
        if text.contains("{{") {
            bail!("{SOURCES}/page.html has an unknown placeholder");
        }
        files.push((page.file.to_owned(), text.into_bytes()));
    }
    let mut packed = Files::new();
    for (name, content) in files {
        if content.len() > MAX_BYTES {
            bail!(
                "{name} has {} bytes of at most {MAX_BYTES}: a function cannot answer with it",
                content.len()
            );
        }
        let mut compressed = GzEncoder::new(Vec::new(), Compression::best());
        compressed.write_all(&content)?;
        packed.push((format!("{IN_PACKAGE}/{name}.gz"), compressed.finish()?));
        packed.push((format!("{IN_PACKAGE}/{name}"), content));
    }
    Ok(packed)
}

/// `start.js` becomes `start.0a1b2c3d4e5f.js`, so that a cached copy is never used for other content.
fn named_by_content(name: &str, content: &[u8]) -> Result<String> {
    let (stem, ending) = name.split_once('.').context("an asset needs an ending")?;
    let hash: String = Sha256::digest(content).iter().take(6).map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("{stem}.{hash}.{ending}"))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test may stop at once")]
    use super::*;

    fn text(files: &Files, name: &str) -> String {
        let (_, content) = files.iter().find(|(stored, _)| stored == name).unwrap();
        String::from_utf8(content.clone()).unwrap()
    }

    #[test]
    fn a_page_names_each_file_by_its_content_and_relative_to_itself() {
        let template = "{{title}} {{file:a.js}} {{docs}}agencies {{top}}docs {{description}}";
        let assets = |script: &str| {
            vec![("a.js", script.as_bytes().to_vec()), ("agencies.yaml", b"openapi: 3.1.0".to_vec())]
        };
        let files = assemble(template, assets("1")).unwrap();
        let named = named_by_content("a.js", b"1").unwrap();
        assert_eq!(text(&files, &format!("reference/{named}")), "1");
        let apps = text(&files, "reference/page.html");
        assert!(apps.ends_with(&format!(" docs/{named} docs/agencies docs v1/openapi.json")), "{apps}");
        let agencies = text(&files, "reference/page-agencies.html");
        let yaml = named_by_content("agencies.yaml", b"openapi: 3.1.0").unwrap();
        assert!(agencies.ends_with(&format!(" {named} agencies ../docs {yaml}")), "{agencies}");
        assert_ne!(named, named_by_content("a.js", b"2").unwrap());
        assert!(assemble("{{other}}", assets("1")).is_err());
        assert!(assemble(template, assets(&" ".repeat(MAX_BYTES + 1))).is_err());
    }

    #[test]
    fn every_file_has_a_compressed_form_and_a_name_that_the_function_serves() {
        let files = assemble("", vec![("agencies.yaml", vec![b' '; 10_000])]).unwrap();
        for (name, content) in files.iter().filter(|(name, _)| !name.ends_with(".gz")) {
            let (_, compressed) = files.iter().find(|(other, _)| *other == format!("{name}.gz")).unwrap();
            let mut content_again = Vec::new();
            std::io::copy(&mut flate2::read::GzDecoder::new(&compressed[..]), &mut content_again).unwrap();
            assert_eq!(&content_again, content, "{name}");
            let plain = name.strip_prefix("reference/").unwrap();
            assert!(
                plain
                    .bytes()
                    .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b".-".contains(&byte))
            );
        }
    }
}
