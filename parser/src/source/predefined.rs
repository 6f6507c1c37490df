//! Definitions that are there without being written: `${_PWD}`, `${_INSTANCE}`, `${_RANDOM}`, `${_ENV}`, `${_HASH}`,
//! `${_BANG}`.

use crate::report::Reason;
use crate::source::Host;

/// What the predefined names stand for.
pub(super) struct Predefined<'h, H> {
    pub(super) host: &'h H,
    /// `${_INSTANCE}`, and what `@ID` lines are compared with.
    pub(super) config_id: String,
    /// `${_PWD}`.
    pub(super) directory: String,
    /// The state of the random numbers.
    pub(super) random: u64,
}

impl<H: Host> Predefined<'_, H> {
    /// The value of a predefined name with the words after it; `None` if there is no such name.
    pub(super) fn value(&mut self, name: &str, words: &str) -> Option<Result<String, Reason>> {
        let mut words = words.split_ascii_whitespace();
        Some(Ok(match name {
            "_HASH" => "#".to_owned(),
            "_BANG" => "!".to_owned(),
            "_PWD" => self.directory.clone(),
            "_INSTANCE" => self.config_id.clone(),
            "_ENV" => match (words.next(), words.next()) {
                (Some(variable), None) => self
                    .host
                    .env(variable)
                    .unwrap_or_default()
                    .replace(['\n', '\r', '\0'], " "),
                _ => return Some(Err(Reason::EnvNeedsOneName)),
            },
            "_RANDOM" => {
                let limits = words.map(str::parse::<u32>).collect::<Result<Vec<_>, _>>();
                match limits.as_deref() {
                    Ok([]) => self.random(0, 32767).to_string(),
                    Ok([min]) => self.random(*min, 32767).to_string(),
                    Ok([min, max]) => self.random(*min, *max).to_string(),
                    _ => return Some(Err(Reason::RandomNeedsNumbers)),
                }
            }
            _ => return None,
        }))
    }

    /// A number from `min` to `max`; `min` if they are the wrong way round.
    fn random(&mut self, min: u32, max: u32) -> u64 {
        // SplitMix64: one step, one well mixed number.
        self.random = self.random.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.random;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        let min = u64::from(min);
        min + mixed % (u64::from(max).saturating_sub(min) + 1)
    }
}
