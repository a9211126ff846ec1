//! A bot that answers from a folder of topics, seen from outside: its languages, and what becomes
//! of changes while it runs.

use std::{fs, path::Path, time::Duration};

use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{Bot, Logs, Running, SHOP_HOST, Setup, Talk, within};

const TOKEN: &str = "tea-token-93b1";
/// So often a test looks whether something has changed, until it has.
const LOOK: Duration = Duration::from_millis(50);

/// A shop whose topics are in a folder of its own.
struct Tea {
    folder: TempDir,
    server: Running,
}

impl Tea {
    async fn start(topics: &[(&str, &str)]) -> Self {
        let folder = TempDir::new().unwrap();
        for (file, text) in topics {
            fs::write(folder.path().join(file), text).unwrap();
        }
        let bot = Bot::start().await;
        let path = Value::from(folder.path().to_str().unwrap());
        let setup = Setup::new(&bot).also(&format!(
            "[[connectors]]\nid = \"tea\"\ntoken = \"{TOKEN}\"\nhosts = [\"{SHOP_HOST}\"]\n\
             bot = \"leaf\"\nhandoff = \"client\"\nmessages_per_second = 0\n\
             [[bots]]\nid = \"leaf\"\nkind = \"knowledge\"\nname = \"Leaf\"\n\
             greeting = \"Hello.\"\ntopics = {path}\n\
             [metrics]\nlisten = \"127.0.0.1:0\""
        ));
        Self { folder, server: setup.start().await }
    }

    async fn talk(&self, body: Value) -> Talk {
        let token = self.server.access_token_of(TOKEN).await;
        self.server.session_of(token, &body, None).await.open_joined().await
    }

    fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Puts a file into its place as a whole, as editors do.
    fn put(&self, file: &str, text: &str) {
        let other = self.path().join(".next");
        fs::write(&other, text).unwrap();
        fs::rename(other, self.path().join(file)).unwrap();
    }

    /// The log line about this folder that holds this, once it is there.
    async fn logged(&self, logs: &Logs, what: &str) -> String {
        let folder = self.path().to_str().unwrap();
        let logged = || logs.lines_with(folder).into_iter().find(|line| line.contains(what));
        let mut looks = tokio::time::interval(LOOK);
        within(what, async {
            loop {
                looks.tick().await;
                if let Some(line) = logged() {
                    return line;
                }
            }
        })
        .await
    }
}

async fn ask(talk: &mut Talk, text: &str) -> String {
    let key = format!("k-{}", talk.came.len());
    talk.say(text, &key).await;
    let message = talk.seek("POLY_AGENT_MESSAGE").await;
    message["payload"]["text"].as_str().unwrap().to_owned()
}

/// Asks until this is the answer.
async fn ask_until(talk: &mut Talk, question: &str, wanted: &str) {
    let mut looks = tokio::time::interval(LOOK);
    let asking = async {
        while ask(talk, question).await != wanted {
            looks.tick().await;
        }
    };
    within(&format!("{question:?} to be answered with {wanted:?}"), asking).await;
}

#[tokio::test]
async fn topics_are_taken_up_without_a_restart() {
    let logs = Logs::capture();
    let tea = Tea::start(&[("tea.md", "---\nname: Tea\n---\nGreen.")]).await;
    let mut talk = tea.talk(json!({})).await;
    assert_eq!(ask(&mut talk, "tea").await, "Green.");

    tea.put("tea.md", "---\nname: Tea\n---\nBlack.");
    ask_until(&mut talk, "tea", "Black.").await;
    tea.logged(&logs, "took up the changed topics").await;

    // A file that cannot be read as a topic changes nothing, not even together with one that can.
    tea.put("coffee.md", "---\nname: Coffee\nsize: 3\n---\nStrong.");
    tea.put("tea.md", "---\nname: Tea\n---\nWhite.");
    let line = tea.logged(&logs, "coffee.md:3: field \"size\": unknown").await;
    assert!(line.contains("WARN"), "{line}");
    let refused = "segue_topics_reloads_total{outcome=\"refused\"}";
    tea.server.metrics_once(|it| it.count(refused) == 1).await;
    assert_eq!(ask(&mut talk, "tea").await, "Black.");

    tea.put("coffee.md", "---\nname: Café\nlanguage: es\n---\nCargado.");
    ask_until(&mut talk, "tea", "White.").await;
    assert_eq!(ask(&mut talk, "café").await, "Cargado.");
    tea.logged(&logs, "1 in en, 1 in es").await;

    fs::remove_file(tea.path().join("coffee.md")).unwrap();
    let miss = "I have no answer to that. These are things that I know about:";
    ask_until(&mut tea.talk(json!({})).await, "café", miss).await;
    let taken_up = "segue_topics_reloads_total{outcome=\"taken_up\"}";
    let scraped = tea.server.metrics_once(|it| it.count(taken_up) == 3).await;
    assert_eq!(scraped.count(refused), 1);
    tea.server.stop().await;
}

#[tokio::test]
async fn a_conversation_goes_over_to_the_language_of_the_user() {
    let tea = Tea::start(&[
        ("tea.md", "---\nname: Tea\nexamples: [which teas do you have]\n---\nGreen."),
        ("te.md", "---\nname: Té\nlanguage: es\nexamples: [qué tés tienen]\n---\nVerde."),
    ])
    .await;
    let mut talk = tea.talk(json!({})).await;
    talk.say("¿Qué tés tienen ustedes?", "k-1").await;
    let frames = talk.until("POLY_AGENT_MESSAGE").await;
    let kinds: Vec<&str> = frames.iter().filter_map(|frame| frame["type"].as_str()).collect();
    let changed = frames.iter().find(|it| it["type"] == "EVENT_TYPE_LANGUAGE_CHANGED");
    let changed = changed.unwrap_or_else(|| panic!("{kinds:?}"));
    assert_eq!(changed["payload"]["language_code"], "es");
    assert_eq!(frames.last().unwrap()["payload"]["text"], "Verde.");
    talk.say("té", "k-2").await;
    let frames = talk.until("POLY_AGENT_MESSAGE").await;
    assert!(frames.iter().all(|it| it["type"] != "EVENT_TYPE_LANGUAGE_CHANGED"), "{frames:?}");

    let mut talk = tea.talk(json!({"language": "es-MX"})).await;
    talk.say("té", "k-3").await;
    let frames = talk.until("POLY_AGENT_MESSAGE").await;
    assert_eq!(frames.last().unwrap()["payload"]["text"], "Verde.");
    assert!(frames.iter().all(|it| it["type"] != "EVENT_TYPE_LANGUAGE_CHANGED"), "{frames:?}");
    talk.say("let me talk to a person", "k-4").await;
    let message = talk.seek("POLY_AGENT_MESSAGE").await;
    assert_eq!(
        message["payload"]["text"],
        "Por supuesto. Te paso ahora mismo con alguien del equipo."
    );
    tea.server.stop().await;
}
