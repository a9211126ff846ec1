//! Finds the topics that fit a text: BM25 over the fields of a topic (name, examples, answer),
//! joined with the likeness to its nearest example. Pure: the same text always ranks the same.

use std::collections::{BTreeMap, BTreeSet};

use super::language::Language;
use super::topic::Topic;
use crate::limits;

// What one occurrence counts, by field. An example says "this is what people ask", an answer only
// mentions. These and the constants below were chosen by leaving out every twelfth example in turn
// and looking where it is found; around the values given, little changes.
const NAME_WEIGHT: f64 = 2.0;
const EXAMPLE_WEIGHT: f64 = 1.0;
const ANSWER_WEIGHT: f64 = 0.6;

// The two constants of BM25: how soon repetition stops to count, how much a long answer is damped.
const SATURATION: f64 = 2.0;
const LENGTH_DAMPING: f64 = 0.75;

// What a word of the query counts, by kind. Common words are damped and not dropped, since
// "who are you" has nothing else, and "send back" is not "send".
const COMMON_WEIGHT: f64 = 0.5;
const PLEASANTRY_WEIGHT: f64 = 0.1;
const MISSPELT_WEIGHT: f64 = 0.8;
/// And what two words that follow each other count, beyond each by itself.
const PAIR_WEIGHT: f64 = 0.2;

/// Share of the likeness to the nearest example in the confidence; BM25 has the rest.
const LIKENESS_SHARE: f64 = 0.2;
/// A text that tells a story is not expected to match in all of it: in as much as this many rare
/// words at most.
const EXPECTED_WORDS_MAX: f64 = 2.5;
/// Shorter words have too many neighbours for a guess at what was meant.
const MISSPELT_LETTERS_MIN: usize = 5;
/// Shortest half of a word that is taken for two written as one.
const HALF_LETTERS_MIN: usize = 3;

/// A topic that may fit.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Match {
    /// Its place in the list that the index was made from.
    pub topic: usize,
    /// From 0 to 1; 1 is an example or a name, word for word.
    pub confidence: f64,
}

/// The topics of one language, made ready to be searched.
pub struct Index {
    language: Language,
    topics: usize,
    /// By stem, or by two stems with a space between for a pair of words.
    terms: BTreeMap<String, Term>,
    examples: Vec<Example>,
    /// Words as written, each with its stem, to find misspelt ones.
    vocabulary: BTreeMap<String, String>,
    rarity_max: f64,
}

/// What is known of a stem or a pair.
#[derive(Default)]
struct Term {
    /// How much it tells, from how few topics have it.
    rarity: f64,
    /// Topics that have it, with the saturated weight (0 to 1) that it has there.
    weights: Vec<(usize, f64)>,
}

/// A question that a topic answers, or its name.
struct Example {
    topic: usize,
    words: Vec<String>,
    terms: BTreeSet<String>,
    mass: f64,
}

/// A text, made ready to be compared.
struct Query {
    /// Each term once, with its mass: its weight in the text times its rarity.
    terms: BTreeMap<String, f64>,
    /// The mass of all words; what pairs add is not expected of anybody.
    mass: f64,
}

impl Index {
    /// Makes the index of these topics, which are all in this language.
    pub fn new(language: Language, topics: &[Topic]) -> Self {
        let mut vocabulary = BTreeMap::new();
        let counts: Vec<_> = topics.iter().map(|topic| counts(topic, &mut vocabulary)).collect();
        let mut index = Self {
            language,
            topics: topics.len(),
            terms: terms(&counts),
            examples: Vec::new(),
            vocabulary,
            rarity_max: rarity(0.0, topics.len()),
        };
        for (at, topic) in topics.iter().enumerate() {
            for text in topic.examples.iter().chain([&topic.name]) {
                let words: Vec<String> = language.words(text).collect();
                let Query { terms, mass } = index.query(&words);
                let terms = terms.into_keys().collect();
                index.examples.push(Example { topic: at, words, terms, mass });
            }
        }
        index
    }

