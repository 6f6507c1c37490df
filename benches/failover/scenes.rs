//! The scenes. Each answers with its figures, the same ones for both daemons.

mod fast;
mod load;
mod reload;
mod scale;
mod takeover;

use holdfast::lab::LabError;

use crate::stage::Stage;
use crate::table::Figure;

/// One scene.
pub(crate) struct Scene {
    /// What `--scene` calls it.
    pub(crate) name: &'static str,
    pub(crate) play: fn(&Stage<'_>) -> Result<Vec<Figure>, LabError>,
}

/// All of them, in the order in which they are played.
pub(crate) const SCENES: [Scene; 9] = [
    Scene {
        name: "stop",
        play: takeover::stop,
    },
    Scene {
        name: "crash",
        play: takeover::crash,
    },
    Scene {
        name: "stop10",
        play: takeover::stop_ten,
    },
    Scene {
        name: "start",
        play: takeover::start,
    },
    Scene {
        name: "100ms",
        play: fast::hundred,
    },
    Scene {
        name: "10ms",
        play: fast::ten,
    },
    Scene {
        name: "scale",
        play: scale::scale,
    },
    Scene {
        name: "reload",
        play: reload::reload,
    },
    Scene {
        name: "load",
        play: load::load,
    },
];
