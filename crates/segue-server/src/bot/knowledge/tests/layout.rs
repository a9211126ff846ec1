//! What it takes for a topic.

use super::*;

fn parsed(text: &str) -> Result<Topic, String> {
    match Knowledge::from_texts(&[("shop/tea.md", text)]) {
        Ok(knowledge) => Ok(knowledge.sections[0].topics[0].clone()),
        Err(error) => Err(error.to_string()),
    }
}

#[test]
fn reads_every_field_of_the_front_matter() {
    let topic = parsed(
        "\u{feff}---\r\nname: Opening hours\r\nexamples: [\"when are you open\", on sunday?]\r\n\
         suggestions:\r\n  - Book a table\r\n\
         attachments: [{ title: \"Find us\", content_url: \"https://example.com/a%20b\", \
         content_type: image, preview_image_url: http://example.com/p.png, \
         call_to_action_text: Go }]\r\naction: end\r\nlanguage: en-GB\r\n---\r\n\r\n\
         From 10 to 22.\r\n\r\n---\r\n\r\nSundays from 12.\r\n",
    )
    .unwrap();
    assert_eq!((topic.stem.as_str(), topic.name.as_str()), ("tea", "Opening hours"));
    assert_eq!(topic.examples, ["when are you open", "on sunday?"]);
    assert_eq!(topic.suggestions, ["Book a table"]);
    assert_eq!(topic.action, Some(Action::End));
    assert_eq!(topic.answer, "From 10 to 22.\n\n---\n\nSundays from 12.");
    let attachment = Attachment {
        title: "Find us".to_owned(),
        preview_image_url: Some("http://example.com/p.png".to_owned()),
        content_url: "https://example.com/a%20b".to_owned(),
        content_type: ContentType::Image,
        call_to_action_text: Some("Go".to_owned()),
    };
    assert_eq!(topic.attachments, [attachment]);
}

#[test]
fn an_error_names_the_file_the_line_and_the_field() {
    let hundred_and_one = vec!["x"; 101].join(", ");
    let examples = format!("name: A\nexamples: [{hundred_and_one}]");
    for (front, expected) in [
        ("name: A\nsugestions: [b]", "shop/tea.md:3: field \"sugestions\": unknown"),
        ("examples: [b]", "shop/tea.md:1: field \"name\": missing"),
        ("name: ' '", "shop/tea.md:2: field \"name\": must not be blank"),
        ("name:", "shop/tea.md:2: field \"name\": must not be empty"),
        ("name: 404", "shop/tea.md:2: field \"name\": must be text, put it in quotes"),
        ("name: [A]", "shop/tea.md:2: field \"name\": must be text"),
        ("name: A\nname: B", "shop/tea.md:3: "),
        (&examples, "shop/tea.md:3: field \"examples\": 101 of them, at most 100"),
        ("name: A\nexamples: when", "shop/tea.md:3: field \"examples\": must be a list"),
        ("name: A\nexamples:\n  - b\n  - 7", "shop/tea.md:5: field \"examples\": must be text"),
        ("name: A\nattachments:\n  - title: b", "tea.md:4: field \"attachments.content_url\": mis"),
        (
            "name: A\nattachments:\n  - title: b\n    content_url: /c",
            "tea.md:5: field \"attachments.content_url\": must be an absolute",
        ),
        (
            "name: A\nattachments: [{ title: b, content_url: \"https://c/d e\" }]",
            "tea.md:3: field \"attachments.content_url\": must be an absolute",
        ),
        (
            "name: A\nattachments:\n- {title: b, content_url: https://c, content_type: pdf}",
            "tea.md:4: field \"attachments.content_type\": must be url or image",
        ),
        ("name: A\nattachments: [{ size: 1 }]", "tea.md:3: field \"attachments.size\": unknown"),
        ("name: A\naction: stop", "tea.md:3: field \"action\": must be end, or"),
        ("name: A\naction: { end: now }", "tea.md:3: field \"action.end\": unknown"),
        (
            "name: A\naction:\n  handoff:\n    reason: BORED",
            "tea.md:5: field \"action.handoff.reason\": must be COMPLEX_QUERY",
        ),
        (
            "name: A\naction: { handoff: { mode: both } }",
            "tea.md:3: field \"action.handoff.mode\": must be server or client",
        ),
        (
            "name: A\naction: { handoff: { to: us } }",
            "tea.md:3: field \"action.handoff.to\": unknown",
        ),
        ("name: A\naction: { handoff: }", "tea.md:3: field \"action.handoff\": expected"),
        (
            "name: A\nlanguage: fr",
            "tea.md:3: field \"language\": fr is not supported, expected one of",
        ),
        ("name: A\nexamples: [b", "shop/tea.md:4: "),
        ("- name", "shop/tea.md:2: expected fields"),
        ("", "shop/tea.md:1: the front matter is empty"),
    ] {
        let error = parsed(&format!("---\n{front}\n---\nAnswer.")).expect_err(front);
        assert!(error.contains(expected), "{error}\n{expected}");
    }
}

