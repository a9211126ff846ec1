//! What the knowledge bot says of its own accord, in English. Everything else is in the topics.

/// The conversation begins, and no greeting is configured.
pub const WELCOME: &str = "Hello! Ask me anything, or begin with one of these:";

/// A live agent handed back.
pub const RETURNED: &str = "I am back with you.";
/// After `RETURNED`, where nothing waits for an answer.
pub const RETURNED_CLOSING: &str = "Is there anything else that I can help with?";

/// Nobody took over.
pub const NOBODY_CAME: &str = "I am sorry, nobody was able to take over, so you still have me.";
/// After `NOBODY_CAME`, where nothing waits for an answer.
pub const NOBODY_CAME_CLOSING: &str = "Tell me what it is about, and I will do what I can.";

/// A person was asked for, and there is none.
pub const NOBODY_HERE: &str = "I am sorry, there is nobody in this chat to pass you on to. \
    I can answer questions about these and more, so please ask me:";
/// A person was asked for, and no topic says how to put it.
pub const HANDING_OFF: &str = "Of course. I am passing you on to a colleague now.";
/// What the user may pick to get a person, where no topic has a name for it.
pub const PERSON: &str = "Talk to a person";
/// A person was offered, and the user said no.
pub const NO_PERSON_THEN: &str =
    "All right, then it is the two of us. What would you like to know?";

/// No topic fits; some are near.
pub const MISS: &str = "I am not sure that I understood. Did you mean one of these?";
/// No topic fits, and none is near.
pub const MISS_NO_GUESS: &str = "I have no answer to that. These are things that I know about:";
/// Once more no topic fits, and a person can be offered.
pub const MISS_AND_PERSON: &str =
    "I am sorry, I still have no answer for you. Would you like to talk to a person?";
/// Once more no topic fits, some are near, and there is nobody to offer.
pub const MISS_AGAIN: &str =
    "I am sorry, I still do not follow. Could you put it in other words, or pick one of these?";
/// Once more no topic fits, none is near, and there is nobody to offer.
pub const MISS_AGAIN_NO_GUESS: &str =
    "I am sorry, I have no answer to that either. These are things that I know about:";
