//! What a look at a folder takes up and what it leaves, without a clock: two looks that see the
//! same are a second.

use std::os::unix::fs::symlink;

use segue_core::Output;

use super::super::knowledge::{Ask, Reason};
use super::*;

const GREEN: &str = "---\nname: Tea\n---\nGreen.";
/// Of another size: a file that is written twice within one tick of the clock has one time.
const BLACK: &str = "---\nname: Tea\n---\nBlack tea.";

struct Shop {
    root: tempfile::TempDir,
    watched: Watched,
}

impl Shop {
    /// A folder `topics` with one topic.
    fn new() -> Self {
        Self::with(|root| {
            fs::create_dir(root.join("topics")).unwrap();
            fs::write(root.join("topics/tea.md"), GREEN).unwrap();
        })
    }

    fn with(lay_out: impl FnOnce(&Path)) -> Self {
        let root = tempfile::tempdir().unwrap();
        lay_out(root.path());
        let watched = Watched::open(&root.path().join("topics")).unwrap();
        Self { root, watched }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.root.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        fs::write(self.path(name), text).unwrap();
    }

    fn look_twice(&mut self) {
        self.watched.look();
        self.watched.look();
    }

    fn ask(&self, question: &str) -> String {
        ask(&self.watched.topics.now(), question)
    }
}

fn ask(knowledge: &Knowledge, question: &str) -> String {
    let inputs = [question];
    let reason = Reason::Message;
    let ask = Ask { inputs: &inputs, language: None, state: None, may_hand_off: false, reason };
    let texts = knowledge.reply(ask).outputs.into_iter().filter_map(|output| match output {
        Output::Text(text) => Some(text),
        _ => None,
    });
    texts.collect()
}

#[test]
fn a_changed_file_is_taken_up_when_it_is_written_to_the_end() {
    let mut shop = Shop::new();
    shop.write("topics/tea.md", BLACK);
    shop.watched.look();
    assert_eq!(shop.ask("tea"), "Green.");
    shop.write("topics/tea.md", &BLACK.replace("Black", "Jasmine"));
    shop.watched.look();
    assert_eq!(shop.ask("tea"), "Green.", "it is still being written");
    shop.watched.look();
    assert_eq!(shop.ask("tea"), "Jasmine tea.");
}

#[test]
fn a_turn_keeps_the_set_that_it_began_with() {
    let mut shop = Shop::new();
    let before = shop.watched.topics.now();
    shop.write("topics/tea.md", BLACK);
    shop.look_twice();
    assert_eq!((ask(&before, "tea"), shop.ask("tea")), ("Green.".into(), "Black tea.".into()));
}

#[test]
fn files_that_come_and_go_count() {
    let mut shop = Shop::new();
    shop.write("topics/coffee.md", "---\nname: Coffee\n---\nStrong.");
    fs::create_dir(shop.path("topics/es")).unwrap();
    shop.write("topics/es/te.md", "---\nname: Té\nlanguage: es\n---\nVerde.");
    shop.look_twice();
    assert_eq!(shop.ask("coffee"), "Strong.");
    assert_eq!(shop.ask("té"), "Verde.");
    let counts: Vec<_> = shop.watched.topics.now().languages().collect();
    assert_eq!(counts, [("en", 2), ("es", 1)]);
    fs::remove_file(shop.path("topics/coffee.md")).unwrap();
    shop.look_twice();
    assert!(shop.ask("coffee").starts_with("I have no answer"));
}

#[test]
fn what_is_wrong_leaves_everything_as_it_was_and_is_said_once() {
    let mut shop = Shop::new();
    shop.write("topics/coffee.md", "---\nname: Coffee\nsize: 3\n---\nStrong.");
    shop.write("topics/tea.md", BLACK);
    shop.look_twice();
    assert_eq!(shop.ask("tea"), "Green.", "half of the change was taken up");
    let problem = shop.watched.problem.clone().unwrap();
    assert!(problem.contains("coffee.md:3: field \"size\": unknown"), "{problem}");
    // Refused is done with, until something is touched.
    assert_eq!(shop.watched.done, shop.watched.last);
    shop.write("topics/coffee.md", "---\nname: Coffee\n---\nStrong.");
    shop.look_twice();
    assert_eq!((shop.ask("tea"), shop.ask("coffee")), ("Black tea.".into(), "Strong.".into()));
    assert_eq!(shop.watched.problem, None);
}

