//! How many addresses that try keys are told apart.

use std::net::Ipv4Addr;

use super::*;

#[test]
fn more_addresses_than_can_be_told_apart_share_one_rate_until_some_are_forgotten() {
    let burst = 3;
    let limits = ServerLimits { admin_failures_burst: burst, ..ServerLimits::default() };
    let failures = Failures::new(&limits);
    let address = |number: u32| IpAddr::from(Ipv4Addr::from(0x0a00_0000 + number));
    let known = u32::try_from(limits::ADMIN_ADDRESSES_MAX).unwrap();
    for number in 0..known {
        assert_eq!(failures.take(0, address(number)), Ok(()));
    }
    // Each of them has still its own; all others have one together.
    assert_eq!(failures.take(0, address(0)), Ok(()));
    for other in 0..burst {
        assert_eq!(failures.take(0, address(known + u32::try_from(other).unwrap())), Ok(()));
    }
    assert!(failures.take(0, address(known + 1_000)).is_err());
    // Later, those that have not tried again make room.
    assert_eq!(failures.take(10_000, address(known + 1_000)), Ok(()));
    assert!(failures.buckets.lock().len() < 10);
}
