//! One suite for both databases: `both!` makes two tests of each body, `sqlite` and `postgres`.
mod admin;
mod env;
mod history;
mod isolation;
mod journal;
mod opening;
mod people;
mod secrets;
