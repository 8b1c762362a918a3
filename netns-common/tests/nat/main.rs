//! What the NAT does, packet by packet, on the host's model of the lecture's lab.

mod clamp;
mod errors;
mod forward;
mod hairpin;
mod host;
mod lab;
mod lifetime;
mod limits;
mod masquerade;
mod properties;
mod refused;
mod rules;
mod untouched;
