//! The modules of a crate: their definitions, imports and mentioned paths, and the item that a path leads to.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use proc_macro2::{Delimiter, TokenStream, TokenTree};

use super::Sources;
use super::graph::Uses;
use super::tokens::{Import, Mentions, end_of_statement, is_punct, name, use_tree};

/// Most re-exports to follow before a path counts as unresolved.
const DEPTH: usize = 16;

type Id = usize;

#[derive(Default)]
struct Module {
    file: String,
    parent: Option<Id>,
    children: BTreeMap<String, Id>,
    items: BTreeSet<String>,
    /// Imports for this module alone.
    imports: Vec<Import>,
    /// Imports that other modules can use too: `pub use`.
    exports: Vec<Import>,
    mentions: Mentions,
}

/// The modules of a crate; [`Id`] is the index.
pub(super) struct Modules(Vec<Module>);

/// The target of a path.
#[derive(Clone, Copy)]
enum Target {
    Module(Id),
    /// An item of this module.
    Item(Id),
}

/// Reads the crate whose root file is `root`.
pub(super) fn read_crate(root: &str, sources: &Sources) -> Modules {
    let mut modules = Modules(Vec::new());
    let folder = Path::new(root).parent().and_then(Path::to_str).unwrap_or_default().to_owned();
    modules.read_file(root, &folder, None, sources);
    modules
}

impl Modules {
    /// Reads a file whose child modules are in `folder`.
    fn read_file(&mut self, path: &str, folder: &str, parent: Option<Id>, sources: &Sources) -> Id {
        let text = sources.get(path).unwrap_or_else(|| panic!("{path}: a module without a file"));
        let stream: TokenStream = text.parse().unwrap_or_else(|error| panic!("{path}: {error}"));
        self.read_module(path, folder, parent, stream, sources)
    }

    fn read_module(
        &mut self,
        file: &str,
        folder: &str,
        parent: Option<Id>,
        stream: TokenStream,
        sources: &Sources,
    ) -> Id {
        let id = self.0.len();
        self.0.push(Module { file: file.to_owned(), parent, ..Module::default() });
        let tokens: Vec<TokenTree> = stream.into_iter().collect();
        let mut at = 0;
        while at < tokens.len() {
            let item = Item::read(&tokens[at..]);
            at += item.length;
            if !item.is_test() {
                self.add(id, folder, &item, sources);
            }
        }
        id
    }

    fn add(&mut self, id: Id, folder: &str, item: &Item<'_>, sources: &Sources) {
        match item.kind.as_str() {
            "mod" => {
                let (file, name) = (self.0[id].file.clone(), item.name.clone().unwrap_or_default());
                let inner = format!("{folder}/{name}");
                let child = match item.block() {
                    Some(block) => self.read_module(&file, &inner, Some(id), block, sources),
                    None => {
                        let flat = format!("{inner}.rs");
                        let path = if sources.contains_key(&flat) { flat } else { format!("{inner}/mod.rs") };
                        self.read_file(&path, &inner, Some(id), sources)
                    }
                };
                self.0[id].children.insert(name, child);
            }
            "use" => {
                let tree = use_tree(item.after_keyword());
                let module = &mut self.0[id];
                if item.is_public { &mut module.exports } else { &mut module.imports }.extend(tree);
            }
            _ => {
                self.0[id].items.extend(item.name.clone());
                self.0[id].mentions.read(item.tokens.iter().cloned().collect());
            }
        }
    }

    /// The uses between the files of the crate.
    pub(super) fn uses(&self) -> Uses {
        let mut uses = Uses::default();
        for (id, module) in self.0.iter().enumerate() {
            let private = module.imports.iter().chain(&module.mentions.imports);
            // `use path::*` uses `path` when that is an enumeration.
            let imported =
                private.map(|import| import.path.strip_suffix(&["*".to_owned()]).unwrap_or(&import.path));
            for path in imported.chain(module.mentions.paths.iter().map(Vec::as_slice)) {
                if let Some(Target::Item(owner)) = self.resolve(id, path, DEPTH) {
                    let by = path.last().map_or("", String::as_str);
                    uses.add(&module.file, &self.0[owner].file, by);
                }
            }
        }
        uses
    }

    /// Resolves a path in this module. Returns `None` when the path leads out of the crate or names a local variable.
    fn resolve(&self, from: Id, path: &[String], depth: usize) -> Option<Target> {
        let (first, rest) = path.split_first()?;
        let depth = depth.checked_sub(1)?;
        let start = match first.as_str() {
            "crate" => Target::Module(0),
            "self" => Target::Module(from),
            "super" => Target::Module(self.0[from].parent?),
            _ => self.lookup(from, first, rest.is_empty(), depth)?,
        };
        self.walk(start, rest, depth)
    }

