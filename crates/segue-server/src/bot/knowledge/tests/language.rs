//! Which language it answers in, and when it says that the conversation goes over to another.

use super::*;

fn in_session(language: &str) -> Chat {
    Chat { language: Some(language.to_owned()), ..Chat::new(true) }
}

#[test]
fn a_tag_counts_by_its_first_part() {
    for tag in ["es", "es-MX", "ES-es", "es_419", " es "] {
        assert_eq!(Language::of_tag(tag), Some(Language::Spanish), "{tag}");
    }
    assert_eq!(Language::of_tag("en-GB"), Some(Language::English));
    for tag in ["", "est", "fr", "e", "-es"] {
        assert_eq!(Language::of_tag(tag), None, "{tag}");
    }
}

#[test]
fn answers_in_the_language_of_the_session_where_it_is_set() {
    let got = in_session("es-MX").ask(Reason::Join, &[]);
    assert_eq!((got.text.as_str(), got.language), (say::SPANISH.welcome, None));
    assert_eq!(got.suggestions.len(), 3);
    let got = in_session("es-MX").say("PayPal?");
    assert_eq!(got.text, answer_in(Language::Spanish, "payment"));
    let got = in_session("en").say("PayPal?");
    assert_eq!(got.text, answer_in(Language::English, "payment"));
    // Set by the client, it stays, whatever is said.
    let mut chat = in_session("es");
    let got = chat.say("zxcvb, where is my order");
    assert_eq!((got.text.as_str(), got.language), (say::SPANISH.miss_no_guess, None));
    assert_eq!(chat.say(MISS).text, say::SPANISH.miss_and_person);
}

#[test]
fn answers_in_the_language_of_the_question_where_none_is_set_and_says_so_once() {
    let mut chat = Chat::new(true);
    let got = chat.say("where is my order");
    assert_eq!((got.text, got.language), (Chat::answer_of("order-status"), None));
    let got = chat.say("¿dónde está mi pedido?");
    assert_eq!(got.text, answer_in(Language::Spanish, "order-status"));
    assert_eq!(got.language.as_deref(), Some("es"));
    let got = chat.say("¿y cuánto cuesta el envío?");
    assert_eq!(got.text, answer_in(Language::Spanish, "delivery"));
    assert_eq!(got.language, None);
    // What is of no language, or of both, stays in that of the conversation.
    assert_eq!(chat.say(MISS).text, say::SPANISH.miss_no_guess);
    assert_eq!(chat.say("ok").language, None);
    assert_eq!(chat.say("👍").language, None);
    // A sign is enough where no word is known.
    assert_eq!(Chat::new(true).say("¿zxcvb?").language.as_deref(), Some("es"));
    // The bot has chosen it, so it may change again.
    let got = chat.say("when are you open?");
    assert_eq!(got.text, Chat::answer_of("opening-hours"));
    assert_eq!(got.language.as_deref(), Some("en"));
    assert_eq!(chat.say("where is my order").language, None);
}

#[test]
fn the_change_of_language_comes_before_the_text_in_it() {
    let inputs = ["¿dónde está mi pedido?"];
    let ask = Ask {
        inputs: &inputs,
        state: None,
        language: None,
        may_hand_off: true,
        reason: Reason::Message,
    };
    let outputs = DEMO.reply(ask).outputs;
    assert_eq!(outputs[0], Output::Language("es".to_owned()));
    assert!(matches!(outputs[1], Output::Text(_)));
}

#[test]
fn falls_back_to_english() {
    let got = Chat::new(true).ask(Reason::Join, &[]);
    assert_eq!((got.text.as_str(), got.language), (say::ENGLISH.welcome, None));
    // Nothing here is in French, nor are there any topics in it.
    let mut chat = in_session("fr-FR");
    let got = chat.say("zxcvb qwfpg");
    assert_eq!((got.text.as_str(), got.language), (say::ENGLISH.miss_no_guess, None));
    let got = chat.say("¿cómo devuelvo algo?");
    assert_eq!(got.text, answer_in(Language::Spanish, "returns"));
    assert_eq!(got.language.as_deref(), Some("es"));
    assert_eq!(in_session("").say(MISS).text, say::ENGLISH.miss_no_guess);
}

