//! The changes of a change set, as a table to read before the deployment.

use std::collections::BTreeMap;
use std::fmt;

use console::style;

/// Resource types that hold accepted applications. Replacing or removing such a resource loses data.
const DATA_RESOURCES: [&str; 3] = ["AWS::DynamoDB::Table", "AWS::S3::Bucket", "AWS::KMS::Key"];

/// What a change set does to a resource.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Action {
    Add,
    Modify,
    Remove,
    /// Any other action of CloudFormation, for example one that is newer than this code.
    Other,
}

/// One line of a plan.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Change {
    pub action: Action,
    /// Logical id in the template.
    pub id: String,
    /// Resource type, for example `AWS::SQS::Queue`.
    pub kind: String,
    /// CloudFormation's answer whether a changed resource is replaced: `True`, `False` or `Conditional`.
    pub replacement: Option<String>,
}

impl Change {
    /// Whether the change can delete accepted applications, documents or their key.
    #[must_use]
    pub fn loses_data(&self) -> bool {
        let goes = match self.action {
            Action::Remove => true,
            Action::Modify => self.replacement.as_deref().is_some_and(|replaced| replaced != "False"),
            Action::Add | Action::Other => false,
        };
        goes && DATA_RESOURCES.contains(&self.kind.as_str())
    }
}

/// Every change of a change set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Plan {
    changes: Vec<Change>,
}

impl Plan {
    /// A plan with its changes sorted by action and id.
    #[must_use]
    pub fn new(mut changes: Vec<Change>) -> Plan {
        changes.sort();
        Plan { changes }
    }

    #[must_use]
    pub fn changes(&self) -> &[Change] {
        &self.changes
    }

    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.changes.is_empty()
    }

    /// The changes that lose data.
    pub fn losses(&self) -> impl Iterator<Item = &Change> {
        self.changes.iter().filter(|change| change.loses_data())
    }

    /// Whether a table is created.
    #[must_use]
    pub fn adds_table(&self) -> bool {
        let is_new = |change: &Change| change.action == Action::Add && change.kind == "AWS::DynamoDB::Table";
        self.changes.iter().any(is_new)
    }

    /// The number of changes by action, in one line.
    #[must_use]
    pub fn summary(&self) -> String {
        let mut counts = BTreeMap::new();
        for change in &self.changes {
            *counts.entry(change.action).or_insert(0_usize) += 1;
        }
        let parts: Vec<String> = counts
            .into_iter()
            .map(|(action, count)| match action {
                Action::Add => format!("{count} to add"),
                Action::Modify => format!("{count} to change"),
                Action::Remove => format!("{count} to remove"),
                Action::Other => format!("{count} others"),
            })
            .collect();
        if parts.is_empty() { "nothing to change".to_owned() } else { parts.join(", ") }
    }
}

impl fmt::Display for Plan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let width = |text: fn(&Change) -> &str| {
            self.changes.iter().map(|change| text(change).len()).max().unwrap_or(0)
        };
        let (ids, kinds) = (width(|change| &change.id), width(|change| &change.kind));
        for change in &self.changes {
            let sign = match change.action {
                Action::Add => style("+").green(),
                Action::Modify => style("~").yellow(),
                Action::Remove => style("-").red(),
                Action::Other => style("?"),
            };
            let fate = match (change.loses_data(), change.action, change.replacement.as_deref()) {
                (true, _, _) => "LOSES DATA",
                (false, Action::Modify, Some("True")) => "replaced",
                (false, Action::Modify, Some("Conditional")) => "may be replaced",
                (false, _, _) => "",
            };
            let line = format!("{:ids$}  {:kinds$}  {fate}", change.id, change.kind);
            writeln!(f, "  {sign} {}", line.trim_end())?;
        }
        write!(f, "  {}", self.summary())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn change(action: Action, id: &str, kind: &str, replacement: Option<&str>) -> Change {
        Change { action, id: id.into(), kind: kind.into(), replacement: replacement.map(str::to_owned) }
    }

    #[test]
    fn a_plan_prints_its_changes_and_what_they_cost() {
        console::set_colors_enabled(false);
        let plan = Plan::new(vec![
            change(Action::Remove, "Agency11", "AWS::SQS::Queue", None),
            change(Action::Modify, "Applications", "AWS::DynamoDB::Table", Some("True")),
            change(Action::Add, "Agency12", "AWS::SQS::Queue", None),
            change(Action::Modify, "Intake", "AWS::Lambda::Function", Some("False")),
            change(Action::Modify, "Api", "AWS::ApiGatewayV2::Api", Some("Conditional")),
        ]);
        let text = "  + Agency12      AWS::SQS::Queue
  ~ Api           AWS::ApiGatewayV2::Api  may be replaced
  ~ Applications  AWS::DynamoDB::Table    LOSES DATA
  ~ Intake        AWS::Lambda::Function
  - Agency11      AWS::SQS::Queue
  1 to add, 3 to change, 1 to remove";
        assert_eq!(plan.to_string(), text);
        assert_eq!(plan.losses().count(), 1);
    }

    #[test]
    fn an_empty_plan_says_so() {
        assert!(Plan::default().is_empty());
        assert_eq!(Plan::default().to_string(), "  nothing to change");
    }
}
