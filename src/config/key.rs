use super::{
    assemble::Fault,
    headers::Trust,
    numbers::within,
    schema::{self, Spanned},
    suggest::advice,
};

/// A key that opens the gateway.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ClientKey {
    pub(crate) name: String,
    /// Of the key; the key itself is known to its client alone.
    pub(crate) sha256: [u8; 32],
    /// The names of the pools that it opens; all unless given.
    pub(crate) pools: Option<Vec<String>>,
    /// Whose calls they are, whatever a header says.
    pub(crate) tenant: Option<String>,
    /// What it may spend per day, in UTC.
    pub(crate) daily_dollars: Option<f64>,
    /// What is heard from its callers, beside what is heard from all.
    pub(crate) trust: Trust,
}

/// As long as a hint may be.
const LONGEST_NAME: usize = 256;
/// The hash of no bytes at all, which a shell prints where a variable is empty.
const OF_NOTHING: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

pub(super) fn read_keys(
    written: &[schema::Key],
    pools: &[schema::Pool],
) -> Result<Vec<ClientKey>, Fault> {
    let mut keys: Vec<ClientKey> = Vec::new();
    for key in written {
        let read = read(key, pools)?;
        if keys.iter().any(|other| other.name == read.name) {
            let message = format!("two keys are named {:?}", read.name);
            return Err(Fault::at(&key.name, message));
        }
        if let Some(other) = keys.iter().find(|other| other.sha256 == read.sha256) {
            let message = format!("the same as that of the key {:?}", other.name);
            return Err(Fault::at(&key.sha256, message));
        }
        keys.push(read);
    }
    Ok(keys)
}

fn read(key: &schema::Key, pools: &[schema::Pool]) -> Result<ClientKey, Fault> {
    let daily = key.daily_dollars.as_ref();
    let above_0 = f64::MIN_POSITIVE..=f64::MAX;
    Ok(ClientKey {
        name: name(&key.name)?,
        sha256: hash(&key.sha256)?,
        pools: key.pools.as_ref().map(|it| opened(it, pools)).transpose()?,
        tenant: key.tenant.as_ref().map(name).transpose()?,
        daily_dollars: daily
            .map(|it| within(it, above_0, "expected a number above 0"))
            .transpose()?,
        trust: Trust::read(&key.trust),
    })
}

/// Tells of caps that do not see all that is spent.
pub(super) fn warn_of_uncounted(
    keys: &[ClientKey],
    pools: &[schema::Pool],
    warnings: &mut Vec<String>,
) {
    for key in keys.iter().filter(|key| key.daily_dollars.is_some()) {
        let opened = pools.iter().filter(|pool| {
            let opened = key.pools.as_deref();
            opened.is_none_or(|opened| opened.contains(pool.name.get_ref()))
        });
        let mut targets = opened.flat_map(|pool| &pool.targets);
        if let Some(target) = targets.find(|target| target.price.is_none()) {
            warnings.push(format!(
                "key {:?}: daily_dollars does not count what {:?} costs: it has no price",
                key.name,
                target.model.get_ref()
            ));
        }
    }
}

fn name(written: &Spanned<String>) -> Result<String, Fault> {
    let text = written.get_ref();
    let fits = (1..=LONGEST_NAME).contains(&text.len()) && !text.chars().any(char::is_control);
    if !fits || text.trim() != text {
        let message = format!(
            "expected a name of 1 to {LONGEST_NAME} bytes, without control characters or space \
             around it"
        );
        return Err(Fault::at(written, message));
    }
    Ok(text.clone())
}

fn hash(written: &Spanned<String>) -> Result<[u8; 32], Fault> {
    let text = written.get_ref();
    // What stands there may be the key itself, and is not repeated.
    let fault = || {
        let message = "expected the SHA-256 of the key, 64 hex digits, as `outcome-gateway key \
                       NAME` prints it; the key itself stands in no file";
        Fault::at(written, message)
    };
    if text.eq_ignore_ascii_case(OF_NOTHING) {
        return Err(Fault::at(
            written,
            "this is the hash of nothing: was the key empty?",
        ));
    }
    let mut hash = [0; 32];
    let digits: Option<Vec<u8>> = text.chars().map(digit).collect();
    let digits = digits
        .filter(|digits| digits.len() == 64)
        .ok_or_else(fault)?;
    for (byte, pair) in hash.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = pair.iter().fold(0, |high, low| high << 4 | low);
    }
    Ok(hash)
}

fn digit(c: char) -> Option<u8> {
    c.to_digit(16).and_then(|digit| u8::try_from(digit).ok())
}

fn opened(
    written: &Spanned<Vec<Spanned<String>>>,
    pools: &[schema::Pool],
) -> Result<Vec<String>, Fault> {
    if written.get_ref().is_empty() {
        let message = "this key would open no pool; name some, or leave pools out for all";
        return Err(Fault::at(written, message));
    }
    let names = || pools.iter().map(|pool| pool.name.get_ref().as_str());
    let opened = written.get_ref().iter().map(|name| {
        let text = name.get_ref();
        if names().any(|known| known == text) {
            return Ok(text.clone());
        }
        let mut aliased = pools.iter();
        let aliased = aliased.find(|pool| pool.aliases.iter().any(|it| it.get_ref() == text));
        let message = match aliased {
            Some(pool) => format!(
                "{text:?} is an alias of pool {:?}; expected the name of a pool",
                pool.name.get_ref()
            ),
            None => format!("there is no pool named {text:?}; {}", advice(text, names())),
        };
        Err(Fault::at(name, message))
    });
    opened.collect()
}
