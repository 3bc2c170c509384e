#![doc = include_str!("../README.md")]

pub mod agency;
pub mod app_backend;
pub mod circles;
pub mod description;
pub mod faults;
pub mod forms;
pub mod hub;
pub mod markdown;
pub mod people;
pub mod progress;
pub mod receiver;
pub mod repository;
pub mod shared_fixture;
pub mod size;
pub mod until;
