//! Scripts on the real machine: judged, run, ended, and told of transitions. What needs another user needs root.

mod notifying;
mod preparing;
mod running;
mod stage;
