//! What every row of the catalogue has: a title in both languages, and the certainty of its rule.

use serde::{Deserialize, Serialize};
use strum::{IntoStaticStr, VariantArray};

/// Both languages of a title.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
pub struct Title {
    /// Chinese.
    pub zh: String,
    /// English.
    pub en: String,
}

/// Certainty of a rule. Rules without a published source must be confirmed before going live.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[derive(IntoStaticStr, VariantArray)]
#[cfg_attr(feature = "schema", derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
#[strum(serialize_all = "snake_case")]
pub enum Certainty {
    /// A published source states the rule.
    Source,
    /// Only a copy of the source was readable.
    Mirror,
    /// The rule is general knowledge and must be confirmed before going live.
    Unconfirmed,
}

impl Certainty {
    /// Every certainty.
    pub const ALL: &'static [Certainty] = <Certainty as VariantArray>::VARIANTS;

    /// Stable wire name.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.into()
    }
}
