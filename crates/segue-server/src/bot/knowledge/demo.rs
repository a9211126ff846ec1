//! The topics of a made-up shop, so that a conversation works before anything is configured.

/// Every topic there is, in each language.
macro_rules! topics {
    ($($stem:literal),+ $(,)?) => {
        &[
            $((concat!($stem, ".md"), include_str!(concat!("../../../topics/", $stem, ".md"))),)+
            $((
                concat!("es/", $stem, ".md"),
                include_str!(concat!("../../../topics/es/", $stem, ".md")),
            ),)+
        ]
    };
}

/// File names and texts of the demo's topics, as `Knowledge::from_texts` takes them.
pub fn demo_topics() -> &'static [(&'static str, &'static str)] {
    topics![
        "account",
        "boot-fitting",
        "bot",
        "business-orders",
        "care",
        "change-order",
        "clothing-sizes",
        "club",
        "collect",
        "contact",
        "delivery-abroad",
        "delivery",
        "discounts",
        "exchanges",
        "gift-cards",
        "gift-wrap",
        "goodbye",
        "hello",
        "hire",
        "jobs",
        "materials",
        "newsletter",
        "opening-hours",
        "order-status",
        "payment-problems",
        "payment",
        "person",
        "privacy",
        "receipts",
        "refunds",
        "repair",
        "returns",
        "second-hand",
        "stock",
        "stores",
        "thanks",
        "visiting",
        "walks",
        "warranty",
        "wrong-or-damaged",
    ]
}
