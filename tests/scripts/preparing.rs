//! Judging scripts: users, files, permissions, and the words in which it is said.

use std::os::unix::fs::{PermissionsExt, chown, symlink};

use holdfast::scripts::security::Flaw;
use holdfast::scripts::{FileError, Identity, Inspector, Policy, ScriptRefusal, UserError, prepare};
use nix::unistd::mkfifo;

use crate::stage::{Log, Stage, as_ourselves, as_user, is_root, secure, words};

fn refusal(words: &[&str], policy: &Policy) -> String {
    prepare(&crate::stage::words(words), policy)
        .unwrap_err()
        .to_string()
}

#[test]
fn a_missing_script_is_named_with_the_component_that_is_missing() {
    let stage = Stage::new();
    let missing = stage.path("no/such/script");
    assert_eq!(
        refusal(&[&missing], &as_ourselves()),
        format!(
            "Script {missing} cannot be accessed - No such file or directory: '{}' does not exist",
            stage.path("no")
        )
    );
    symlink("nowhere", stage.path("link")).unwrap();
    assert_eq!(
        refusal(&[&stage.path("link")], &as_ourselves()),
        format!(
            "Script {0} cannot be accessed - No such file or directory: '{0}' links to nothing",
            stage.path("link")
        )
    );
    assert_eq!(
        refusal(&["no-such-command-anywhere"], &as_ourselves()),
        "Cannot find script no-such-command-anywhere in path: write its full path"
    );
}

#[test]
fn a_file_that_is_not_executable_is_named_with_owner_and_mode() {
    let stage = Stage::new();
    let path = stage.script("plain", "");
    stage.mode("plain", 0o640);
    let (user, group) = (nix::unistd::geteuid(), nix::unistd::getegid());
    assert_eq!(
        refusal(&[&path], &as_ourselves()),
        format!(
            "script '{path}' is not executable for uid:gid {user}:{group} (owner {user}:{group}, mode 0640; \
             fix: chmod +x '{path}', or a file system that is not mounted noexec)"
        )
    );
}

#[test]
fn only_a_regular_file_is_a_script() {
    let stage = Stage::new();
    mkfifo(
        std::path::Path::new(&stage.path("fifo")),
        nix::sys::stat::Mode::S_IRWXU,
    )
    .unwrap();
    for (path, kind) in [(stage.path(""), "directory"), (stage.path("fifo"), "FIFO")] {
        assert_eq!(
            refusal(&[&path], &as_ourselves()),
            format!("Wrong file type found in script path '{path}': it is a {kind}, not a regular file")
        );
    }
}

#[test]
fn a_bare_name_is_searched_with_a_warning() {
    let script = prepare(&words(&["true", "x"]), &as_ourselves()).unwrap();
    let warnings: Vec<_> = script.warnings.iter().map(ToString::to_string).collect();
    assert_eq!(
        warnings,
        [format!(
            "WARNING - script `true` resolved by path search to `{script}`. Please specify full path."
        )]
    );
    assert!(script.to_string().ends_with("/true"));
}

#[test]
fn unknown_users_and_groups_are_named() {
    let named = |user: &str, group| {
        let script = as_user(words(&["/bin/true"]), user, group, false);
        prepare(&script, &as_ourselves()).unwrap_err()
    };
    assert_eq!(
        named("no-such-user", None),
        UserError::UnknownUser("no-such-user".to_owned()).into()
    );
    assert_eq!(
        named("nobody", Some("no-such-group")),
        UserError::UnknownGroup("no-such-group".to_owned()).into()
    );
    assert_eq!(
        named("4242", None),
        UserError::NoPrimaryGroup("4242".to_owned()).into()
    );
}

