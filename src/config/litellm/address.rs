//! Where the requests for a deployment go.

use super::{
    keys::{Written, written},
    notes::Notes,
    params::Params,
    provider::{Kind, Provider},
    result::{Address, Format},
    url::{host_dialect, host_of, invalid_host, parted, usable},
    yaml::Place,
};
use crate::dialect;

/// Finds the address, and the name that the model has there; or says why there is none.
pub(super) fn address(
    provider: &Provider,
    model: &str,
    params: &Params<'_>,
    notes: &mut Notes,
) -> Result<(Address, String), String> {
    let mut at = Finder {
        params,
        place: params.place(),
        notes,
    };
    let (name, found) = match provider.kind {
        Kind::Plain | Kind::Own => {
            let base = at.base(&[]).or_else(|| provider.base.map(Base::new));
            (model, at.plain(provider, base)?)
        }
        Kind::Azure => {
            let model = ["o_series/", "gpt5_series/", "responses/"]
                .iter()
                .find_map(|start| model.strip_prefix(start))
                .unwrap_or(model);
            (model, at.azure()?)
        }
        Kind::AzureAi => (model, at.azure_ai()?),
        Kind::Bedrock => return at.bedrock(model),
        Kind::Vertex => return at.vertex(model),
        Kind::Databricks => (model, at.databricks()?),
        Kind::HuggingFace => return at.hugging_face(model),
        Kind::Foreign => {
            return Err(format!(
                "the provider {} has no endpoint in the OpenAI format that an API key opens",
                provider.name
            ));
        }
    };
    Ok((found, name.to_owned()))
}

struct Finder<'a, 'b> {
    params: &'a Params<'b>,
    place: Place,
    notes: &'a mut Notes,
}

/// A base URL, and what its query said.
#[derive(Debug)]
struct Base {
    url: String,
    api_version: Option<String>,
}

impl Base {
    fn new(url: &str) -> Self {
        Self {
            url: url.to_owned(),
            api_version: None,
        }
    }
}

impl Finder<'_, '_> {
    fn plain(&mut self, provider: &Provider, base: Option<Base>) -> Result<Address, String> {
        let Some(base) = base else {
            return Err(format!(
                "no api_base is given, and {} has none of its own",
                provider.name
            ));
        };
        let own = provider.base.unwrap_or_default();
        let is_there = base.url == own || host_of(&base.url) == host_of(own);
        let has_format = matches!(provider.name, "anthropic" | "gemini" | "cohere");
        if has_format && !is_there {
            self.notes.todo(
                self.place,
                format!(
                    "api_base: LiteLLM speaks the format of {} there; here callers' requests go there as \
                     they are",
                    provider.name
                ),
            );
        }
        // Whoever answers at another address is known by it, not by the name of the provider.
        let speaks_own = is_there || matches!(provider.kind, Kind::Own);
        let base_url = if has_format && is_there {
            own.to_owned()
        } else {
            base.url
        };
        Ok(Address {
            dialect: provider.dialect.filter(|_| speaks_own),
            ..open_ai(base_url)
        })
    }

    fn azure(&mut self) -> Result<Address, String> {
        let Some(base) = self.base(&["/openai/"]) else {
            return Err("no api_base is given, which is the address of the resource".to_owned());
        };
        let version = self.text("api_version").or(base.api_version);
        let version = version.filter(|it| !matches!(it.as_str(), "v1" | "latest" | "preview"));
        let root = base.url.trim_end_matches("/v1");
        let root = root.strip_suffix("/openai").unwrap_or(root);
        let end = if version.is_some() {
            "/openai"
        } else {
            "/openai/v1"
        };
        let base_url = format!("{root}{end}");
        Ok(Address {
            dialect: (host_dialect(&base_url) != Some("azure")).then_some("azure"),
            api_version: version,
            ..open_ai(base_url)
        })
    }

