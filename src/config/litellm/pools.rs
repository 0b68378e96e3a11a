//! Model groups become pools, and their fallbacks further targets behind their own.

use super::{
    deployment::{Deployment, deployment, is_name},
    importer::{Importer, unused},
    notes::shown_name,
    result::{Format, Pool, Target},
    yaml::Node,
};

/// A fallback's fallbacks are followed, too; LiteLLM stops after as many.
const MOST_FALLBACKS: usize = 5;

/// The settings that say what stands behind a group.
pub(super) struct Settings<'a> {
    pub(super) router: Option<&'a Node>,
    pub(super) litellm: Option<&'a Node>,
}

impl<'a> Settings<'a> {
    /// Returns a setting that both parts can hold. The router's wins.
    fn either(&self, name: &str) -> Option<&'a Node> {
        let of = |part: Option<&'a Node>| part.and_then(|it| it.get(name));
        of(self.router).or_else(|| of(self.litellm))
    }
}

/// The deployments of one `model_name`.
struct Group {
    name: String,
    members: Vec<Target>,
    /// Whether they share by weight, and the rest of a pool has none.
    weighted: bool,
}

pub(super) fn pools<'a>(importer: &mut Importer<'a>, list: &'a Node, settings: &Settings<'_>) {
    let by_weight = shares_by_weight(importer, settings);
    let mut groups: Vec<Group> = Vec::new();
    let mut wild: Vec<Deployment> = Vec::new();
    for entry in list.items() {
        let Some(found) = deployment(importer, entry) else {
            continue;
        };
        if found.group.contains('*') || found.target.model.contains('*') {
            wild.push(found);
            continue;
        }
        match groups.iter_mut().find(|it| it.name == found.group) {
            Some(group) => group.members.push(found.target),
            None => groups.push(Group {
                name: found.group,
                members: vec![found.target],
                weighted: false,
            }),
        }
    }
    for group in &mut groups {
        order(importer, group);
        weigh(importer, group, by_weight);
    }
    importer.name_upstreams();
    let links = Links::read(importer, &groups, settings);
    for (index, group) in groups.iter().enumerate() {
        let pool = pool(importer, &groups, index, group, &links);
        importer.gateway.pools.push(pool);
    }
    aliases(importer, settings);
    wildcards(importer, &wild);
}

/// Says what becomes of the routing strategy. Only one of LiteLLM's reads weights.
fn shares_by_weight(importer: &mut Importer<'_>, settings: &Settings<'_>) -> bool {
    let strategy = settings.router.and_then(|it| it.get("routing_strategy"));
    let Some(strategy) = strategy else {
        return true;
    };
    let name = strategy.text().unwrap_or_default();
    let instead = match name {
        "simple-shuffle" => return true,
        "cost-based-routing" => "set cost_weight of the pools to prefer what is cheap",
        "latency-based-routing" => "slow targets are passed over; objective_ms says what is slow",
        "least-busy" | "usage-based-routing" | "usage-based-routing-v2" => {
            "what is left of each limit is known, and targets are left before they refuse"
        }
        _ => "targets are chosen by what is known of them",
    };
    importer.notes.replaced(
        strategy.place,
        format!("router_settings.routing_strategy: the adaptive policy stands for it; {instead}"),
    );
    false
}

/// Puts those with a lower order first, and leaves out what stands there twice.
fn order(importer: &mut Importer<'_>, group: &mut Group) {
    let place = |target: &Target| target.order.unwrap_or(f64::INFINITY);
    group.members.sort_by(|a, b| place(a).total_cmp(&place(b)));
    let mut kept: Vec<Target> = Vec::new();
    for member in std::mem::take(&mut group.members) {
        if let Some(known) = kept.iter_mut().find(|it| it.is_like(&member)) {
            let text = "a deployment with the model, address and key of another of its group: one target \
                        stands for both";
            importer.notes.replaced(member.place, text);
            if let (Some(sum), Some(more)) = (&mut known.weight, member.weight) {
                *sum += more;
            }
        } else {
            kept.push(member);
        }
    }
    group.members = kept;
}

