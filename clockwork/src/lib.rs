//! What every engine is made of: instants, the index of deadlines, how scripts end, names as words of a line. Pure:
//! nothing here reads a clock.

pub mod deadlines;
pub mod script;
pub mod text;
pub mod time;

pub use deadlines::Deadlines;
pub use script::ScriptOutcome;
pub use time::Instant;
