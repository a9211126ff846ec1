//! What the knowledge bot knows of Spanish, as it is written in Spain and in America, with accents
//! and without.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use rust_stemmers::Algorithm;

use super::language::{Lexicon, is_accent, is_apostrophe, set};

/// How far after the verb the person may stand, in words.
const PERSON_REACH_WORDS: usize = 6;

/// What is known of Spanish.
pub static LEXICON: LazyLock<Lexicon> = LazyLock::new(|| Lexicon {
    algorithm: Algorithm::Spanish,
    normal,
    before_stemming,
    marks: &['¿', '¡', 'ñ', 'Ñ', 'á', 'é', 'í', 'ó', 'ú', 'Á', 'É', 'Í', 'Ó', 'Ú'],
    common: set(COMMON_WORDS),
    pleasantries: set(PLEASANTRIES),
    people: set(PEOPLE),
    fillers: set(FILLERS),
    wishes_at,
    denies,
    is_about_speaker,
    but: "sino",
    yes: &[
        "adelante", "bueno", "claro", "dale", "exacto", "obvio", "ok", "okay", "okey", "perfecto",
        "seguro", "si", "sip", "vale", "venga",
    ],
    no: &["na", "nada", "no", "nop", "tampoco"],
    beside_consent: &[
        "asi", "bien", "de", "eso", "es", "esta", "favor", "gracias", "hace", "falta", "hazlo",
        "lo", "me", "muchas", "por", "porfa", "porfavor", "prefiero", "que", "quiero", "supuesto",
        "te", "ya", "acuerdo", "gustaria",
    ],
    please: &["porfa", "porfavor", "favor", "supuesto", "acuerdo"],
});

const COMMON_WORDS: &str = "a ademas ahi ahora al algo algun alguna algunas alguno algunos alla alli ante antes aquel \
     aquella aquello aqui asi aun aunque bastante bien cada caso casi como con cosa cosas cual \
     cuales cualquier cuando cuanta cuantas cuanto cuantos da dan dar de debe deben debo decir \
     decirme deja del demas dentro desde despues di dice dicen dime digame donde dos durante e el \
     ella ellas ello ellos en entonces entre era eran eres es esa esas ese eso esos esta estaba \
     estaban estais estamos estan estar estas este esto estos estoy etc fue fueron ha haber \
     habia habra hace hacen hacer haceis hacemos haces hacia hago han has hasta hay haya he hecho \
     hemos hice hizo hoy igual ir jamas junto la las le les lo los luego mas me mejor menos mi \
     mia mias mientras mio mios mis misma mismo mucha muchas mucho muchos muy nada nadie necesita \
     necesitamos necesito ni ningun ninguna ninguno no nos nosotros nuestra nuestro nuestros nunca \
     o os otra otras otro otros para pasa pero poco pocos podeis podemos poder podre podria \
     podriais podrian podrias pon poner ponen pongo ponga por porque posible pudo puede pueden \
     puedes puedo pues que queria querria quien quienes quiere quieren quiero quisiera saber sabe \
     saben sabeis sabes se sea sean segun ser si sido siempre sin sino sobre sois sola solamente \
     solo somos son sos soy su sus suya suyo tal tambien tampoco tan tanta tanto te tendre tendria \
     tengais tengan tengo tener teneis tenemos tenia tiene tienen tienes ti toda todas todavia \
     todo todos tras tu tus tuve tuvo un una unas uno unos usted ustedes va vais vamos van varias \
     varios vaya veo ver vez voy vosotros vuestra vuestras vuestro vuestros vos y ya yo";

const PLEASANTRIES: &str = "adios amable bueno buena buenas buenos chao chau cordial dia dias disculpa disculpe estimados \
     favor genial gracias hola hello holi muchisimas noches ok okey oye oiga perdon perdona perdone \
     porfa porfavor saludo saludos tarde tardes vale";

const PEOPLE: &str = "agente agentes asesor asesora asesores ejecutiva ejecutivo gestor gestora humana humano \
     humanos operador operadora persona personas representante teleoperador";

const FILLERS: &str = "a ahora al algun alguna ahorita carne con de directamente el esta este favor \
     hueso la me mejor misma mismo otra otro por porfa porfavor real ser solo un una urgentemente \
     verdad verdadera verdadero ya y";

/// Those who count only after a verb of talking: "alguien" alone asks for nothing.
static SOMEBODY: LazyLock<BTreeSet<&'static str>> = LazyLock::new(|| {
    set("alguien atencion colega companera companero departamento dependiente empleada empleado \
         encargada encargado equipo especialista experta experto gerente jefa jefe personal \
         responsable servicio soporte supervisor supervisora vendedor vendedora")
});

/// Verbs of talking or of passing on, with whom follows after "con": "pasarme con un agente".
static TALK: LazyLock<BTreeSet<&'static str>> = LazyLock::new(|| {
    set("charlar chatear comunicar comunicarme comunicarnos conectarme conversar hablar hablarlo \
         hable pasarme pasarnos platicar ponerme transferirme tratar tratarlo")
});

/// Verbs of passing somebody on that mean it only with "me" before: "me puede pasar con un agente",
/// but not "qué pasa con la persona".
static PASS: LazyLock<BTreeSet<&'static str>> = LazyLock::new(|| {
    set("comunica comunican comunicar comunicas conecta conectan conectar conectas pasa pasan \
         pasar pasas pone ponen poner pones transferir transfiere transfieren transfieres")
});

