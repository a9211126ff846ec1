//! What the knowledge bot says of its own accord, by language. Everything else is in the topics.

/// The bot's own words in one language.
pub struct Say {
    /// The conversation begins, and no greeting is configured.
    pub welcome: &'static str,
    /// A live agent handed back.
    pub returned: &'static str,
    /// After `returned`, where nothing waits for an answer.
    pub returned_closing: &'static str,
    /// Nobody took over.
    pub nobody_came: &'static str,
    /// After `nobody_came`, where nothing waits for an answer.
    pub nobody_came_closing: &'static str,
    /// A person was asked for, and there is none.
    pub nobody_here: &'static str,
    /// A person was asked for, and no topic says how to put it.
    pub handing_off: &'static str,
    /// What the user may pick to get a person, where no topic has a name for it.
    pub person: &'static str,
    /// A person was offered, and the user said no.
    pub no_person_then: &'static str,
    /// No topic fits; some are near.
    pub miss: &'static str,
    /// No topic fits, and none is near.
    pub miss_no_guess: &'static str,
    /// Once more no topic fits, and a person can be offered.
    pub miss_and_person: &'static str,
    /// Once more no topic fits, some are near, and there is nobody to offer.
    pub miss_again: &'static str,
    /// Once more no topic fits, none is near, and there is nobody to offer.
    pub miss_again_no_guess: &'static str,
}

/// In English.
pub const ENGLISH: Say = Say {
    welcome: "Hello! Ask me anything, or begin with one of these:",
    returned: "I am back with you.",
    returned_closing: "Is there anything else that I can help with?",
    nobody_came: "I am sorry, nobody was able to take over, so you still have me.",
    nobody_came_closing: "Tell me what it is about, and I will do what I can.",
    nobody_here: "I am sorry, there is nobody in this chat to pass you on to. \
        I can answer questions about these and more, so please ask me:",
    handing_off: "Of course. I am passing you on to a colleague now.",
    person: "Talk to a person",
    no_person_then: "All right, then it is the two of us. What would you like to know?",
    miss: "I am not sure that I understood. Did you mean one of these?",
    miss_no_guess: "I have no answer to that. These are things that I know about:",
    miss_and_person: "I am sorry, I still have no answer for you. Would you like to talk to a person?",
    miss_again: "I am sorry, I still do not follow. Could you put it in other words, or pick one of these?",
    miss_again_no_guess: "I am sorry, I have no answer to that either. These are things that I know about:",
};

/// In Spanish.
pub const SPANISH: Say = Say {
    welcome: "¡Hola! Pregúntame lo que quieras, o empieza por aquí:",
    returned: "Ya estoy de vuelta contigo.",
    returned_closing: "¿Puedo ayudarte con algo más?",
    nobody_came: "Lo siento, nadie ha podido atenderte, así que sigo yo contigo.",
    nobody_came_closing: "Cuéntame de qué se trata y haré lo que pueda.",
    nobody_here: "Lo siento, en este chat no hay nadie con quien pueda comunicarte. \
        Yo puedo responder preguntas sobre estos temas y otros más, así que pregúntame:",
    handing_off: "Por supuesto. Te paso ahora mismo con alguien del equipo.",
    person: "Hablar con una persona",
    no_person_then: "De acuerdo, entonces seguimos tú y yo. ¿Qué te gustaría saber?",
    miss: "No sé si te he entendido bien. ¿Te referías a alguno de estos temas?",
    miss_no_guess: "No tengo respuesta para eso. Estos son algunos temas que conozco:",
    miss_and_person: "Lo siento, sigo sin tener una respuesta. ¿Quieres hablar con una persona?",
    miss_again: "Lo siento, sigo sin entenderte. ¿Puedes decirlo con otras palabras o elegir un tema?",
    miss_again_no_guess: "Lo siento, para eso tampoco tengo respuesta. Estos son algunos temas que conozco:",
};
