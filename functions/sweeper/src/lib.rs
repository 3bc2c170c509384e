//! The sweeper: takes the steps that are due by time, and repeats work that other functions missed.

pub mod handler;
