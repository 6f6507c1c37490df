//! Letting go of capabilities (`capabilities(7)`), which neither nix nor the standard library offers. A set is a thread's own.

use std::io;

/// A capability that a process of ours may go on to need.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Capability {
    /// `CAP_CHOWN`: pipes of scripts and FIFOs are given to their users.
    Chown = 0,
    /// `CAP_DAC_READ_SEARCH`: keys, scripts and tracked files are read wherever they are.
    DacReadSearch = 2,
    /// `CAP_KILL`: scripts of other users are ended.
    Kill = 5,
    /// `CAP_SETGID`, and the next: the way to a script is judged as the user who runs it.
    SetGid = 6,
    /// `CAP_SETUID`.
    SetUid = 7,
    /// `CAP_NET_BIND_SERVICE`: `bind_port` below 1024.
    NetBindService = 10,
    /// `CAP_NET_ADMIN`: the IPVS table, `fwmark`.
    NetAdmin = 12,
    /// `CAP_NET_RAW`: `bind_if`.
    NetRaw = 13,
    /// `CAP_IPC_LOCK`, and the next two: memory, priorities and limits as a reload may ask for.
    IpcLock = 14,
    /// `CAP_SYS_NICE`.
    SysNice = 23,
    /// `CAP_SYS_RESOURCE`.
    SysResource = 24,
}

/// `_LINUX_CAPABILITY_VERSION_3`: two words of 32 capabilities.
const VERSION: u32 = 0x2008_0522;

#[repr(C)]
struct Header {
    version: u32,
    pid: libc::c_int,
}

#[derive(Clone, Copy, Default)]
#[repr(C)]
struct Word {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

/// Lets the calling thread, and those that it starts from now on, keep these capabilities as far as it has them, and no
/// others. What it executes as root has all of them again.
pub(crate) fn keep_only(kept: &[Capability]) -> io::Result<()> {
    let kept = kept
        .iter()
        .fold(0, |mask: u64, capability| mask | 1 << *capability as u8);
    let mut header = Header {
        version: VERSION,
        pid: 0,
    };
    let mut words = [Word::default(); 2];
    // SAFETY: header and words are laid out as version 3 says, initialised, and outlive the call, which writes only into
    // them.
    if unsafe { libc::syscall(libc::SYS_capget, &raw mut header, words.as_mut_ptr()) } == -1 {
        return Err(io::Error::last_os_error());
    }
    for (word, shift) in words.iter_mut().zip([0, 32]) {
        let mask = u32::try_from(kept >> shift & u64::from(u32::MAX)).unwrap_or(0);
        word.effective &= mask;
        word.permitted &= mask;
        word.inheritable &= mask;
    }
    // SAFETY: as above, and the call reads only from them.
    if unsafe { libc::syscall(libc::SYS_capset, &raw mut header, words.as_ptr()) } == -1 {
        return Err(io::Error::last_os_error());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_kept_is_gone_from_this_thread_alone() {
        let of_thread = || {
            let status = std::fs::read_to_string("/proc/thread-self/status").unwrap();
            let line = |name: &str| {
                let line = status.lines().find(|line| line.starts_with(name)).unwrap();
                u64::from_str_radix(line.split_ascii_whitespace().last().unwrap(), 16).unwrap()
            };
            [line("CapPrm"), line("CapEff")]
        };
        let before = of_thread();
        let kept = 1 << Capability::Kill as u8 | 1 << Capability::NetAdmin as u8;
        let after = std::thread::spawn(move || {
            keep_only(&[Capability::Kill, Capability::NetAdmin]).unwrap();
            of_thread()
        });
        assert_eq!(after.join().unwrap(), before.map(|set| set & kept));
        assert_eq!(of_thread(), before);
    }
}
