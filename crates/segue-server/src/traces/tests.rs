//! The trace of a turn, which every node and every version has to find in the same place.

use super::*;

fn root_of(percent: f64, id: u128, turn: u64) -> SpanContext {
    root(&Sampler::TraceIdRatioBased(percent / 100.0), SessionId(id), Turn(turn))
}

#[test]
fn the_trace_of_a_turn_follows_from_session_and_number() {
    let it = root_of(100.0, 0x3f0c_9a54, 3);
    assert_eq!(it.trace_id().to_string(), "7af32d18d0df5875ffcdf74eb9d6864e");
    assert_eq!(it.span_id().to_string(), "28509abe76dff690");
    assert_eq!(root_of(100.0, 0x3f0c_9a54, 3), it);
    assert_ne!(root_of(100.0, 0x3f0c_9a54, 4).trace_id(), it.trace_id());
    assert_ne!(root_of(100.0, 0x3f0c_9a55, 3).trace_id(), it.trace_id());
}

#[test]
fn a_part_of_the_turns_is_traced_and_the_same_one_everywhere() {
    let sampled = |percent: f64| {
        (0..10_000).filter(|turn| root_of(percent, 7, *turn).is_sampled()).collect::<Vec<_>>()
    };
    assert_eq!(sampled(100.0).len(), 10_000);
    let ten = sampled(10.0);
    assert!((800..1_200).contains(&ten.len()), "{}", ten.len());
    let twenty = sampled(20.0);
    assert!(ten.iter().all(|it| twenty.contains(it)));
}
