//! The graph of uses between files, and the circles in the graph.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

/// Using file → used file → one of the used names.
#[derive(Debug, Default)]
pub(super) struct Uses(BTreeMap<String, BTreeMap<String, String>>);

impl Uses {
    /// Adds that `from` uses `name` of `to`.
    pub(super) fn add(&mut self, from: &str, to: &str, name: &str) {
        if from != to {
            let names = self.0.entry(from.to_owned()).or_default();
            names.entry(to.to_owned()).or_insert_with(|| name.to_owned());
        }
    }

    fn of<'a>(&'a self, from: &str) -> impl Iterator<Item = (&'a String, &'a String)> + use<'a> {
        self.0.get(from).into_iter().flatten()
    }

    /// The shortest path from a file back to the same file.
    fn shortest(&self, start: &str) -> Option<Vec<String>> {
        let mut before: BTreeMap<&str, &str> = BTreeMap::new();
        let mut queue = VecDeque::from([start]);
        while let Some(at) = queue.pop_front() {
            for (to, _) in self.of(at) {
                if to == start {
                    let mut way = vec![start.to_owned(), at.to_owned()];
                    while let Some(previous) = before.get(way[way.len() - 1].as_str()) {
                        way.push((*previous).to_owned());
                    }
                    way.reverse();
                    return Some(way);
                }
                if to != at && !before.contains_key(to.as_str()) {
                    before.insert(to, at);
                    queue.push_back(to);
                }
            }
        }
        None
    }
}

/// For every file on a circle, the shortest circle through it; each circle once.
pub(super) fn circles(uses: &Uses) -> Vec<String> {
    let mut known = BTreeSet::new();
    let mut found = Vec::new();
    for start in uses.0.keys() {
        let Some(way) = uses.shortest(start) else { continue };
        let files: BTreeSet<String> = way.iter().cloned().collect();
        if known.insert(files) {
            found.push(written(uses, &way));
        }
    }
    found
}

/// `a.rs -> (Name) b.rs -> (Other) a.rs`.
fn written(uses: &Uses, way: &[String]) -> String {
    let steps = way.windows(2).map(|step| {
        let name = uses.0.get(&step[0]).and_then(|names| names.get(&step[1]));
        format!(" -> ({}) {}", name.map_or("", String::as_str), step[1])
    });
    way[0].clone() + &steps.collect::<String>()
}
