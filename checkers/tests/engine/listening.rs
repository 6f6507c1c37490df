//! Checkers that are told: files and BFD sessions.

use checkers::Event;

use crate::lab::{Lab, web};

fn with_file(line: &str) -> Lab {
    let text = web(
        "",
        &[
            &format!("weight 10\n FILE_CHECK {{\n track_file f\n {line}\n }}"),
            "",
        ],
    );
    Lab::new(&format!("track_file f {{\n file /tmp/f\n }}\n{text}"))
}

fn number(lab: &mut Lab, value: i64) -> Vec<(u8, u32)> {
    lab.handle(Event::File {
        track_file: "f",
        value,
    });
    lab.pool()
}

#[test]
fn a_number_in_a_file_adds_to_the_weight() {
    let mut lab = with_file("weight 2");
    assert_eq!(lab.pool(), [(2, 10), (3, 1)]);
    assert_eq!(number(&mut lab, 5), [(2, 20), (3, 1)]);
    assert_eq!(number(&mut lab, -3), [(2, 4), (3, 1)]);
    assert_eq!(number(&mut lab, -50), [(2, 0), (3, 1)], "never below nothing");
    assert_eq!(number(&mut lab, 2_147_483_647), [(2, 2_147_483_647), (3, 1)]);
    assert_eq!(
        number(&mut lab, -1_073_741_824),
        [(3, 1)],
        "a product of -2147483648"
    );
    assert_eq!(number(&mut lab, 0), [(2, 10), (3, 1)]);
    let mut lab = with_file("weight 2 reverse");
    assert_eq!(number(&mut lab, 3), [(2, 4), (3, 1)]);
}

#[test]
fn without_weight_any_number_is_a_failure() {
    let mut lab = with_file("weight 0");
    assert_eq!(number(&mut lab, 0), [(2, 10), (3, 1)]);
    assert_eq!(number(&mut lab, 1), [(3, 1)]);
    assert_eq!(lab.take_lines(), ["RS [10.0.0.2]:tcp:80 [10.0.0.1]:tcp:80 DOWN"]);
    assert_eq!(number(&mut lab, 0), [(2, 10), (3, 1)]);
    let mut lab = with_file("weight 0 reverse");
    assert_eq!(number(&mut lab, 1), [(2, 10), (3, 1)]);
    assert_eq!(number(&mut lab, 0), [(3, 1)]);
}

#[test]
fn a_session_decides() {
    for (alpha, at_start) in [("", vec![(2, 1)]), ("alpha", vec![])] {
        let text = web("", &[&format!("BFD_CHECK {{\n name b\n {alpha}\n }}")]);
        let mut lab = Lab::new(&format!("bfd_instance b {{\n neighbor_ip 10.0.0.2\n }}\n{text}"));
        assert_eq!(lab.pool(), at_start);
        lab.handle(Event::Bfd {
            session: "b",
            up: true,
        });
        assert_eq!(lab.pool(), [(2, 1)]);
        lab.take_log();
        lab.handle(Event::Bfd {
            session: "b",
            up: false,
        });
        assert!(lab.pool().is_empty());
        assert_eq!(
            lab.take_log()[0],
            "BFD check of [b] RS([10.0.0.2]:tcp:80) is DOWN"
        );
        lab.handle(Event::Bfd {
            session: "b",
            up: true,
        });
        assert_eq!(lab.pool(), [(2, 1)]);
        assert_eq!(lab.take_log()[0], "BFD check of [b] RS([10.0.0.2]:tcp:80) is UP");
    }
}

#[test]
fn a_checker_that_a_reload_brings_knows_what_was_told() {
    let text = |body: &str| {
        let text = web("", &[body, ""]);
        format!("track_file f {{\n file /tmp/f\n weight 0\n }}\n{text}")
    };
    let mut lab = Lab::new(&text(""));
    lab.handle(Event::File {
        track_file: "f",
        value: 1,
    });
    assert_eq!(lab.pool(), [(2, 1), (3, 1)]);
    lab.reload(&text("FILE_CHECK {\n track_file f\n }"));
    assert_eq!(lab.pool(), [(3, 1)]);
}
