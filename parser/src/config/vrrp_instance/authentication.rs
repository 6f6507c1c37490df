//! `authentication` and `auth_hmac`.

use std::fmt;
use std::time::Duration;

use crate::report::{Reason, Report};
use crate::tree::{Block, Line, Word};
use crate::value::address;

/// The keywords of `authentication`.
pub(crate) const KEYWORDS: &[&str] = &["auth_type", "auth_pass"];
/// The keywords of `auth_hmac`.
pub(crate) const HMAC_KEYWORDS: &[&str] = &["key", "active_key", "time_window", "anti_replay", "mode"];

/// VRRPv2 authentication (RFC 2338 5.3.6; withdrawn by RFC 3768, kept by keepalived).
#[derive(Clone, PartialEq, Eq)]
pub enum Authentication {
    /// No authentication; the field of version 2 is zero.
    None,
    /// `auth_type PASS`: eight bytes in clear text, zero padded.
    Pass([u8; 8]),
    /// `auth_type AH`: HMAC-MD5-96 with this key.
    Ah([u8; 8]),
}

impl fmt::Debug for Authentication {
    /// Never shows the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::None => "None",
            Self::Pass(_) => "Pass(****)",
            Self::Ah(_) => "Ah(****)",
        })
    }
}

/// What an `authentication` block says.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct AuthenticationDraft {
    kind: Option<Kind>,
    password: Option<[u8; 8]>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Pass,
    Ah,
}

impl AuthenticationDraft {
    /// Reads a block; a later one adds to an earlier one.
    pub(super) fn read(&mut self, block: Block<'_>, report: &mut Report) {
        report.among_secrets(KEYWORDS, |report| self.read_lines(block, report));
    }

    fn read_lines(&mut self, block: Block<'_>, report: &mut Report) {
        for line in block.lines() {
            match line.keyword() {
                "auth_type" => self.kind = kind(line, report).or(self.kind),
                "auth_pass" => self.password = password(line, report).or(self.password),
                _ => report.unknown_keyword(line, KEYWORDS),
            }
        }
    }

    /// Both halves together. A type without a password is reported.
    pub(super) fn resolve(self, block: Line<'_>, report: &mut Report) -> Authentication {
        match (self.kind, self.password) {
            (Some(Kind::Pass), Some(password)) => Authentication::Pass(password),
            (Some(Kind::Ah), Some(password)) => Authentication::Ah(password),
            (Some(_), None) => {
                report.require(block.block(), "auth_pass", None::<()>);
                Authentication::None
            }
            (None, _) => Authentication::None,
        }
    }
}

fn kind(line: Line<'_>, report: &mut Report) -> Option<Kind> {
    let word = line.setting(report)?;
    match word.text() {
        "PASS" => Some(Kind::Pass),
        "AH" => Some(Kind::Ah),
        _ => {
            report.unknown_option(word, "auth_type", &["PASS", "AH"]);
            None
        }
    }
}

/// The first eight bytes count.
fn password(line: Line<'_>, report: &mut Report) -> Option<[u8; 8]> {
    let word = line.setting(report)?;
    let written = word.text().as_bytes();
    if written.is_empty() {
        let keyword = line.keyword().to_owned();
        report.add(word.at(), Reason::NoValue { keyword });
        return None;
    }
    if written.len() > 8 {
        report.add(word.at(), Reason::Truncated { longest: 8 });
    }
    let mut password = [0; 8];
    password
        .iter_mut()
        .zip(written)
        .for_each(|(byte, &written)| *byte = written);
    Some(password)
}

/// `auth_hmac`: an HMAC-SHA256 trailer on every advert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthHmac {
    /// `key`: at least one, each with its own number.
    pub keys: Vec<HmacKey>,
    /// `active_key`: the number of the key that signs; it is among `keys`.
    pub active_key: u8,
    /// `time_window`, 1 to 300 s: how old a trailer may be. By default three advert intervals in whole seconds, at
    /// least 5 s.
    pub time_window: Duration,
    /// `anti_replay`.
    pub anti_replay: AntiReplay,
    /// `mode`.
    pub mode: HmacMode,
}

impl AuthHmac {
    /// `time_window` where none is written.
    pub(crate) fn default_window(advert_int: Duration) -> Duration {
        Duration::from_secs((3 * advert_int.as_secs()).clamp(5, 300))
    }
}

/// `key <ID> <VALUE | hex:HEX | file:PATH>`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HmacKey {
    /// 1 to 255.
    pub id: u8,
    /// The key itself.
    pub secret: HmacSecret,
}

