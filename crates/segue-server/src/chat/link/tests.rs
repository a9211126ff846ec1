use super::*;

#[test]
fn pauses_double_and_have_an_end() {
    let shortest = |attempts| retry_ms(attempts, u64::MAX);
    let longest: Vec<u64> = (0..7).map(|attempts| retry_ms(attempts, 0)).collect();
    assert_eq!(longest, [500, 1_000, 2_000, 4_000, 8_000, 10_000, 10_000]);
    for random in 0..5_000 {
        for attempts in [0, 3, 40, u32::MAX] {
            let ms = retry_ms(attempts, random);
            let ms_max = retry_ms(attempts, 0);
            assert!(ms <= ms_max && ms >= ms_max * 4 / 5, "{ms} of {ms_max}");
        }
    }
    assert!(shortest(0) >= 400);
}
