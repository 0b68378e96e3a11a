//! What a configuration means is said in words.

use super::*;

fn variable(name: &str) -> Option<String> {
    match name {
        "OPENAI_API_KEY" => Some("canary-secret".to_owned()),
        "HOME" => Some("/home/somebody".to_owned()),
        _ => None,
    }
}

const HASH: &str = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";

#[test]
fn a_small_file_is_described() {
    let config = Config::parse("f", GOOD, variable).unwrap();
    let expected = "\
gateway    http://127.0.0.1:8080, for this machine alone
dashboard  http://127.0.0.1:8081, for this machine alone
learning   kept in /home/somebody/.local/state/outcome-gateway/state, every 10 s
callers    need no key
else       what is for no pool is answered 404

pool chat (also default-chat), adaptive, observed only
  1. gpt-4o       at openai, https://api.openai.com/v1, no price
  2. own (llama)  at local, http://127.0.0.1:8000/v1, no price
";
    assert_eq!(config.describe().to_string(), expected);
}

#[test]
fn what_is_open_and_who_may_call_is_described() {
    let source = format!(
        "listen = \"0.0.0.0:80\"\ndefault_upstream = \"openai\"\n[admin]\nenabled = false\n[store]\n\
         enabled = false\n{GOOD}"
    );
    let open = Config::parse("f", &source, variable).unwrap();
    let open = open.describe().to_string();
    for line in [
        "gateway    http://0.0.0.0:80, for whoever can connect\n",
        "dashboard  none: [admin] is not enabled\n",
        "learning   not kept over restarts\n",
        "callers    need no key: whoever can connect can spend yours\n",
        "else       what names no model goes to https://api.openai.com/v1\n",
    ] {
        assert!(open.contains(line), "{open}\n  lacks {line}");
    }
    let key = format!(
        "[[key]]\nname = \"a\"\nsha256 = \"{HASH}\"\npools = [\"chat\"]\ntenant = \"t\"\n\
         daily_dollars = 2.5\n{GOOD}"
    );
    let closed = Config::parse("f", &key, variable).unwrap();
    let closed = closed.describe().to_string();
    let line = "callers    the key a opens chat, for tenant t, up to $2.5 a day\n";
    assert!(closed.contains(line), "{closed}");
}