    fn azure_ai(&mut self) -> Result<Address, String> {
        let Some(base) = self.base(&["/openai/", "/models", "/anthropic"]) else {
            return Err("no api_base is given, which is the address of the resource".to_owned());
        };
        let is_resource = host_dialect(&base.url) == Some("azure");
        let root = base.url.trim_end_matches("/v1");
        let root = root.strip_suffix("/openai").unwrap_or(root);
        let end = if is_resource { "/openai/v1" } else { "/v1" };
        Ok(open_ai(format!("{root}{end}")))
    }

    fn bedrock(&mut self, model: &str) -> Result<(Address, String), String> {
        let mut model = ["converse/", "invoke/", "converse_like/", "openai/"]
            .iter()
            .find_map(|start| model.strip_prefix(start))
            .unwrap_or(model);
        let mut region = self.text("aws_region_name");
        if let Some((first, rest)) = model.split_once('/')
            && is_region(first)
        {
            region.get_or_insert_with(|| first.to_owned());
            model = rest;
        }
        if model.contains("arn:") && model.contains('/') && model.starts_with("arn:") {
            // The name of the caller's own profile; it stands for the model.
        } else if model.contains('/') {
            return Err("Bedrock's agents and imported models are not routed".to_owned());
        }
        let region = region.unwrap_or_else(|| {
            let text = "no aws_region_name is given: the address says us-east-1";
            self.notes.todo(self.place, text);
            "us-east-1".to_owned()
        });
        let host = format!("https://bedrock-runtime.{}.amazonaws.com", label(&region)?);
        self.no_signature();
        if model.starts_with("openai.") {
            // Of all of Bedrock's models only these take requests in the OpenAI format there.
            let to = Address {
                dialect: Some("openai"),
                ..open_ai(format!("{host}/openai/v1"))
            };
            return Ok((to, model.to_owned()));
        }
        let to = Address {
            format: Format::Bedrock,
            ..open_ai(host)
        };
        Ok((to, model.to_owned()))
    }

    fn vertex(&mut self, model: &str) -> Result<(Address, String), String> {
        let location = self
            .text("vertex_location")
            .or_else(|| self.text("vertex_ai_location"));
        let project = self
            .text("vertex_project")
            .or_else(|| self.text("vertex_ai_project"));
        if !model.is_empty() && model.bytes().all(|it| it.is_ascii_digit()) {
            return Err("an endpoint of Vertex AI with a number is not routed".to_owned());
        }
        let location = location.unwrap_or_else(|| {
            let text = "no vertex_location is given: the address says us-central1";
            self.notes.todo(self.place, text);
            "us-central1".to_owned()
        });
        let project = project.unwrap_or_else(|| {
            let text = "no vertex_project is given: put yours in place of \"my-project\"";
            self.notes.todo(self.place, text);
            "my-project".to_owned()
        });
        let (location, project) = (label(&location)?, label(&project)?);
        self.notes.todo(
            self.place,
            "Vertex AI is opened by access tokens, which end after an hour: put one into the variable \
             of its upstream and renew it, or use the provider \"gemini\" with an API key",
        );
        let host = match location {
            "global" => "aiplatform.googleapis.com".to_owned(),
            location => format!("{location}-aiplatform.googleapis.com"),
        };
        let base = format!("https://{host}/v1/projects/{project}/locations/{location}");
        if model.contains("claude") {
            let to = Address {
                format: Format::VertexAnthropic,
                dialect: Some("vertex"),
                ..open_ai(base)
            };
            return Ok((to, model.to_owned()));
        }
        let to = Address {
            dialect: Some("openai"),
            ..open_ai(format!("{base}/endpoints/openapi"))
        };
        let name = if model.contains('/') {
            model.to_owned()
        } else {
            format!("google/{model}")
        };
        Ok((to, name))
    }

    fn databricks(&mut self) -> Result<Address, String> {
        let Some(base) = self.base(&["/serving-endpoints"]) else {
            return Err("no api_base is given, which is the address of the workspace".to_owned());
        };
        Ok(open_ai(format!("{}/serving-endpoints", base.url)))
    }