#[test]
fn with_security_there_is_no_falling_back_to_our_own_user() {
    let default_user = Identity::default_user(true);
    if nix::unistd::User::from_name("keepalived_script")
        .unwrap()
        .is_some()
    {
        assert!(default_user.is_ok());
        return;
    }
    assert_eq!(default_user, Err(UserError::NoDefault));
    let policy = Policy {
        default_user,
        security: true,
    };
    let refusal = refusal(&["/bin/true"], &policy);
    assert!(
        refusal.starts_with("Unable to set default user keepalived_script for script"),
        "{refusal}"
    );
    // A script that names its user does not need the default.
    let ourselves = nix::unistd::geteuid().to_string();
    assert!(prepare(&as_user(words(&["/bin/true"]), &ourselves, None, false), &policy).is_ok());
}

#[test]
fn a_directory_closed_to_the_user_is_named() {
    if !is_root() {
        return;
    }
    let stage = Stage::new();
    std::fs::create_dir(stage.path("closed")).unwrap();
    let path = stage.script("closed/script", "");
    stage.mode("closed", 0o700);
    let script = as_user(words(&[&path]), "nobody", None, false);
    assert_eq!(
        prepare(&script, &as_ourselves()).unwrap_err().to_string(),
        format!(
            "Script {path} cannot be accessed - Permission denied: the script's user may not enter '{0}' \
             (owner 0:0, mode 0700; fix: chmod +x '{0}')",
            stage.path("closed")
        )
    );
    // Its group opens it.
    stage.mode("closed", 0o750);
    chown(stage.path("closed"), None, Some(77)).unwrap();
    assert!(
        prepare(
            &as_user(words(&[&path]), "nobody", Some("77"), false),
            &as_ourselves()
        )
        .is_ok()
    );
    // A name in PATH is searched with the same eyes; we ourselves were not changed by looking.
    assert!(prepare(&as_user(words(&["true"]), "nobody", None, false), &as_ourselves()).is_ok());
    assert!(nix::unistd::geteuid().is_root());
}

#[test]
fn execute_permission_is_that_of_the_scripts_user() {
    if !is_root() {
        return;
    }
    let stage = Stage::new();
    let path = stage.script("script", "");
    stage.mode("script", 0o710);
    chown(stage.path("script"), None, Some(77)).unwrap();
    let as_nobody = |group| prepare(&as_user(words(&[&path]), "nobody", group, false), &as_ourselves());
    assert!(as_nobody(Some("77")).is_ok());
    let refusal = as_nobody(None).unwrap_err();
    assert!(
        matches!(
            &refusal,
            ScriptRefusal::File(FileError::NotExecutable {
                mode: 0o710,
                gid: 77,
                ..
            })
        ),
        "{refusal}"
    );
}

type Spoil = fn(&Stage);

#[test]
fn what_others_can_change_is_refused_for_root_with_security_and_only_warned_of_without() {
    if !is_root() {
        return;
    }
    let table: [(Spoil, &str, Flaw); 6] = [
        (|stage| stage.mode("d", 0o757), "d", Flaw::WorldWritable),
        (
            |stage| stage.mode("d/script", 0o757),
            "d/script",
            Flaw::WorldWritable,
        ),
        (
            |stage| chown(stage.path("d"), Some(65534), None).unwrap(),
            "d",
            Flaw::Owner,
        ),
        (
            |stage| chown(stage.path("d/script"), Some(65534), None).unwrap(),
            "d/script",
            Flaw::Owner,
        ),
        (
            |stage| {
                chown(stage.path("d"), None, Some(77)).unwrap();
                stage.mode("d", 0o775);
            },
            "d",
            Flaw::GroupWritable,
        ),
        (
            |stage| {
                chown(stage.path("d/script"), None, Some(77)).unwrap();
                stage.mode("d/script", 0o775);
            },
            "d/script",
            Flaw::GroupWritable,
        ),
    ];
    for (spoil, component, flaw) in table {
        let stage = Stage::new();
        std::fs::create_dir(stage.path("d")).unwrap();
        let path = stage.script("d/script", "");
        assert!(prepare(&words(&[&path]), &secure()).is_ok());
        spoil(&stage);
        match prepare(&words(&[&path]), &secure()) {
            Err(ScriptRefusal::Unsafe { exposures, .. }) => {
                let found: Vec<_> = exposures
                    .iter()
                    .map(|exposure| (exposure.path.to_str().unwrap(), exposure.flaw))
                    .collect();
                assert_eq!(found, [(stage.path(component).as_str(), flaw)]);
            }
            other => panic!("{component} {flaw:?}: {other:?}"),
        }
        assert_eq!(
            prepare(&words(&[&path]), &as_ourselves()).unwrap().warnings.len(),
            1
        );
        // Someone who is not root has nothing to lose by it, unless he runs with root's group.
        let as_nobody = |group| prepare(&as_user(words(&[&path]), "nobody", group, false), &secure());
        assert!(as_nobody(None).unwrap().warnings.is_empty());
        assert!(matches!(
            as_nobody(Some("root")),
            Err(ScriptRefusal::Unsafe { .. })
        ));
    }
}

