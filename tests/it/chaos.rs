//! A few rounds of `make chaos`.

use meshtap_tests::chaos::Chaos;

#[test]
fn what_was_answered_is_there_once_whatever_is_killed() {
    let mut chaos = Chaos::start("chaos");
    let (mut kills, mut answered) = (0, 0);
    for number in 0..4 {
        let report = chaos.round(number, 7 + number as u64);
        assert_eq!(report.mistakes, Vec::<String>::new(), "{report:#?}");
        kills += report.collector_kills + report.store_kills;
        answered += report.answered;
    }
    assert!(kills >= 4 && answered > 100, "{kills} kills, {answered} spans");
}