/// Where the bytes of a key are.
#[derive(Clone, PartialEq, Eq)]
pub enum HmacSecret {
    /// Here: 32 to 64 bytes.
    Inline(Vec<u8>),
    /// In this file, which nobody else may read.
    File(String),
}

impl fmt::Debug for HmacSecret {
    /// Never shows the secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Inline(_) => f.write_str("Inline(****)"),
            Self::File(path) => f.debug_tuple("File").field(path).finish(),
        }
    }
}

/// `anti_replay time|monotonic`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AntiReplay {
    /// Trailers carry the time and must be fresh.
    Time,
    /// Trailers must only rise.
    Monotonic,
}

/// `mode enforce|permissive|receive-only`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HmacMode {
    /// Adverts without a trailer are refused.
    Enforce,
    /// A trailer is sent and none is accepted too.
    Permissive,
    /// No trailer is sent and none is accepted too.
    ReceiveOnly,
}

/// What an `auth_hmac` block says.
#[derive(Clone, Debug, Default)]
pub(super) struct HmacDraft {
    keys: Vec<HmacKey>,
    active_key: Option<u8>,
    time_window: Option<Duration>,
    anti_replay: Option<AntiReplay>,
    mode: Option<HmacMode>,
}

impl HmacDraft {
    pub(super) fn read(&mut self, block: Block<'_>, report: &mut Report) {
        report.among_secrets(HMAC_KEYWORDS, |report| self.read_lines(block, report));
    }

    fn read_lines(&mut self, block: Block<'_>, report: &mut Report) {
        for line in block.lines() {
            match line.keyword() {
                "key" => self.key(line, report),
                "active_key" => self.active_key = line.number(1..=255, report),
                "time_window" => self.time_window = line.whole_seconds(1..=300, report),
                "anti_replay" => {
                    let modes = [("time", AntiReplay::Time), ("monotonic", AntiReplay::Monotonic)];
                    self.anti_replay = line.one_of(&modes, report);
                }
                "mode" => {
                    let modes = [
                        ("enforce", HmacMode::Enforce),
                        ("permissive", HmacMode::Permissive),
                        ("receive-only", HmacMode::ReceiveOnly),
                    ];
                    self.mode = line.one_of(&modes, report);
                }
                _ => report.unknown_keyword(line, HMAC_KEYWORDS),
            }
        }
    }

    fn key(&mut self, line: Line<'_>, report: &mut Report) {
        let Some(id) = line.number(1..=255, report) else {
            return;
        };
        let Some(value) = line.words().nth(1) else {
            let option = line.keyword().to_owned();
            return report.add(line.at(), Reason::OptionWithoutValue { option });
        };
        if self.keys.iter().any(|key| key.id == id) {
            return report.first_is_kept(line);
        }
        if let Some(secret) = secret(value, report) {
            self.keys.push(HmacKey { id, secret });
        }
    }

    /// The keys with everything they need. Without an active key the feature is off, which is reported.
    pub(super) fn resolve(
        self,
        block: Line<'_>,
        advert_int: Duration,
        report: &mut Report,
    ) -> Option<AuthHmac> {
        let active_key = report.require(block.block(), "active_key", self.active_key)?;
        if !self.keys.iter().any(|key| key.id == active_key) {
            let at = block.block().line_of("active_key").at();
            report.add(
                at,
                Reason::UnknownName {
                    kind: "key",
                    name: active_key.to_string(),
                    nearest: None,
                },
            );
            return None;
        }
        let anti_replay = self.anti_replay.unwrap_or(AntiReplay::Time);
        if anti_replay == AntiReplay::Monotonic && self.time_window.is_some() {
            let at = block.block().line_of("time_window").at();
            report.conflict(at, "`time_window`", "`anti_replay monotonic`", "it is ignored");
        }
        Some(AuthHmac {
            keys: self.keys,
            active_key,
            time_window: self
                .time_window
                .unwrap_or_else(|| AuthHmac::default_window(advert_int)),
            anti_replay,
            mode: self.mode.unwrap_or(HmacMode::Enforce),
        })
    }
}

fn secret(word: Word<'_>, report: &mut Report) -> Option<HmacSecret> {
    if let Some(path) = word.text().strip_prefix("file:") {
        return Some(HmacSecret::File(path.to_owned()));
    }
    let bytes = match word.text().strip_prefix("hex:") {
        Some(digits) => address::hex(digits),
        None => Some(word.text().as_bytes().to_vec()),
    };
    let Some(bytes) = bytes.filter(|bytes| (32..=64).contains(&bytes.len())) else {
        report.add(word.at(), Reason::BadKey);
        return None;
    };
    Some(HmacSecret::Inline(bytes))
}