/// What may stand between that "me" and the verb.
const MAY: &[&str] =
    &["podeis", "podria", "podriais", "podrian", "podrias", "puede", "pueden", "puedes", "quiere"];

/// The same as an order that already says "me": "pásame con …" needs nobody named.
static PASS_ME: LazyLock<BTreeSet<&'static str>> = LazyLock::new(|| {
    set("comunicadme comunicame comunicanme comuniqueme comuniquenme conectame conecteme pasadme \
         pasame paseme pasenme ponedme poneme pongame ponganme ponme")
});

/// Orders that need no "con".
static TRANSFER: LazyLock<BTreeSet<&'static str>> =
    LazyLock::new(|| set("derivame deriveme derivenme transfierame transfieranme transfiereme"));

/// Verbs of wanting, before the person: "quiero una persona de verdad".
static WANT: LazyLock<BTreeSet<&'static str>> = LazyLock::new(|| {
    set("busco dame deme denme deseo exijo necesitaria necesito preferiria prefiero queremos \
         queria querria quiero quisiera solicito")
});

/// Verbs of service, before the person: "que me atienda alguien".
static SERVE: LazyLock<BTreeSet<&'static str>> = LazyLock::new(|| {
    set("atender atenderme atienda atiendan ayude conteste contestarme responda responderme")
});

/// Lower case, without accents: many leave them out, and some keyboards write them apart. The ñ is
/// folded too, for those who have none.
fn normal(word: &str) -> String {
    let letters = word.chars().filter(|c| !is_accent(*c) && !is_apostrophe(*c));
    letters.flat_map(char::to_lowercase).map(without_accent).collect()
}

fn without_accent(c: char) -> char {
    match c {
        'á' | 'à' | 'â' | 'ã' | 'ä' => 'a',
        'é' | 'è' | 'ê' | 'ë' => 'e',
        'í' | 'ì' | 'î' | 'ï' => 'i',
        'ó' | 'ò' | 'ô' | 'õ' | 'ö' => 'o',
        'ú' | 'ù' | 'û' | 'ü' => 'u',
        'ñ' => 'n',
        'ç' => 'c',
        _ => c,
    }
}

/// Of the endings that the stemmer knows, it knows these with an accent only.
fn before_stemming(word: &str) -> String {
    const ENDINGS: &[(&str, &str)] =
        &[("cion", "ción"), ("sion", "sión"), ("ais", "áis"), ("eis", "éis")];
    let found = ENDINGS.iter().find_map(|(bare, accented)| {
        word.strip_suffix(bare).map(|stem| format!("{stem}{accented}"))
    });
    found.unwrap_or_else(|| word.to_owned())
}

fn is_about_speaker(clause: &[&str]) -> bool {
    let clause = match clause {
        ["y" | "pero" | "entonces" | "acaso" | "oye", rest @ ..] => rest,
        clause => clause,
    };
    let asks = match clause {
        ["eres" | "sos", ..] | ["tu", "eres", ..] | ["usted" | "esto", "es", ..] => true,
        ["es", "usted" | "esto", ..] | ["hablo", "con", ..] => true,
        ["es", "un" | "una", next, ..] => LEXICON.people.contains(next),
        ["estoy", verb, ..] => matches!(*verb, "hablando" | "chateando" | "escribiendo"),
        _ => false,
    };
    // "Eres un robot quiero hablar con alguien", in one breath.
    asks && !clause.iter().any(|word| TALK.contains(word))
}

/// "No quiero", "no me hace falta", "sin"; but "no me sirve quiero hablar con alguien" and "no
/// puedo hablar con alguien" are wishes.
fn denies(words: &[&str]) -> bool {
    let wants = |word: &str| {
        WANT.contains(word)
            || matches!(word, "gusta" | "gustaria" | "hace" | "apetece" | "pienso" | "voy")
    };
    words.iter().enumerate().any(|(at, word)| {
        let is_no = matches!(*word, "no" | "nunca" | "jamas" | "sin" | "tampoco");
        is_no
            && match &words[at + 1..] {
                [] => true,
                ["me" | "nos" | "te", next, ..] | [next, ..] => wants(next),
            }
    })
}

fn wishes_at(words: &[&str]) -> bool {
    let Some((verb, rest)) = words.split_first() else {
        return false;
    };
    let is_somebody = |word: &&str| LEXICON.people.contains(*word) || SOMEBODY.contains(*word);
    let rest = &rest[..rest.len().min(PERSON_REACH_WORDS)];
    let with_somebody = || {
        let with = rest.iter().position(|word| matches!(*word, "con" | "a"));
        with.is_some_and(|with| rest[with..].iter().any(is_somebody))
    };
    // Behind whatever words may stand between.
    let next = rest.iter().find(|word| !LEXICON.fillers.contains(*word));
    if matches!(*verb, "me" | "nos") {
        let verb = rest.iter().find(|word| !MAY.contains(word));
        verb.is_some_and(|verb| PASS.contains(verb)) && with_somebody()
    } else if TRANSFER.contains(verb) {
        true
    } else if PASS_ME.contains(verb) {
        rest.first() == Some(&"con")
    } else if TALK.contains(verb) {
        with_somebody()
    } else if SERVE.contains(verb) {
        next.is_some_and(is_somebody)
    } else {
        WANT.contains(verb) && next.is_some_and(|word| LEXICON.people.contains(word))
    }
}