#[test]
fn a_link_is_as_safe_as_the_way_it_leads() {
    if !is_root() {
        return;
    }
    // Where /bin is a link to usr/bin, keepalived refuses this even without security.
    assert!(
        prepare(&words(&["/bin/sh"]), &secure())
            .unwrap()
            .warnings
            .is_empty()
    );

    let stage = Stage::new();
    for directory in ["real", "open"] {
        std::fs::create_dir(stage.path(directory)).unwrap();
    }
    stage.script("real/script", "");
    symlink("../real/script", stage.path("open/hop")).unwrap();
    symlink("open/hop", stage.path("link")).unwrap();
    assert!(prepare(&words(&[&stage.path("link")]), &secure()).is_ok());
    // Neither in the written path nor in the resolved one, but on the way.
    stage.mode("open", 0o777);
    let refusal = refusal(&[&stage.path("link")], &secure());
    assert_eq!(
        refusal,
        format!(
            "Unsafe permissions found for script '{}' - disabling. '{1}' can be written by everyone \
             (owner 0:0, mode 0777; fix: chmod o-w '{1}')",
            stage.path("link"),
            stage.path("open")
        )
    );
}

#[test]
fn a_program_that_makes_itself_root_is_looked_at_whoever_runs_it() {
    if !is_root() {
        return;
    }
    let stage = Stage::new();
    let path = stage.script("script", "");
    stage.mode("script", 0o4757);
    let script = as_user(words(&[&path]), "nobody", None, false);
    assert!(matches!(
        prepare(&script, &secure()),
        Err(ScriptRefusal::Unsafe { .. })
    ));
}

#[test]
fn running_scripts_without_security_is_said_once() {
    let stage = Stage::new();
    let log = Log::open();
    let good = words(&[&stage.script("good", "")]);
    let missing = words(&[&stage.path("missing")]);

    let mut inspector = Inspector::new(as_ourselves());
    assert_eq!(inspector.violation(), None);
    assert!(inspector.admit("track script a", &missing).is_none());
    assert!(inspector.admit("track script b", &missing).is_none());
    assert_eq!((inspector.refused, inspector.violation()), (1, None));
    assert!(inspector.admit("track script c", &good).is_some());
    let violation = inspector.violation().unwrap();
    assert_eq!(
        violation,
        "SECURITY VIOLATION - scripts are being executed but script_security not enabled."
    );
    inspector.say_violation();
    inspector.say_violation();

    if is_root() {
        stage.mode("good", std::fs::Permissions::from_mode(0o757).mode());
        let mut inspector = Inspector::new(as_ourselves());
        inspector.admit("track script c", &good);
        assert!(
            inspector
                .violation()
                .unwrap()
                .ends_with("There are insecure scripts.")
        );
        let mut inspector = Inspector::new(secure());
        inspector.admit("track script c", &good);
        assert_eq!(inspector.violation(), None);
    }

    let said: Vec<_> = log
        .lines()
        .into_iter()
        .filter(|line| line.contains("SECURITY"))
        .collect();
    assert_eq!(said, [format!("ERROR {violation}")]);
    let disabled: Vec<_> = log
        .lines()
        .into_iter()
        .filter(|line| line.contains("Disabling"))
        .collect();
    assert_eq!(
        disabled.first().map(String::as_str),
        Some("WARN Disabling track script a since not found/accessible")
    );
}
