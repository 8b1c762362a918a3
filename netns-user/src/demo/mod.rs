//! The demonstration: the checks of the lecture's lab and the live view.

mod cast;
pub mod check;
mod interrupt;
pub mod live;
mod performance;
pub mod probe;
mod programme;
pub mod server;
pub mod sniffer;
mod stage;
mod traffic;

pub use cast::{Actor, Cast, CastError, Place};
pub use interrupt::Interrupt;
pub use performance::{Moment, Performance};
pub use programme::{OUTSIDE_PORT, programme};
pub use stage::Stage;
pub use traffic::trickle;
