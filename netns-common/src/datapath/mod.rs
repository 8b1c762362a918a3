//! The NAT as pure logic.