    /// Topics that have anything to do with the text, the best first.
    pub fn rank(&self, text: &str) -> Vec<Match> {
        let words: Vec<String> =
            self.language.words(text).take(limits::KNOWLEDGE_QUESTION_WORDS_MAX).collect();
        let query = self.query(&words);
        let expected = query.mass.min(EXPECTED_WORDS_MAX * self.rarity_max);
        if expected <= 0.0 {
            return Vec::new();
        }
        let mut fits = vec![0.0; self.topics];
        for (term, mass) in &query.terms {
            for (topic, weight) in self.terms.get(term).map_or(&[][..], |term| &term.weights) {
                fits[*topic] += mass * weight / expected;
            }
        }
        let mut likenesses = vec![0.0_f64; self.topics];
        for example in &self.examples {
            let likeness = if example.words == words {
                f64::INFINITY
            } else {
                let shared = query.terms.iter().filter(|(term, _)| example.terms.contains(*term));
                2.0 * shared.map(|(_, mass)| mass).sum::<f64>() / (expected + example.mass)
            };
            likenesses[example.topic] = likenesses[example.topic].max(likeness);
        }
        let joined = fits.into_iter().zip(likenesses).map(|(fit, likeness)| {
            ((1.0 - LIKENESS_SHARE) * fit + LIKENESS_SHARE * likeness).min(1.0)
        });
        let mut matches: Vec<Match> = joined
            .enumerate()
            .map(|(topic, confidence)| Match { topic, confidence })
            .filter(|found| found.confidence > 0.0)
            .collect();
        matches.sort_by(|a, b| b.confidence.total_cmp(&a.confidence).then(a.topic.cmp(&b.topic)));
        matches
    }

    /// How much of the text's first words is of the index's language: words that are so whatever
    /// the topics are, words of the topics in any inflection, and one for its marks.
    pub fn known_words(&self, text: &str) -> usize {
        let is_known = |word: &String| {
            self.language.is_own(word) || self.terms.contains_key(&self.language.stem(word))
        };
        let known = self
            .language
            .words(text)
            .take(limits::KNOWLEDGE_QUESTION_WORDS_MAX)
            .filter(is_known)
            .count();
        known + usize::from(self.language.has_marks(text))
    }

    fn query(&self, words: &[String]) -> Query {
        let mut weights: BTreeMap<String, f64> = BTreeMap::new();
        let language = self.language;
        let stems: Vec<String> = words.iter().map(|word| language.stem(word)).collect();
        let pairs = pairs(&stems);
        let polite_only =
            words.iter().all(|word| language.is_pleasantry(word) || language.is_common(word));
        for (word, stem) in words.iter().zip(stems) {
            let weight = if language.is_common(word) {
                COMMON_WEIGHT
            } else if language.is_pleasantry(word) && !polite_only {
                PLEASANTRY_WEIGHT
            } else {
                1.0
            };
            if self.terms.contains_key(&stem) {
                weights.insert(stem, weight);
            } else if let Some(halves) = self.halves(word) {
                weights.extend(halves.map(|half| (half, weight)));
            } else if let Some(meant) = self.nearest(word) {
                weights.entry(meant).or_insert(weight * MISSPELT_WEIGHT);
            } else if !language.is_common(word) && !word.chars().all(|c| c.is_ascii_digit()) {
                // A word that no topic has tells that something else is asked, save for common
                // words, and for a number, which will be an order's.
                weights.insert(stem, weight);
            }
        }
        let mut terms: BTreeMap<String, f64> = BTreeMap::new();
        for (stem, weight) in weights {
            let rarity = self.terms.get(&stem).map_or(self.rarity_max, |term| term.rarity);
            terms.insert(stem, weight * rarity);
        }
        let mass = terms.values().sum();
        for pair in pairs {
            if let Some(term) = self.terms.get(&pair) {
                terms.insert(pair, PAIR_WEIGHT * term.rarity);
            }
        }
        Query { terms, mass }
    }

    /// "giftcard" as "gift" and "card".
    fn halves(&self, word: &str) -> Option<[String; 2]> {
        word.char_indices().skip(HALF_LETTERS_MIN).find_map(|(at, _)| {
            let (first, second) = word.split_at(at);
            if second.chars().count() < HALF_LETTERS_MIN {
                return None;
            }
            Some([self.vocabulary.get(first)?.clone(), self.vocabulary.get(second)?.clone()])
        })
    }

