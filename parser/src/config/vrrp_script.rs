//! `vrrp_script`: a command whose exit status moves the priority of the instances that track it.

use std::time::Duration;

use crate::Place;
use crate::config::script::Script;

/// One `vrrp_script` block, defaults resolved.
#[derive(Clone, Debug, PartialEq)]
pub struct VrrpScript {
    /// The word after `vrrp_script`; unique.
    pub name: String,
    /// `script`.
    pub script: Script,
    /// `interval` between the starts of two runs; 1 s by default, milliseconds at the finest.
    pub interval: Duration,
    /// `timeout` of one run; the interval by default.
    pub timeout: Duration,
    /// `weight`, -253 to 253; 0 means that failure is a fault. Default for those who track it.
    pub weight: i16,
    /// `weight N reverse`.
    pub reverse: bool,
    /// `rise`: successes in a row before it counts as good; at least 1.
    pub rise: u32,
    /// `fall`: failures in a row before it counts as bad; at least 1.
    pub fall: u32,
    /// `init_fail`: bad until it has succeeded `rise` times.
    pub init_fail: bool,
    /// Where the block starts.
    pub place: Place,
}
