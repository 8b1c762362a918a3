//! What the NAT does, packet by packet, on the host's model of the lecture's lab.

mod answers;
mod clamp;
mod errors;
mod forward;
mod fragments;
mod hairpin;
mod headers;
mod host;
mod identification;
mod lab;
mod lifetime;
mod limits;
mod mappings;
mod masquerade;
mod neighbours;
mod portless;
mod properties;
mod quota;
mod refused;
mod rules;
mod sctp;
mod sources;
mod tcp;
mod through_stack;
mod udp_lite;
mod untouched;