#[test]
fn an_emptied_or_missing_folder_leaves_everything_as_it_was() {
    let mut shop = Shop::new();
    fs::remove_file(shop.path("topics/tea.md")).unwrap();
    shop.look_twice();
    assert!(shop.watched.problem.as_ref().unwrap().starts_with("no topics in"));
    fs::remove_dir(shop.path("topics")).unwrap();
    shop.look_twice();
    assert!(shop.watched.problem.as_ref().unwrap().starts_with("cannot read"));
    assert_eq!(shop.ask("tea"), "Green.");
    fs::create_dir(shop.path("topics")).unwrap();
    shop.write("topics/tea.md", BLACK);
    shop.look_twice();
    assert_eq!(shop.ask("tea"), "Black tea.");
}

#[test]
fn what_could_not_be_read_is_tried_again_though_nothing_is_touched() {
    let mut shop = Shop::new();
    shop.write("topics/tea.md", BLACK);
    let error = std::io::Error::from_raw_os_error(24);
    let error = TopicError::Unreadable { path: "tea.md".to_owned(), source: error };
    shop.watched.look();
    let seen = shop.watched.last.clone();
    shop.watched.refuse(&error, seen);
    assert_eq!(shop.ask("tea"), "Green.");
    shop.watched.look();
    assert_eq!(shop.ask("tea"), "Black tea.");
}

/// As editors save: another file, moved into the place of the first, here of the same size and
/// with the same time.
#[test]
fn a_file_that_is_moved_into_place_is_taken_up() {
    let mut shop = Shop::new();
    let times = fs::metadata(shop.path("topics/tea.md")).unwrap().modified().unwrap();
    shop.write("topics/.tea.md.swp", &GREEN.replace("Green", "White"));
    let file = fs::File::options().write(true).open(shop.path("topics/.tea.md.swp")).unwrap();
    file.set_modified(times).unwrap();
    fs::rename(shop.path("topics/.tea.md.swp"), shop.path("topics/tea.md")).unwrap();
    shop.look_twice();
    assert_eq!(shop.ask("tea"), "White.");
}

/// As Kubernetes mounts a config map: files are links through `..data`, which is switched.
#[test]
fn a_folder_that_is_switched_by_a_link_is_taken_up() {
    let mut shop = Shop::with(|root| {
        for (version, text) in [("..1", GREEN), ("..2", BLACK)] {
            fs::create_dir_all(root.join("topics").join(version)).unwrap();
            fs::write(root.join("topics").join(version).join("tea.md"), text).unwrap();
        }
        symlink("..1", root.join("topics/..data")).unwrap();
        symlink("..data/tea.md", root.join("topics/tea.md")).unwrap();
    });
    assert_eq!(shop.ask("tea"), "Green.");
    symlink("..2", shop.path("topics/..new")).unwrap();
    fs::rename(shop.path("topics/..new"), shop.path("topics/..data")).unwrap();
    shop.look_twice();
    assert_eq!(shop.ask("tea"), "Black tea.");
}

/// As deployments switch a whole folder.
#[test]
fn a_link_to_a_folder_may_lead_elsewhere() {
    let mut shop = Shop::with(|root| {
        for (version, text) in [("v1", GREEN), ("v2", BLACK)] {
            fs::create_dir(root.join(version)).unwrap();
            fs::write(root.join(version).join("tea.md"), text).unwrap();
        }
        symlink("v1", root.join("topics")).unwrap();
    });
    symlink("v2", shop.path("next")).unwrap();
    fs::rename(shop.path("next"), shop.path("topics")).unwrap();
    shop.look_twice();
    assert_eq!(shop.ask("tea"), "Black tea.");
}

#[test]
fn a_folder_that_never_rests_is_taken_up_all_the_same() {
    let mut shop = Shop::new();
    for round in 0..=limits::TOPICS_RESTLESS_LOOKS_MAX {
        assert_eq!(shop.ask("tea"), "Green.", "{round}");
        shop.write("topics/tea.md", &format!("{BLACK}{}", "!".repeat(round as usize)));
        shop.watched.look();
    }
    assert!(shop.ask("tea").starts_with("Black tea"));
}

#[test]
fn bots_with_the_same_folder_share_its_topics() {
    let shop = Shop::new();
    let mut folders = Folders::default();
    let one = folders.open(&shop.path("topics")).unwrap();
    let two = folders.open(&shop.path("topics")).unwrap();
    assert!(Arc::ptr_eq(&one, &two));
    assert!(folders.open(&shop.path("nowhere")).is_err());
}

#[tokio::test(start_paused = true)]
async fn watching_stops_when_told_and_where_there_is_nothing_to_watch() {
    Folders::default().watch(CancellationToken::new(), Arc::default()).await;
    let shop = Shop::new();
    let mut folders = Folders::default();
    folders.open(&shop.path("topics")).unwrap();
    let end = CancellationToken::new();
    let watching = tokio::spawn(folders.watch(end.clone(), Arc::default()));
    end.cancel();
    watching.await.unwrap();
}