    fn hugging_face(&mut self, model: &str) -> Result<(Address, String), String> {
        if let Some(base) = self.base(&["/v1"]) {
            return Ok((open_ai(format!("{}/v1", base.url)), model.to_owned()));
        }
        let to = open_ai("https://router.huggingface.co/v1".to_owned());
        let parts: Vec<_> = model.splitn(3, '/').collect();
        let name = match parts.as_slice() {
            [provider, owner, name] => format!("{owner}/{name}:{provider}"),
            _ => model.to_owned(),
        };
        Ok((to, name))
    }

    /// Reads the base URL, up to the first of `ends`, and makes it one that an upstream can have.
    fn base(&mut self, ends: &[&str]) -> Option<Base> {
        let node = self
            .params
            .get("api_base")
            .or_else(|| self.params.get("base_url"))?;
        let place = node.place;
        let text = node.text()?;
        let Some(text) = self.params.resolve(text) else {
            let Written::Variable(name) = written(text) else {
                return None;
            };
            let host = invalid_host(name);
            self.notes.todo(
                place,
                format!(
                    "api_base: the variable {name} is not set here; put the URL in place of {host}"
                ),
            );
            return Some(Base::new(&format!("https://{host}")));
        };
        let (whole, query) = text.split_once('?').unwrap_or((&text, ""));
        let api_version = query
            .split('&')
            .find_map(|it| it.strip_prefix("api-version="));
        if query
            .split('&')
            .any(|it| !it.is_empty() && !it.starts_with("api-version="))
        {
            self.notes.lost(
                place,
                "api_base: its query, which an upstream does not take",
            );
        }
        let whole = whole.split('#').next().unwrap_or_default();
        let mut url = whole.trim_end_matches('/').to_owned();
        if let Some((origin, path)) = parted(&url) {
            let path = format!("{path}/");
            let end = ends.iter().filter_map(|end| path.find(end)).min();
            let path = path
                .get(..end.unwrap_or(path.len() - 1))
                .unwrap_or_default();
            let endpoint = dialect::detect(path).map(|(_, endpoint)| endpoint.suffix);
            let path = path
                .get(..endpoint.unwrap_or(path.len()))
                .unwrap_or_default();
            url = format!("{origin}{path}");
        }
        if let Err(why) = usable(&url) {
            let text =
                format!("api_base: {why}; put the URL in place of https://to-be-filled-in.invalid");
            self.notes.todo(place, text);
            url = "https://to-be-filled-in.invalid".to_owned();
        }
        Some(Base {
            url,
            api_version: api_version.map(str::to_owned),
        })
    }

    fn text(&mut self, name: &str) -> Option<String> {
        let node = self.params.get(name)?;
        let text = node.text()?;
        let found = self.params.resolve(text);
        if found.is_none()
            && let Written::Variable(variable) = written(text)
        {
            let what = format!("{name}: the variable {variable} is not set here; put its value in");
            self.notes.todo(node.place, what);
        }
        found
    }

    fn no_signature(&mut self) {
        self.notes.todo(
            self.place,
            "Bedrock: requests are not signed with AWS keys or roles; put a Bedrock API key into the \
             variable of its upstream",
        );
    }
}

fn open_ai(base_url: String) -> Address {
    Address {
        base_url,
        dialect: None,
        api_version: None,
        format: Format::OpenAi,
    }
}

fn is_region(text: &str) -> bool {
    let parts: Vec<_> = text.split('-').collect();
    let is_letters =
        |part: &str| !part.is_empty() && part.bytes().all(|it| it.is_ascii_lowercase());
    match parts.as_slice() {
        [begin @ .., last] => {
            begin.len() >= 2
                && begin.iter().all(|part| is_letters(part))
                && last.len() == 1
                && last.bytes().all(|it| it.is_ascii_digit())
        }
        [] => false,
    }
}

/// Lets through what can be a part of a host name or a path.
fn label(text: &str) -> Result<&str, String> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | ':' | '_');
    if !text.is_empty() && text.len() <= 63 && text.chars().all(is_part) {
        Ok(text)
    } else {
        Err("a region, location or project that no address can hold".to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_are_told_from_names() {
        assert!(is_region("us-east-1"));
        assert!(is_region("us-gov-west-1"));
        assert!(!is_region("anthropic.claude-v2"));
        assert!(!is_region("us"));
    }
}