#[test]
fn a_bot_of_one_language_speaks_it_to_everybody() {
    let tea = "---\nname: Té\nlanguage: es-MX\nexamples: [hay té]\n---\nVerde.";
    let knowledge = Knowledge::from_texts(&[("a.md", tea)]).unwrap();
    for language in [None, Some("en"), Some("es"), Some("fr")] {
        let ask = |inputs| Ask {
            inputs,
            state: None,
            language,
            may_hand_off: true,
            reason: Reason::Message,
        };
        let got = Got::from(knowledge.reply(ask(&["hay te?"])));
        assert_eq!((got.text.as_str(), got.language), ("Verde.", None));
        let got = Got::from(knowledge.reply(ask(&["is there any tea"])));
        assert_eq!((got.text.as_str(), got.language), (say::SPANISH.miss_no_guess, None));
        // In plain words a person is reached in every language all the same.
        let got = Got::from(knowledge.reply(ask(&["talk to a person"])));
        assert_eq!(got.text, say::SPANISH.handing_off);
        assert!(got.hand_off.is_some());
    }
}

#[test]
fn an_offered_person_is_taken_or_refused_in_any_language() {
    for (words, language) in [("sí, por favor", "es"), ("claro", "es"), ("yes please", "en")] {
        let mut chat = in_session("es");
        chat.say(MISS);
        let got = chat.say(MISS);
        assert_eq!(got.text, say::SPANISH.miss_and_person);
        assert_eq!(got.suggestions[0], "Hablar con una persona");
        assert!(chat.say(words).hand_off.is_some(), "{words} ({language})");
    }
    for words in ["no, gracias", "no hace falta", "no thanks"] {
        let mut chat = in_session("es");
        chat.say(MISS);
        chat.say(MISS);
        let got = chat.say(words);
        assert_eq!((got.text.as_str(), got.hand_off), (say::SPANISH.no_person_then, None));
    }
    // It offers nobody where there is nobody.
    let mut chat = Chat { may_hand_off: false, ..in_session("es") };
    chat.say(MISS);
    let got = chat.say(MISS);
    assert_eq!(got.text, say::SPANISH.miss_again_no_guess);
    assert!(!got.suggestions.iter().any(|text| text == "Hablar con una persona"));
}

#[test]
fn goes_on_in_the_language_after_somebody_else_had_the_floor() {
    let mut chat = Chat::new(true);
    chat.say("quiero hablar con alguien");
    assert_eq!(chat.language.as_deref(), Some("es"));
    let got = chat.ask(Reason::HandOffFailed, &[]);
    let say = &say::SPANISH;
    assert_eq!(got.text, format!("{} {}", say.nobody_came, say.nobody_came_closing));
    assert_eq!(got.language, None);
    let got = chat.ask(Reason::Returned, &["¿cuánto dura la garantía?"]);
    let answer = answer_in(Language::Spanish, "warranty");
    assert_eq!(got.text, format!("{}\n\n{answer}", say.returned));
}

#[test]
fn names_are_told_apart_within_a_language() {
    let hotel = |language: &str| format!("---\nname: Hotel\nlanguage: {language}\n---\nX.");
    let (english, spanish, again) = (hotel("en"), hotel("es"), hotel("es-MX"));
    assert!(Knowledge::from_texts(&[("a.md", &english), ("b.md", &spanish)]).is_ok());
    let two = Knowledge::from_texts(&[("a.md", &spanish), ("es/b.md", &again)]);
    let error = two.err().unwrap().to_string();
    assert_eq!(error, "es/b.md:2: field \"name\": already the name of a.md");
}
