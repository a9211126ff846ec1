//! Measuring the disk holds nobody up.

use super::*;

/// Otherwise a run that is asked to stop would first go on to its end.
#[test]
fn while_the_disk_is_measured_other_things_are_heard() {
    let parent = TempDir::new().unwrap();
    let mut disk = Disk::open(parent.path()).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        tokio::select! {
            biased;
            _ = disk.measure(Duration::from_secs(1)) => panic!("nothing else was heard"),
            () = std::future::ready(()) => {}
        }
    });
    runtime.shutdown_background();
}
