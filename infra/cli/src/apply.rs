//! Files an application from a file, with papers from disk, as an app backend would.

mod filing;
mod form;
mod lines;
mod paper;

pub use filing::{Filed, Filing, Happening, Upload};
pub use form::Form;
pub use paper::Paper;
