//! How well it finds in Spanish, and who it takes for somebody who wants a person.

use super::*;

const QUESTIONS_ES: &str = include_str!("../es/questions.tsv");
const TUNING_ES: &str = include_str!("../es/tuning.tsv");
const UNRELATED_ES: &str = include_str!("../es/unrelated.txt");

/// The questions were written before the topics, from their names.
#[test]
fn answers_most_spanish_questions_that_were_written_before_the_topics() {
    let (right, all) = (score(Language::Spanish, QUESTIONS_ES), pairs(QUESTIONS_ES).len());
    println!("{right} of {all} questions answered from the right topic");
    assert_eq!(all, 40);
    assert!(right >= 34, "{right} of {all}");
}

#[test]
fn answers_most_spanish_questions_that_it_was_tuned_with() {
    let (right, all) = (score(Language::Spanish, TUNING_ES), pairs(TUNING_ES).len());
    println!("{right} of {all} questions answered from the right topic");
    assert!(right >= 72, "{right} of {all}");
}

#[test]
fn no_spanish_question_repeats_an_example() {
    repeat_no_example(Language::Spanish, QUESTIONS_ES);
    repeat_no_example(Language::Spanish, TUNING_ES);
}

#[test]
fn no_spanish_question_is_answered_in_english() {
    for (question, _) in pairs(QUESTIONS_ES).into_iter().chain(pairs(TUNING_ES)) {
        let got = Chat::new(true).say(question);
        assert_eq!(got.language.as_deref(), Some("es"), "{question}");
        if let Some(topic) = topic_of(&got.text) {
            assert_eq!(topic.language, Language::Spanish, "{question}");
        }
    }
}

#[test]
fn nothing_english_is_taken_for_spanish() {
    let questions = pairs(QUESTIONS).into_iter().chain(pairs(TUNING)).map(|it| it.0);
    for question in questions.chain(UNRELATED.lines()) {
        assert_eq!(Chat::new(true).say(question).language, None, "{question}");
    }
}

#[test]
fn has_no_answer_to_what_has_nothing_to_do_with_a_shop_in_spanish() {
    for question in UNRELATED_ES.lines() {
        let got = Chat::new(true).say(question);
        let say = &say::SPANISH;
        assert!([say.miss, say.miss_no_guess].contains(&&*got.text), "{question}: {}", got.text);
        assert!(got.hand_off.is_none() && !got.ended, "{question}");
        assert_eq!(got.language.as_deref(), Some("es"), "{question}");
    }
    assert!(UNRELATED_ES.lines().count() >= 10);
}

#[test]
fn accents_and_signs_may_be_left_out() {
    for (question, stem) in [
        ("cuanto dura la garantia", "warranty"),
        ("reparacion de una cremallera", "repair"),
        ("¿REPARACIÓN DE UNA CREMALLERA?", "repair"),
        ("donde esta mi pedido", "order-status"),
        // Accents as characters of their own, as some keyboards write them.
        ("cua\u{301}nto tarda el envi\u{301}o", "delivery"),
        ("alquilar una tienda de campana", "hire"),
        ("arreglais botas", "repair"),
        // Misspelt.
        ("cuanto cuesta el envo", "delivery"),
        ("quiero una debolucion", "returns"),
    ] {
        let got = Chat::new(true).say(question);
        let topic = topic_of(&got.text).map(|topic| (topic.language, topic.stem.as_str()));
        assert_eq!(topic, Some((Language::Spanish, stem)), "{question}");
    }
}

#[test]
fn a_person_asked_for_in_plain_spanish_is_a_handoff() {
    for wish in [
        "quiero hablar con una persona",
        "pásame con un agente",
        "Pasame con alguien por favor",
        "¿puedo hablar con alguien?",
        "¿no puedo hablar con una persona?",
        "agente",
        "una persona real, por favor",
        "necesito hablar con un humano ya",
        "esto no me sirve quiero hablar con una persona",
        "me puede comunicar con un asesor",
        "comuníqueme con un representante",
        "me pones con atención al cliente",
        "¿me pasas con un compañero?",
        "ponme con un operador",
        "transfiéreme",
        "que me atienda una persona",
        "quiero una persona de verdad",
        "eres un robot quiero hablar con alguien",
        "no quiero un bot sino una persona",
        "No quiero hablar con un bot, quiero hablar con una persona",
        "me gustaría platicar con un ejecutivo",
    ] {
        assert!(Language::Spanish.asks_for_person(wish), "{wish}");
        let got = Chat::new(true).say(wish);
        let hand_off = got.hand_off.unwrap_or_else(|| panic!("{wish}"));
        assert_eq!(hand_off.destination.as_deref(), Some("support"), "{wish}");
        let got = Chat::new(false).say(wish);
        assert!(got.hand_off.is_none(), "{wish}");
    }
    let got = Chat::new(true).say("quiero hablar con una persona");
    assert_eq!(got.text, answer_in(Language::Spanish, "person"));
    let got = Chat::new(false).say("quiero hablar con una persona");
    assert_eq!(got.text, say::SPANISH.nobody_here);
    assert_eq!(got.suggestions.len(), 3);
}

#[test]
fn speaking_of_people_in_spanish_is_no_handoff() {
    for text in [
        "¿eres una persona real?",
        "¿estoy hablando con un humano?",
        "¿hablo con una persona?",
        "no quiero hablar con una persona",
        "sin hablar con nadie, ¿puedo cambiarlo?",
        "prefiero no hablar con un agente",
        "una tienda de campaña para cuatro personas",
        "¿qué pasa con la persona que lo recoge?",
        "¿puede recogerlo otra persona por mí?",
        "ponme en la lista de espera",
    ] {
        assert!(!Language::Spanish.asks_for_person(text), "{text}");
        assert!(Chat::new(true).say(text).hand_off.is_none(), "{text}");
    }
}
