use super::*;

const MINIMAL: &str = include_str!("../../../../benches/quality/scenarios/two_pm.toml");

fn data() -> Data {
    Data::read(&crate::cli::folder().join("data")).unwrap()
}

/// Replaces a part of a scenario, and returns what is wrong with it now.
fn wrong(data: &mut Data, from: &str, to: &str) -> String {
    assert!(MINIMAL.contains(from), "{from}");
    let text = MINIMAL.replacen(from, to, 1);
    let read = Scenario::parse(Path::new("s.toml"), &text, data);
    read.map_or_else(|mistake| mistake.to_string(), |_| "nothing".to_owned())
}

#[test]
fn mistakes_are_named_with_their_line() {
    let data = &mut data();
    let mut says = |from: &str, to: &str, what: &str| {
        let said = wrong(data, from, to);
        assert!(said.starts_with(what), "{said}\n{what}");
    };
    says("name", "name", "nothing");
    says("rpm = 2000,", "rpm = 2000.5,", "nothing");
    says(
        "copies = 1",
        "copies = 1\nfrobnicate = 2",
        "s.toml:11: unknown field `frobnicate`",
    );
    says(
        "copies = 1",
        "copies = 0",
        "s.toml:10: copies must be from 1 to 1000",
    );
    says(
        "slo_s = 15",
        "slo_s = \"soon\"",
        "s.toml:4: invalid type: string \"soon\"",
    );
    says(
        "slo_s = 15",
        "slo_s = nan",
        "s.toml:4: slo_s = NaN must be a finite number",
    );
    says(
        "slo_s = 15",
        "slo_s = 0",
        "s.toml:4: slo_s must be more than 0",
    );
    says("slo_s = 15", "slo_s =", "s.toml:4: ");
    says("timeout_s = 30", "", "s.toml:1: missing field `timeout_s`");
    says(
        "trace = \"conv\"",
        "trace = \"code\"",
        "s.toml:9: trace \"code\": there is no ",
    );
    says(
        "probability = 0.3",
        "probability = 1.3",
        "s.toml:13: probability = 1.3 must be from 0 to 1",
    );
    says(
        "\"category\"",
        "\"weather\"",
        "s.toml:17: unknown variant `weather`",
    );
    says(
        "\"category\"",
        "\"many\"",
        "s.toml:17: by = \"many\" needs a count",
    );
    says(
        "outcomes = \"gem-pro\"",
        "outcomes = \"gem\"",
        "s.toml:21: outcomes.csv has no column \"gem_ok\"",
    );
    says(
        "\"fireworks_70b\"",
        "\"lightning\"",
        "s.toml:22: latency.csv has no answered call of the source \"lightning\"",
    );
    says(
        "name = \"llama70\"",
        "name = \"gem-pro\"",
        "s.toml:29: there are two models \"gem-pro\"",
    );
    says(
        "tpm = 4000000",
        "tpm = -1",
        "s.toml:24: tpm = -1 must be a finite number of at least 0",
    );
    says(
        "kind = \"latency\"",
        "kind = \"mood\"",
        "s.toml:68: unknown variant `mood`",
    );
    says(
        "from_s = 1200",
        "from_s = 1500",
        "s.toml:66: from_s = 1500 is not before to_s = 1500",
    );
    says(
        "value = [0.3, 0.3]",
        "value = [0.3, 1.5]",
        "s.toml:83: value = 1.5 must be from 0 to 1",
    );
    says("value = [0.3, 0.3]", "value = [0.3]", "s.toml:83: ");
    says(
        "value = [1, 4]",
        "value = [1, 4, 5]",
        "s.toml:69: value must be two numbers",
    );
    says(
        "model = \"gem-pro\"\nonset_s",
        "model = \"gem\"\nonset_s",
        "s.toml:93: degraded: there is no model \"gem\"",
    );
}

#[test]
fn a_scenario_needs_a_model() {
    let text =
        "name = \"x\"\nduration_s = 1\nslo_s = 1\ntimeout_s = 1\n[arrivals]\ntrace = \"conv\"\n";
    let read = Scenario::parse(Path::new("s.toml"), text, &mut data());
    assert_eq!(
        read.unwrap_err().to_string(),
        "s.toml:1: there is no [[model]]"
    );
}
