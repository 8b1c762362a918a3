//! What others choose, and a root who runs `netns` must not fall for: names, links in their folders,
//! sizes, and an environment that has run out.

mod files;
mod locks;
mod memory;
mod names;
mod resource_limits;
