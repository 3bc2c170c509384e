//! One line of a script: a condition and an action.

use std::time::Duration;

use domain::command::ReportedResult;

/// The message of a leg on which a line applies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ScriptCondition {
    /// Every message.
    Always,
    /// The message that opens the leg.
    Opened,
    /// The citizen's answer to a supplement.
    Supplemented,
}

/// An action of a simulated agency.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ScriptAction {
    Report(ReportedResult),
    /// Approves the move-in, with a permit number derived from the application's id.
    Approve,
    /// Moves out with a migration certificate whose number derives from the application's id.
    MoveOut {
        /// Days since the day of issue; 0 is today.
        issued_days_ago: i32,
        /// Days of validity, counted from the day of issue.
        valid_days: i32,
    },
    /// Uploads a certificate whose number derives from the application's id, and reports it as issued.
    Issue,
    /// Takes this long before the next line.
    Work(Duration),
}

/// One line of a script.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ScriptLine {
    pub condition: ScriptCondition,
    pub action: ScriptAction,
}
