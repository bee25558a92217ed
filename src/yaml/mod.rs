//! YAML (and so JSON) as a tree in which every node knows its place, so that a mistake can be shown where it was made.

mod node;
mod raw;
mod read;
mod reader;

pub(crate) use node::{Key, Node, Value};
pub(crate) use read::read;
pub(crate) use reader::{Fields, Form, Reader};
