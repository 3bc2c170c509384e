//! The sweeper: looks at the applications whose time has come, and does what nobody else did.

pub mod handler;
