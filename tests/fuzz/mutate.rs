//! Changing a configuration at random, in the units that matter to it: lines, words, bytes, braces.

/// What is put between words and lines: everything that the language gives a meaning.
const WORDS: &[&str] = &[
    "{",
    "}",
    "\"",
    "'",
    "\\",
    "#",
    "!",
    "\\#",
    "$",
    "$A",
    "${A}",
    "${B}",
    "$A=${B}",
    "$B=x ${A}",
    "$A= \\",
    "${_PWD}",
    "${_INSTANCE}",
    "${_RANDOM 1 5}",
    "${_ENV HOME}",
    "${_HASH}",
    "${_BANG}",
    "~SEQ(i, 1, 5)",
    "~SEQ(i, 5, -2, 1) $i",
    "~SEQx(i, 250, 260)",
    "~LST({x,y},{1,2},{3,4}) $x",
    "~SEQ(i, 1, 100)",
    "@host",
    "@^host",
    "@other",
    "include /fuzz.conf",
    "include /other.conf",
    "include /{a,other}.conf",
    "includea *.conf",
    "include_check",
    "-1",
    "0",
    "255",
    "256",
    "4294967296",
    "99999999999999999999",
    "1.5",
    "192.0.2.1",
    "2001:db8::1/64",
    "eth0",
    "on",
    "vrrp_instance X {",
    "virtual_server 10.0.0.1 80 {",
    "real_server 10.0.0.2 80 {",
    "global_defs {",
    "\0",
    "\r",
    "\u{feff}",
    "# 7 0",
    "# 1 3 /x",
    "\u{e4}\u{1f980}",
];

/// Reproducible chance (`SplitMix64`).
pub(crate) struct Chance(u64);

impl Chance {
    pub(crate) fn new(seed: u64) -> Self {
        Self(seed)
    }

    /// A number below `end`, or 0.
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        let mixed = usize::try_from((mixed ^ (mixed >> 31)) >> 1).unwrap();
        mixed.checked_rem(end).unwrap_or(0)
    }

    fn word(&mut self) -> Vec<u8> {
        WORDS[self.below(WORDS.len())].as_bytes().to_vec()
    }
}

/// One or two files of the corpus, changed a few times.
pub(crate) fn mutated(corpus: &[Vec<u8>], chance: &mut Chance) -> Vec<u8> {
    let mut text = corpus[chance.below(corpus.len())].clone();
    if chance.below(4) == 0 {
        text.extend_from_slice(&corpus[chance.below(corpus.len())]);
    }
    if chance.below(256) == 0 {
        let at = chance.below(text.len());
        text.splice(at..at, *b"\n~SEQ(i, 1, 100000000) ~SEQ(j, 1, 100) "); // what follows is taken to the limits
    }
    for _ in 0..=chance.below(8) {
        match chance.below(10) {
            0..=2 => lines(&mut text, chance),
            3..=6 => words(&mut text, chance),
            7 => flip(&mut text, chance),
            8 => braces(&mut text, chance),
            _ => giant(&mut text, chance),
        }
    }
    text
}

/// Deletes a line, writes it twice, exchanges it with another, or puts a new one before it.
fn lines(text: &mut Vec<u8>, chance: &mut Chance) {
    let mut lines: Vec<Vec<u8>> = text.split(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect();
    rearrange(&mut lines, chance);
    *text = lines.join(&b'\n');
}

/// The same with the words of one line.
fn words(text: &mut Vec<u8>, chance: &mut Chance) {
    let mut lines: Vec<Vec<u8>> = text.split(|&byte| byte == b'\n').map(<[u8]>::to_vec).collect();
    let line = chance.below(lines.len());
    let mut words: Vec<Vec<u8>> = lines[line]
        .split(|&byte| byte == b' ')
        .map(<[u8]>::to_vec)
        .collect();
    rearrange(&mut words, chance);
    lines[line] = words.join(&b' ');
    *text = lines.join(&b'\n');
}

fn rearrange(parts: &mut Vec<Vec<u8>>, chance: &mut Chance) {
    let (one, other) = (chance.below(parts.len()), chance.below(parts.len()));
    match chance.below(5) {
        0 if parts.len() > 1 => _ = parts.remove(one),
        1 => parts.insert(one, parts[one].clone()),
        2 => parts.swap(one, other),
        3 => parts[one] = chance.word(),
        _ => parts.insert(one, chance.word()),
    }
}

fn flip(text: &mut [u8], chance: &mut Chance) {
    for _ in 0..=chance.below(4) {
        let at = chance.below(text.len());
        if let Some(byte) = text.get_mut(at) {
            *byte ^= 1 << chance.below(8);
        }
    }
}

fn braces(text: &mut Vec<u8>, chance: &mut Chance) {
    let brace = [&b"{"[..], b"}", b"a {\n", b"}\n"][chance.below(4)];
    let at = chance.below(text.len());
    text.splice(at..at, brace.repeat(1 + chance.below(200)));
}

fn giant(text: &mut Vec<u8>, chance: &mut Chance) {
    let word = chance.word();
    let at = chance.below(text.len());
    text.splice(at..at, word.repeat(1 + chance.below(2000)));
}