    /// The stem of the known word that differs by one slip, if the word is long enough to tell.
    fn nearest(&self, word: &str) -> Option<String> {
        if word.chars().count() < MISSPELT_LETTERS_MIN {
            return None;
        }
        let near = self.vocabulary.iter().filter(|(known, _)| {
            known.chars().count() >= MISSPELT_LETTERS_MIN && is_one_slip(word, known)
        });
        // Of several neighbours, the one that more topics speak of is more likely meant.
        near.max_by_key(|(_, stem)| self.terms.get(*stem).map_or(0, |term| term.weights.len()))
            .map(|(_, stem)| stem.clone())
    }
}

/// What each term counts in a topic, before saturation.
fn counts(topic: &Topic, vocabulary: &mut BTreeMap<String, String>) -> BTreeMap<String, f64> {
    let mut counts: BTreeMap<String, f64> = BTreeMap::new();
    let mut stems_of = |text: &str| -> Vec<String> {
        let words: Vec<String> = topic.language.words(text).collect();
        let stems: Vec<String> = words.iter().map(|word| topic.language.stem(word)).collect();
        vocabulary.extend(words.into_iter().zip(stems.iter().cloned()));
        stems
    };
    let examples = topic.examples.iter().map(|example| (example, EXAMPLE_WEIGHT));
    for (text, weight) in examples.chain([(&topic.name, NAME_WEIGHT)]) {
        let stems = stems_of(text);
        let pairs = pairs(&stems);
        for term in stems.into_iter().chain(pairs).collect::<BTreeSet<_>>() {
            *counts.entry(term).or_default() += weight;
        }
    }
    let answer = stems_of(&without_addresses(&topic.answer));
    // A hundred words are an ordinary answer; a longer one says each of them less firmly.
    let hundreds_of_words = f64::from(u32::try_from(answer.len()).unwrap_or(u32::MAX)) / 100.0;
    let damping = 1.0 - LENGTH_DAMPING + LENGTH_DAMPING * hundreds_of_words;
    for stem in answer {
        *counts.entry(stem).or_default() += ANSWER_WEIGHT / damping;
    }
    counts
}

fn pairs(stems: &[String]) -> Vec<String> {
    stems.windows(2).map(|pair| pair.join(" ")).collect()
}

fn without_addresses(text: &str) -> String {
    let kept = text.split_whitespace().filter(|word| !word.contains("://") && !word.contains('@'));
    kept.collect::<Vec<_>>().join(" ")
}

fn terms(counts: &[BTreeMap<String, f64>]) -> BTreeMap<String, Term> {
    let mut terms: BTreeMap<String, Term> = BTreeMap::new();
    for (topic, counts) in counts.iter().enumerate() {
        for (name, count) in counts {
            let term = terms.entry(name.clone()).or_default();
            term.weights.push((topic, count / (count + SATURATION)));
        }
    }
    for term in terms.values_mut() {
        // A mention in passing makes a word less telling, but not as much as an example does.
        let topics_with = term.weights.iter().map(|(_, weight)| weight).sum();
        term.rarity = rarity(topics_with, counts.len());
    }
    terms
}

/// The inverse document frequency of BM25, here of a fractional count.
fn rarity(topics_with: f64, topics: usize) -> f64 {
    let topics = f64::from(u32::try_from(topics).unwrap_or(u32::MAX)).max(topics_with);
    (1.0 + (topics - topics_with + 0.5) / (topics_with + 0.5)).ln()
}

/// Whether one letter more, less, other, or swapped with its neighbour makes one word the other.
pub fn is_one_slip(a: &str, b: &str) -> bool {
    // Most words are too different in length already, and that is quick to see.
    if a.chars().count().abs_diff(b.chars().count()) > 1 {
        return false;
    }
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let (short, long) = if a.len() <= b.len() { (&a, &b) } else { (&b, &a) };
    let same = short.iter().zip(long).take_while(|(x, y)| x == y).count();
    match (&short[same..], &long[same..]) {
        ([], []) => false,
        (short, [_, long @ ..]) if long == short => true,
        ([_, short @ ..], [_, long @ ..]) if short == long => true,
        ([first, second, short @ ..], [third, fourth, long @ ..]) => {
            first == fourth && second == third && short == long
        }
        _ => false,
    }
}
