//! Where reading stops: keepalived hangs or runs out of memory on the same files.

/// Files included within one another.
pub const MAX_INCLUDE_DEPTH: usize = 64;
/// Files read altogether.
pub const MAX_FILES: usize = 100_000;
/// Bytes read from files altogether.
pub const MAX_BYTES: usize = 256 << 20;
/// Bytes that definitions, `~SEQ` and `~LST` make altogether.
pub const MAX_GENERATED_BYTES: usize = 64 << 20;
/// Bytes by which definitions may make one line longer.
pub const MAX_EXPANDED_LINE: usize = 64 << 10;
/// Definitions replaced on one line, counting those within definitions.
pub const MAX_EXPANSIONS_OF_LINE: usize = 10_000;
/// Definitions replaced altogether.
pub const MAX_EXPANSIONS: usize = 50_000_000;
/// Lines that `~SEQ`, `~LST` and multi-line definitions make altogether.
pub const MAX_GENERATED_LINES: usize = 1_000_000;
/// Definitions and sequences within one another.
pub const MAX_NESTED_LINES: usize = 64;
/// Names defined, and lines in definitions, altogether.
pub const MAX_DEFINED_LINES: usize = 1_000_000;
/// Statements (a keyword with its words) altogether: some 1.5 million real servers with a checker each.
pub const MAX_STATEMENTS: usize = 16 << 20;
/// Words altogether.
pub const MAX_WORDS: usize = 32 << 20;
/// Blocks within one another; no block of keepalived.conf is deeper than 5.
pub const MAX_NESTED_BLOCKS: usize = 1000;