    /// Follows the rest of a path from a target.
    fn walk(&self, start: Target, rest: &[String], depth: usize) -> Option<Target> {
        let mut at = start;
        for (index, segment) in rest.iter().enumerate() {
            let Target::Module(module) = at else { return Some(at) };
            at = match segment.as_str() {
                "super" => Target::Module(self.0[module].parent?),
                "self" => at,
                // Any other name in a module comes from a macro there.
                _ => self
                    .lookup(module, segment, index + 1 == rest.len(), depth)
                    .unwrap_or(Target::Item(module)),
            };
        }
        Some(at)
    }

    /// Looks up a name in a module. As the last segment of a path the name means an item rather than a module.
    fn lookup(&self, module: Id, name: &str, is_last: bool, depth: usize) -> Option<Target> {
        let here = &self.0[module];
        let child = here.children.get(name).copied().map(Target::Module);
        if child.is_some() && !is_last {
            return child;
        }
        if here.items.contains(name) {
            return Some(Target::Item(module));
        }
        let all = || here.imports.iter().chain(&here.exports).chain(&here.mentions.imports);
        // `use child::child` names itself: the path is followed from the child.
        let named = all().filter(|import| import.name == name && import.path != [name]);
        let mut found = named.filter_map(|import| self.resolve(module, &import.path, depth));
        let found = found.next().or(child);
        found.or_else(|| {
            all()
                .filter(|import| import.name == "*")
                .find_map(|import| self.in_glob(module, import, name, depth))
        })
    }

    fn in_glob(&self, module: Id, import: &Import, name: &str, depth: usize) -> Option<Target> {
        let (_, path) = import.path.split_last()?;
        match self.resolve(module, path, depth)? {
            Target::Module(of) => self.lookup(of, name, true, depth.checked_sub(1)?),
            // A glob import of an enumeration's variants. The variants are not read; the import of the enumeration
            // counts.
            Target::Item(_) => None,
        }
    }
}

/// One item of a module: its tokens, from its attributes to its end.
struct Item<'a> {
    tokens: &'a [TokenTree],
    length: usize,
    kind: String,
    /// Index of the keyword.
    keyword: usize,
    name: Option<String>,
    is_public: bool,
}

impl<'a> Item<'a> {
    fn read(tokens: &'a [TokenTree]) -> Item<'a> {
        let mut keyword = 0;
        let mut is_public = false;
        while let Some(token) = tokens.get(keyword) {
            match token {
                TokenTree::Punct(punct) if punct.as_char() == '#' => {
                    keyword += 1 + usize::from(is_punct(tokens.get(keyword + 1), '!'));
                }
                TokenTree::Ident(ident) if ident == "pub" => {
                    is_public = true;
                    let scope = matches!(tokens.get(keyword + 1), Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Parenthesis);
                    keyword += usize::from(scope);
                }
                TokenTree::Ident(ident) if ident == "async" || ident == "unsafe" => {}
                TokenTree::Ident(ident) if ident == "const" => {
                    let next = tokens.get(keyword + 1).and_then(name).unwrap_or_default();
                    if !["fn", "unsafe", "async"].contains(&next.as_str()) {
                        break;
                    }
                }
                TokenTree::Ident(_) => break,
                _ => {}
            }
            keyword += 1;
        }
        let kind = tokens.get(keyword).and_then(name).unwrap_or_default();
        let length = match kind.as_str() {
            "use" | "const" | "static" | "type" | "extern" => end_of_statement(tokens, keyword) + 1,
            _ => end_of_item(tokens, keyword),
        };
        let length = length.min(tokens.len());
        let named = ["mod", "struct", "enum", "union", "trait", "type", "const", "static", "fn"];
        let name = if named.contains(&kind.as_str()) {
            let mut names = tokens[keyword + 1..length].iter().filter_map(name);
            names.find(|name| name != "mut")
        } else if kind == "macro_rules" {
            tokens[..length].get(keyword + 2).and_then(name)
        } else {
            None
        };
        Item { tokens: &tokens[..length], length, kind, keyword, name, is_public }
    }

    fn after_keyword(&self) -> &'a [TokenTree] {
        let end = end_of_statement(self.tokens, self.keyword);
        &self.tokens[self.keyword + 1..end]
    }

    /// The tokens within the item's braces.
    fn block(&self) -> Option<TokenStream> {
        match self.tokens.last() {
            Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Brace => Some(group.stream()),
            _ => None,
        }
    }

    /// Whether the item is compiled for tests only: `#[cfg(test)]`, `#[cfg(all(test, …))]`.
    fn is_test(&self) -> bool {
        self.tokens[..self.keyword.min(self.tokens.len())].iter().any(|token| {
            let text = token.to_string().replace(' ', "");
            text.starts_with("[cfg(test") || text.starts_with("[cfg(all(test,")
        })
    }
}

/// The index after an item with a body: after its braces, or after its `;` when it has no braces.
fn end_of_item(tokens: &[TokenTree], start: usize) -> usize {
    let is_end = |token: &TokenTree| match token {
        TokenTree::Group(group) => group.delimiter() == Delimiter::Brace,
        token => is_punct(Some(token), ';'),
    };
    let length = tokens[start.min(tokens.len())..].iter().position(is_end);
    length.map_or(tokens.len(), |length| start + length + 1)
}
