//! Paths and `use` trees in a stream of tokens.

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// An imported name and its path. The name `*` stands for every name.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Import {
    pub(super) name: String,
    pub(super) path: Vec<String>,
}

/// The paths and imports in the code of one module.
#[derive(Debug, Default)]
pub(super) struct Mentions {
    /// Paths of one segment or more. A single lower-case name is listed only when it is called or invoked, since it is
    /// a variable otherwise.
    pub(super) paths: Vec<Vec<String>>,
    /// `use` inside a function.
    pub(super) imports: Vec<Import>,
}

impl Mentions {
    /// Adds the paths and imports in these tokens.
    pub(super) fn read(&mut self, stream: TokenStream) {
        let tokens: Vec<TokenTree> = stream.into_iter().collect();
        let mut at = 0;
        while at < tokens.len() {
            match &tokens[at] {
                TokenTree::Group(group) => {
                    self.read(group.stream());
                    at += 1;
                }
                TokenTree::Ident(ident) if ident == "use" && !is_punct(tokens.get(at + 1), '<') => {
                    let end = end_of_statement(&tokens, at);
                    self.imports.extend(use_tree(&tokens[at + 1..end]));
                    at = end;
                }
                TokenTree::Ident(_) => at = self.path(&tokens, at),
                _ => at += 1,
            }
        }
    }

    /// Reads the path that begins at `start`. Returns the index after the path.
    fn path(&mut self, tokens: &[TokenTree], start: usize) -> usize {
        let mut path = vec![name(&tokens[start]).unwrap_or_default()];
        let mut at = start + 1;
        while is_path_separator(tokens, at) {
            let Some(segment) = tokens.get(at + 2).and_then(name) else { break };
            path.push(segment);
            at += 3;
        }
        let before = start.checked_sub(1).and_then(|before| tokens.get(before));
        // A field or a method, or the rest of another path: `::http::Name`, `<T as Trait>::Name`.
        let continues = is_punct(before, '.') || (start >= 2 && is_path_separator(tokens, start - 2));
        let is_called = matches!(tokens.get(at), Some(TokenTree::Group(group)) if group.delimiter() == Delimiter::Parenthesis)
            || is_punct(tokens.get(at), '!')
            || is_path_separator(tokens, at);
        let is_type_or_constant = path[0].starts_with(char::is_uppercase);
        if !continues && (path.len() > 1 || is_type_or_constant || is_called) {
            self.paths.push(path);
        }
        at
    }
}

/// The imports of a `use` tree: the tokens between `use` and `;`.
pub(super) fn use_tree(tokens: &[TokenTree]) -> Vec<Import> {
    let mut imports = Vec::new();
    branch(&[], tokens, &mut imports);
    imports
}

fn branch(prefix: &[String], tokens: &[TokenTree], imports: &mut Vec<Import>) {
    let mut path = prefix.to_vec();
    let mut alias = None;
    let mut at = 0;
    while at < tokens.len() {
        match &tokens[at] {
            TokenTree::Group(group) => {
                let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                for part in inner.split(|token| is_punct(Some(token), ',')).filter(|part| !part.is_empty()) {
                    branch(&path, part, imports);
                }
                return;
            }
            TokenTree::Ident(ident) if ident == "as" => {
                alias = tokens.get(at + 1).and_then(name);
                at += 1;
            }
            TokenTree::Ident(_) => path.extend(name(&tokens[at])),
            TokenTree::Punct(punct) if punct.as_char() == '*' => path.push("*".to_owned()),
            // A leading `::` names another crate.
            TokenTree::Punct(_) if path.is_empty() && prefix.is_empty() && at == 0 => return,
            _ => {}
        }
        at += 1;
    }
    // `a::{self}` is `a`.
    if path.len() > 1 && path.last().is_some_and(|last| last == "self") {
        path.pop();
    }
    if let Some(last) = path.last() {
        imports.push(Import { name: alias.unwrap_or_else(|| last.clone()), path });
    }
}

/// Index of the `;` that ends the statement at `start`.
pub(super) fn end_of_statement(tokens: &[TokenTree], start: usize) -> usize {
    let length = tokens[start..].iter().position(|token| is_punct(Some(token), ';'));
    length.map_or(tokens.len(), |length| start + length)
}

/// The text of an identifier, without the `r#` of a raw identifier.
pub(super) fn name(token: &TokenTree) -> Option<String> {
    match token {
        TokenTree::Ident(ident) => Some(ident.to_string().trim_start_matches("r#").to_owned()),
        _ => None,
    }
}

pub(super) fn is_punct(token: Option<&TokenTree>, wanted: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == wanted)
}

fn is_path_separator(tokens: &[TokenTree], at: usize) -> bool {
    is_punct(tokens.get(at), ':') && is_punct(tokens.get(at + 1), ':')
}
