//! The keys of clients.

use super::assert_mistakes;

#[test]
fn mistakes_about_client_keys_are_told() {
    assert_mistakes(&[
        (
            "\n[[upstream]]",
            "[[key]]\nsha256 = \
             \"2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824\"\n[[upstream]]",
            "1:1: the key \"name\" is missing here",
        ),
        (
            "\n[[upstream]]",
            "[[key]]\nname = \"a\"\n[[upstream]]",
            "1:1: the key \"sha256\" is missing here",
        ),
        (
            "\n[[upstream]]",
            "[[key]]\nname = \"a\"\nsha256 = \"og-canary\"\n[[upstream]]",
            "3:10: sha256: expected the SHA-256 of the key, 64 hex digits, as `outcome-gateway \
             key NAME` prints it; the key itself stands in no file",
        ),
        (
            "\n[[upstream]]",
            "[[key]]\nname = \"a\"\nsha256 = \
             \"2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b982\"\n[[upstream]]",
            "3:10: sha256: expected the SHA-256 of the key, 64 hex digits, as `outcome-gateway \
             key NAME` prints it; the key itself stands in no file",
        ),
        (
            "\n[[upstream]]",
            "[[key]]\nname = \"a\"\nsha256 = \
             \"gcf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824\"\n[[upstream]]",
            "3:10: sha256: expected the SHA-256 of the key, 64 hex digits, as `outcome-gateway \
             key NAME` prints it; the key itself stands in no file",
        ),
        (
            "\n[[upstream]]",
            "[[key]]\nname = \"a\"\nsha256 = \
             \"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855\"\n[[upstream]]",
            "3:10: sha256: this is the hash of nothing: was the key empty?",
        ),
        (
            "\n[[upstream]]",
            "[[key]]\nname = \"a\"\nsha256 = \
             \"2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824\"\n[[key]]\nname \
             = \"a\"\nsha256 = \
             \"3cf34dba5fb0a30e36e83b3ac5b9e39e1b161e5c1fa7435e73043363938b9834\"\n[[upstream]]",
            "5:8: name: two keys are named \"a\"",
        ),
        (
            "\n[[upstream]]",
            "[[key]]\nname = \"a\"\nsha256 = \
             \"2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824\"\n[[key]]\nname \
             = \"b\"\nsha256 = \
             \"2CF24DBA5FB0A30E26E83B2AC5B9E29E1B161E5C1FA7425E73043362938B9824\"\n[[upstream]]",
            "6:10: sha256: the same as that of the key \"a\"",
        ),
        (
            "\n[[upstream]]",
            "[[key]]\nname = \"\"\nsha256 = \
             \"2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824\"\n[[upstream]]",
            "2:8: name: expected a name of 1 to 256 bytes, without control characters or space \
             around it",
        ),
        (
            "\n[[upstream]]",
            "[[key]]\nname = \" a\"\nsha256 = \
             \"2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824\"\n[[upstream]]",
            "2:8: name: expected a name of 1 to 256 bytes, without control characters or space \
             around it",
        ),
        (
            "\n[[upstream]]",
            "[[key]]\nname = \"a\"\nsha256 = \
             \"2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824\"\npools = \
             [\"chatt\"]\n[[upstream]]",
            "4:10: pools: there is no pool named \"chatt\"; did you mean \"chat\"?",
        ),
        (
            "\n[[upstream]]",
            "[[key]]\nname = \"a\"\nsha256 = \
             \"2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824\"\npools = \
             [\"default-chat\"]\n[[upstream]]",
            "4:10: pools: \"default-chat\" is an alias of pool \"chat\"; expected the name of a \
             pool",
        ),
        (
            "\n[[upstream]]",
            "[[key]]\nname = \"a\"\nsha256 = \
             \"2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824\"\npools = \
             [\"gpt-4o\"]\n[[upstream]]",
            "4:10: pools: there is no pool named \"gpt-4o\"; expected one of \"chat\"",
        ),
        (
            "\n[[upstream]]",
            "[[key]]\nname = \"a\"\nsha256 = \
             \"2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824\"\npools = \
             []\n[[upstream]]",
            "4:9: pools: this key would open no pool; name some, or leave pools out for all",
        ),
        (
            "\n[[upstream]]",
            "[[key]]\nname = \"a\"\nsha256 = \
             \"2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824\"\npools = \
             \"chat\"\n[[upstream]]",
            "4:9: pools: expected an array, such as [\"a\", \"b\"], not a string",
        ),
        (
            "\n[[upstream]]",
            "[[key]]\nname = \"a\"\nsha256 = \
             \"2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824\"\ndaily_dollars \
             = 0\n[[upstream]]",
            "4:17: daily_dollars: expected a number above 0",
        ),
        (
            "\n[[upstream]]",
            "[[key]]\nname = \"a\"\nsha256 = \
             \"2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824\"\ndaily_dollars \
             = -1\n[[upstream]]",
            "4:17: daily_dollars: expected a number above 0",
        ),
        (
            "\n[[upstream]]",
            "[[key]]\nname = \"a\"\nsha256 = \
             \"2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824\"\ndaily_dollars \
             = \"20\"\n[[upstream]]",
            "4:17: daily_dollars: expected a number, not a string",
        ),
        (
            "\n[[upstream]]",
            "[[key]]\nname = \"a\"\nsha256 = \
             \"2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824\"\ntenant = \
             \"\"\n[[upstream]]",
            "4:10: tenant: expected a name of 1 to 256 bytes, without control characters or space \
             around it",
        ),
        (
            "\n[[upstream]]",
            "[[key]]\nname = \"a\"\nsha256 = \
             \"2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824\"\ntrust = \
             [\"pinn\"]\n[[upstream]]",
            "4:10: trust: there is no \"pinn\"; did you mean \"pin\"?",
        ),
    ]);
}