fn weigh(importer: &mut Importer<'_>, group: &mut Group, by_weight: bool) {
    let weight = |target: &Target| target.weight.unwrap_or(0.0);
    let first = group.members.first().and_then(|it| it.order);
    let level = |target: &Target| target.order == first;
    let mut weights = group.members.iter().filter(|it| level(it)).map(weight);
    let one = weights.next().unwrap_or(0.0);
    let differ = weights.any(|it| it.total_cmp(&one).is_ne());
    group.weighted = by_weight && differ;
    if !group.weighted
        && by_weight
        && let Some(second) = group.members.get(1).filter(|it| level(it))
    {
        let text = "deployments of one model_name get equal shares of its requests; here the first is \
                    preferred, and others come as its limit is near or it fails; policy = \"weighted\" \
                    shares them out";
        importer.notes.replaced(second.place, text);
    }
    for member in &mut group.members {
        if member.weight.is_some() && !by_weight {
            let text = "litellm_params.weight: LiteLLM reads it under simple-shuffle only";
            importer.notes.replaced(member.place, text);
        }
        // Others come when those are not free.
        member.weight = Some(if level(member) { weight(member) } else { 0.0 });
    }
}

/// What stands behind each group, by their indices.
struct Links {
    next: Vec<Vec<usize>>,
    /// Of those that have none of their own.
    default: Vec<usize>,
}

impl Links {
    fn read(importer: &mut Importer<'_>, groups: &[Group], settings: &Settings<'_>) -> Self {
        let mut links = Self {
            next: vec![Vec::new(); groups.len()],
            default: Vec::new(),
        };
        if let Some(list) = settings.either("fallbacks") {
            links.read_map(importer, groups, list, "fallbacks");
        }
        if let Some(list) = settings.either("default_fallbacks") {
            links.default = names(importer, groups, list, "default_fallbacks");
        }
        if let Some(list) = settings.either("context_window_fallbacks") {
            let text = "context_window_fallbacks: they stand behind the others and serve other failures, \
                        too; what is too long for a target goes to one that can take it";
            importer.notes.replaced(list.place, text);
            links.read_map(importer, groups, list, "context_window_fallbacks");
        }
        if let Some(list) = settings.either("content_policy_fallbacks") {
            let text = "content_policy_fallbacks: a request that a filter refused is not sent to others on \
                        its account";
            importer.notes.lost(list.place, text);
        }
        links
    }

    /// Reads a list of maps from the name of a group to those of others.
    fn read_map(&mut self, importer: &mut Importer<'_>, groups: &[Group], list: &Node, what: &str) {
        // A lone map is a mistake that LiteLLM's own documents make.
        let alone = list.is_map().then_some(list);
        let maps = list.items().iter().map(|it| &**it).chain(alone);
        if !list.is_list() && alone.is_none() {
            importer
                .notes
                .unreadable(list, what, "a list of maps from a model to others");
        }
        for map in maps {
            for (key, value) in map.entries() {
                let found = names(importer, groups, value, what);
                if key.text == "*" {
                    self.default.extend(found);
                    continue;
                }
                let own = groups.iter().position(|group| group.name == key.text);
                let Some(next) = own.and_then(|own| self.next.get_mut(own)) else {
                    let name = shown_name(&key.text);
                    let text = format!("{what}: model_list has no {name} that was carried over");
                    importer.notes.lost(key.place, text);
                    continue;
                };
                next.extend(found);
            }
            if !map.is_map() {
                importer
                    .notes
                    .unreadable(map, what, "a map from a model to others");
            }
        }
    }

    /// Returns the groups behind one, nearest first, each once.
    fn behind(&self, group: usize) -> Vec<usize> {
        let own = self.next.get(group).filter(|it| !it.is_empty());
        let first = own.unwrap_or(&self.default);
        let mut open: Vec<usize> = first.iter().rev().copied().collect();
        let mut found = Vec::new();
        while let Some(next) = open.pop() {
            if next == group || found.contains(&next) {
                continue;
            }
            if found.len() >= MOST_FALLBACKS.max(first.len()) {
                break;
            }
            found.push(next);
            let further = self.next.get(next).map_or(&[][..], Vec::as_slice);
            open.extend(further.iter().rev());
        }
        // Those that the file names itself come before theirs.
        found.sort_by_key(|it| first.iter().position(|one| one == it).unwrap_or(usize::MAX));
        found
    }
}

/// Reads the names of groups: a list, or one alone.
fn names(importer: &mut Importer<'_>, groups: &[Group], list: &Node, what: &str) -> Vec<usize> {
    let alone = (!list.is_list()).then_some(list);
    let items = list.items().iter().map(|it| &**it).chain(alone);
    let mut found = Vec::new();
    for item in items {
        if item.entries().len() > 1 {
            let text = format!("{what}: the parameters beside the model of a fallback");
            importer.notes.lost(item.place, text);
        }
        let Some(name) = item.get("model").unwrap_or(item).text() else {
            importer.notes.unreadable(item, what, "the name of a model");
            continue;
        };
        match groups.iter().position(|group| group.name == name) {
            Some(at) if !found.contains(&at) => found.push(at),
            Some(_) => {}
            None => {
                let name = shown_name(name);
                let text = format!("{what}: model_list has no {name} that was carried over");
                importer.notes.lost(item.place, text);
            }
        }
    }
    found
}

