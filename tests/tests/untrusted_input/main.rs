//! Input that other users control and that must not harm root who runs `netns`: names, links in
//! their folders, sizes, and exhausted resources.

mod files;
mod locks;
mod memory;
mod names;
mod resource_limits;