#[test]
fn a_file_that_is_not_laid_out_as_a_topic_is_refused() {
    for (text, expected) in [
        ("", "shop/tea.md:1: expected --- and front matter"),
        ("Hello", "shop/tea.md:1: expected --- and front matter"),
        ("---\nname: A\n", "shop/tea.md:1: the front matter is not closed"),
        ("---\nname: A\n---\n \n", "shop/tea.md:4: no answer after the front matter"),
        (&format!("---\nname: A\n---\n{}", "x".repeat(65_536)), "at most 65536"),
    ] {
        let error = parsed(text).expect_err(text);
        assert!(error.contains(expected), "{error}");
    }
    assert!(parsed("---\nname: A\naction: end\n---\n").unwrap().answer.is_empty());
}

#[test]
fn two_topics_of_one_name_are_refused() {
    let text = "---\nexamples: [b]\nname: Tea time\n---\nGreen.";
    let again = text.replace("Tea time", "tea Time!");
    let error = Knowledge::from_texts(&[("a.md", text), ("b.md", &again)]).err().unwrap();
    assert_eq!(error.to_string(), "b.md:3: field \"name\": already the name of a.md");
}

#[test]
fn a_folder_without_topics_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    fs::write(folder.path().join("notes.txt"), "x").unwrap();
    fs::write(folder.path().join(".draft.md"), "x").unwrap();
    let error = Knowledge::from_dir(folder.path()).err().unwrap();
    assert!(matches!(error, TopicError::Empty { .. }), "{error}");
    assert!(error.to_string().contains(&folder.path().display().to_string()));
    assert!(matches!(Knowledge::from_texts(&[]), Err(TopicError::Empty { .. })));

    let error = Knowledge::from_dir(&folder.path().join("none")).err().unwrap();
    assert!(matches!(error, TopicError::Unreadable { .. }), "{error}");

    fs::write(folder.path().join("tea.md"), "x".repeat(65_537)).unwrap();
    let error = Knowledge::from_dir(folder.path()).err().unwrap().to_string();
    assert!(error.ends_with("tea.md:1: 65537 bytes, at most 65536"), "{error}");
    fs::write(folder.path().join("tea.md"), "---\nname: Tea\nsize: 3\n---\nGreen.").unwrap();
    let error = Knowledge::from_dir(folder.path()).err().unwrap().to_string();
    assert!(error.contains("tea.md:3: field \"size\": unknown"), "{error}");
    fs::write(folder.path().join("tea.md"), b"---\nname: T\xe9\n---\nGreen.").unwrap();
    let error = Knowledge::from_dir(folder.path()).err().unwrap().to_string();
    assert!(error.ends_with("tea.md:2: not UTF-8"), "{error}");
}