fn pool(
    importer: &mut Importer<'_>,
    groups: &[Group],
    index: usize,
    group: &Group,
    links: &Links,
) -> Pool {
    let mut targets = group.members.clone();
    for other in links.behind(index) {
        for member in groups.get(other).map_or(&[][..], |it| &it.members) {
            if !targets.iter().any(|it| it.is_like(member)) {
                let mut target = member.clone();
                target.weight = Some(0.0);
                targets.push(target);
            }
        }
    }
    let place = group.members.first().map(|it| it.place).unwrap_or_default();
    let mut labels: Vec<String> = Vec::new();
    for target in &mut targets {
        if labels.iter().any(|it| it == target.label()) {
            let upstream = importer.gateway.upstreams.get(target.upstream);
            let by_upstream = upstream.map(|it| format!("{} at {}", target.model, it.name));
            let name = target.id.clone().or(by_upstream);
            let name = name.unwrap_or_else(|| target.model.clone());
            target.name = Some(unused(&name, |it| labels.iter().any(|other| other == it)));
        }
        labels.push(target.label().to_owned());
    }
    let formats = |format: Format| targets.iter().any(|it| it.format == format);
    for (format, name) in [
        (Format::Bedrock, "that of Bedrock"),
        (Format::VertexAnthropic, "that of Anthropic on Vertex AI"),
    ] {
        if !formats(format) {
            continue;
        }
        let pool = shown_name(&group.name);
        let text = if formats(Format::OpenAi) {
            format!(
                "pool {pool}: some of its targets take requests in the OpenAI format and some in {name}: \
                 nothing is translated, so that neither can stand in for the other"
            )
        } else {
            format!(
                "pool {pool}: its callers have to speak {name}, and not the OpenAI format: nothing is \
                 translated"
            )
        };
        importer.notes.todo(place, text);
    }
    Pool {
        name: group.name.clone(),
        aliases: Vec::new(),
        weighted: group.weighted,
        targets,
    }
}

fn aliases(importer: &mut Importer<'_>, settings: &Settings<'_>) {
    let of_router = settings.router.and_then(|it| it.get("model_group_alias"));
    let of_all = settings.litellm.and_then(|it| it.get("model_alias_map"));
    for map in [of_router, of_all].into_iter().flatten() {
        for (key, value) in map.entries() {
            let alias = key.text.trim();
            let pools = &mut importer.gateway.pools;
            let is_taken = pools
                .iter()
                .any(|pool| pool.name == alias || pool.aliases.iter().any(|it| it == alias));
            let meant = value.get("model").unwrap_or(value).text();
            let pool = pools
                .iter_mut()
                .find(|pool| Some(pool.name.as_str()) == meant);
            let shown = shown_name(alias);
            match pool {
                _ if is_taken => {
                    let text = format!("an alias {shown}, which is the name of a pool already");
                    importer.notes.lost(key.place, text);
                }
                Some(pool) if is_name(alias) => pool.aliases.push(alias.to_owned()),
                _ => {
                    let text = format!("an alias {shown} of a model that was not carried over");
                    importer.notes.lost(key.place, text);
                }
            }
        }
    }
}

/// Lets one upstream take the models that no pool knows, where that comes to what a wildcard says.
fn wildcards(importer: &mut Importer<'_>, wild: &[Deployment]) {
    for found in wild {
        let place = found.target.place;
        let shown = shown_name(&found.group);
        let upstream = importer.gateway.upstreams.get(found.target.upstream);
        let Some(upstream) = upstream.map(|it| it.name.clone()) else {
            continue;
        };
        let default = importer
            .gateway
            .default_upstream
            .get_or_insert_with(|| upstream.clone());
        if *default != upstream {
            let text = format!(
                "the wildcard {shown}: models that no pool knows go to {default:?} already; write a pool \
                 for each model that is used"
            );
            importer.notes.lost(place, text);
            continue;
        }
        let text = match found.group.split_once('/') {
            Some((prefix, "*")) => format!(
                "the wildcard {shown}: models that no pool knows go to {upstream:?} as callers name them, \
                 who therefore have to leave out \"{prefix}/\""
            ),
            _ => format!(
                "the wildcard {shown}: all models that no pool knows go to {upstream:?} as callers name \
                 them, and nothing takes over for them"
            ),
        };
        importer.notes.todo(place, text);
    }
}
