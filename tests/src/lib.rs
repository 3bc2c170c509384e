#![doc = include_str!("../README.md")]

pub mod agency;
pub mod circles;
pub mod description;
pub mod forms;
pub mod hub;
pub mod papers;
pub mod people;
pub mod receiver;
pub mod repository;
pub mod shared_fixture;
pub mod until;
